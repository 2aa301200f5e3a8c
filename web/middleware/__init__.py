"""The one middleware around every request, and its steps."""
