"""Tests of the console over a real database, without a browser."""
