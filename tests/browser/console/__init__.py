"""Tests of the console in a real browser, at a real gateway with real jobs."""
