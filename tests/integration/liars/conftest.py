"""A lie is told once: its unit is tried again later than any test lasts."""

import pytest

from sql import retry_policy
from tests.support.patience import patient

__all__ = ["patient"]


@pytest.fixture(autouse=True)
def retried_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put off what the Scheduler would give out again, in a second or in four."""
    monkeypatch.setattr(retry_policy, "RETRY_SECONDS", (86_400,) * 3)
