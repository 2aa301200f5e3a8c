"""The gateway as a process: what it needs outside, whether it is well, what it logs."""
