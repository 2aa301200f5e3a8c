"""Supervisors, which start, restart and stop actors, and the engines that some actors run."""
