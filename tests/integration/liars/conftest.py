"""Fixtures of tests with lying nodes: no failed unit is retried during a test."""

import pytest

from sql import unit_retry_policy
from tests.support.patience import patient

__all__ = ["patient"]


@pytest.fixture(autouse=True)
def retried_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the Scheduler retry a failed unit only after a day."""
    monkeypatch.setattr(unit_retry_policy, "RETRY_SECONDS", (86_400,) * 3)
