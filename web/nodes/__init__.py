"""Nodes at their sockets, and changes of their standing."""
