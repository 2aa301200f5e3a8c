"""The engines' parts that need no engine."""
