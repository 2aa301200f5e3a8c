"""Nodes at their sockets, and what people say about them."""
