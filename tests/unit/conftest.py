"""Which of these say nothing of the version of Python."""

from pathlib import Path

import pytest

# They search at length, for seconds each, what plain sums and rules make of many orders of events.
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
