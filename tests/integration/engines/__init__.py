"""Tests of the real engines."""
