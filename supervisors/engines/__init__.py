"""The outside world behind the ports: engines that we start ourselves, or that are elsewhere."""
