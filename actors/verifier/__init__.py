"""Verifier: whether what a node delivered is what the scene gives. Pure modules decide."""
