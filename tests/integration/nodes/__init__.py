"""Nodes at whole gateways in this process: real sockets, real actors, a real database."""
