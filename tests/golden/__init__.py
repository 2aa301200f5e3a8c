"""Golden files: the bytes of everything that outside programs, keys and databases depend on.

A refactoring must not change them. Each family makes its files from fixed inputs; ``files/`` holds
what they were. ``python -m tests.golden`` lists the differences and says how to accept them.
"""
