"""Golden files: the bytes of everything that outside programs, keys and databases depend on.

A refactoring must not change them. Each family makes its files from fixed inputs, and ``files/``
holds the expected bytes. ``python -m tests.golden`` lists the differences and says how to accept
them.
"""
