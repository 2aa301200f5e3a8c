"""Implementations of the ports, over engines that the gateway starts itself and over remote
servers.
"""
