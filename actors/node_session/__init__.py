"""Actor for one connected node: owns its socket, renews its leases, and sends it units."""
