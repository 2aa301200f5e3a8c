"""The real engines."""
