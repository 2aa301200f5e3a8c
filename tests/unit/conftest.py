"""Marking of unit tests that do not depend on the version of Python as ``heavy``."""

from pathlib import Path

import pytest

from tests.support.heavy import mark_heavy

# Tests that take seconds and do not depend on the version of Python.
ABOUT_RULES = (
    "kernel/test_typing.py",
    "ledger/test_everything_properties.py",
    "ledger/test_many_units_properties.py",
)
# Files with many slow variants, of which one shows that the modules work on a version of Python.
FIRST_ONLY = (
    "config/test_mail_server.py",
    "config/test_settings.py",
    "test_dependencies.py",
    "verifier/test_clawback.py",
    "verifier/test_excuses.py",
    "verifier/test_turns.py",
    "web/test_public_host.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_heavy(items, Path(__file__).parent, ABOUT_RULES, FIRST_ONLY)
