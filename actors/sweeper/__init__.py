"""Actor that deletes expired inputs, results and events, and abandoned uploads."""
