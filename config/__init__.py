"""Settings of the gateway, and their defaults."""
