"""Parsers of untrusted picture files, without a library, Blender or numpy.

The gateway and the client use these modules too.
"""
