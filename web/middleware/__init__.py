"""Middleware around every request, outermost first: ids, callers, metrics, seats, problems."""
