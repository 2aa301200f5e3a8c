"""Fixtures for fuzzing; ``database`` has the newest schema here."""

from tests.integration.conftest import database_template

__all__ = ["database_template"]
