"""The anchor: writes roots of the log to a chain, where the gateway cannot change them."""
