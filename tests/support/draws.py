"""Control over the gateway's random draws of results to compare."""

import pytest

from actors.ledger.commands import checks
from actors.node_session.sampling import Sampling

ODDS = 0.5


def fix_draws(monkeypatch: pytest.MonkeyPatch, *, drawn: bool) -> None:
    """Make the gateway draw every delivery for comparison, or no delivery, at odds of 0.5."""

    async def draw(*_: object) -> tuple[float, float]:
        return (0.0 if drawn else 0.9), ODDS

    monkeypatch.setattr(Sampling, "draw", draw)
    monkeypatch.setattr(checks, "covered_odds", uncovered)


def uncovered(share: int, pending: int) -> float:
    """Return 0: no stake raises the odds of a draw."""
    return 0.0
