"""Draws of a gateway under test, decided by the test."""

import pytest

from actors.ledger import fines
from actors.node_session.sampling import Sampling

ODDS = 0.5


def fix_draws(monkeypatch: pytest.MonkeyPatch, *, drawn: bool) -> None:
    """Have every delivery drawn to be compared, or none, at even odds."""

    async def draw(*_: object) -> tuple[float, float]:
        return (0.0 if drawn else 0.9), ODDS

    monkeypatch.setattr(Sampling, "draw", draw)
    monkeypatch.setattr(fines, "covered_odds", uncovered)


def uncovered(share: int, pending: int) -> float:
    """Odds that ask for no stake."""
    return 0.0
