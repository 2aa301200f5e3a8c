"""Settings, and the defaults they start from."""
