"""Middleware around every request, outermost first: context, metrics, head, problems."""
