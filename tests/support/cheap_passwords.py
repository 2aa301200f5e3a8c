"""Passwords are hashed cheaply by the gateways inside of tests, of which each hashes some.

What a real hash costs, ``tests/unit/web/test_passwords.py`` and gateways that are programs show.
"""

from web.identity import passwords

REAL_KIB = passwords.MEMORY_KIB
passwords.MEMORY_KIB = 64
