"""The scheduler: which node gets which unit, and when."""
