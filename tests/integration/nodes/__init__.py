"""Tests of nodes at whole gateways in this process, with real sockets, actors and database."""
