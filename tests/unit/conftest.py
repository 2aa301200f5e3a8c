"""Marking of unit tests that do not depend on the version of Python as ``heavy``."""

from pathlib import Path

import pytest

# Tests that take seconds and do not depend on the version of Python.
ABOUT_RULES = (
    "kernel/test_typing.py",
    "ledger/test_everything_properties.py",
    "ledger/test_many_units_properties.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    rules = {here / path for path in ABOUT_RULES}
    for item in items:
        if item.path in rules:
            item.add_marker(pytest.mark.heavy)
