"""Plugin that makes password hashing cheap for gateways inside the test process.

Gateways in separate processes and ``tests/unit/web/test_passwords.py`` use the real cost.
"""

from web.identity import passwords

REAL_KIB = passwords.MEMORY_KIB
passwords.MEMORY_KIB = 64
