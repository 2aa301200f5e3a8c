"""Tests of backups, and of databases of an older PostgreSQL."""
