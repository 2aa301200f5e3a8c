"""Baselines for comparison: written once, as fast as possible, and left unchanged."""
