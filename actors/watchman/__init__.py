"""Actor that starts last and stops first; while it runs, the gateway accepts new work."""
