"""Supervisors: start, restart and stop the actors; and the engines that they run."""
