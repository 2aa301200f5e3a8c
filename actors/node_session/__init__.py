"""One session per connected node: its socket, its leases, its frames."""
