"""The console over a real database, without a browser."""
