"""The watchman: last to start and first to stop; tells whether the gateway takes new work."""
