"""Supervisors, which start, restart and stop the actors; and the engines, which actors run."""
