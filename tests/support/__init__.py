"""What tests of several kinds share: engines, gateways, clients, and means to wait and to look."""
