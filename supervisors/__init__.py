"""Supervisors: what starts, restarts and stops the actors."""
