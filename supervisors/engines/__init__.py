"""Implementations of the ports: engines that the gateway starts itself, and remote ones."""
