"""The log: keys that sign it, and this gateway's memory of it."""
