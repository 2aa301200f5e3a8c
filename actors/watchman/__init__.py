"""The watchman: starts last and stops first; while it runs, the gateway takes new work."""
