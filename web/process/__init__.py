"""The gateway as a process: its dependencies, health and logs."""
