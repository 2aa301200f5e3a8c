"""Databases as files, and databases of an older PostgreSQL."""
