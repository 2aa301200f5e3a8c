"""The console: what an administrator, a creator and an operator look at, in a browser."""
