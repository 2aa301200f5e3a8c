"""Whether a gateway keeps the reference, asked from outside: plain HTTP, nothing of ours imported.

    python -m tests.acceptance.conformance http://localhost:8000

Every example body of the reference is checked: each field that it shows is there, has that type and
format, and is not null where the example is not. So are status codes and close codes. It registers
a few people and one node; a gateway with the limits of the reference bears one run a minute.
"""
