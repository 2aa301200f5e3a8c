"""What the settings say to the Verifier."""

from uuid import UUID

import pytest

from config.settings import SettingsError, load
from web.app import verifying_of

OWN = (UUID(int=1), UUID(int=2))


def test_odds_waits_and_verifiers_are_settings() -> None:
    usual = verifying_of(load(overrides={"verification": {"enabled": True}}))
    assert (usual.least_odds, usual.wait_seconds, usual.own) == (0.05, 300.0, frozenset())
    named = ", ".join(map(str, OWN))
    said = {"enabled": True, "least_odds": 1.0, "wait_seconds": 60.0, "own_nodes": named}
    made = verifying_of(load(overrides={"verification": said}))
    assert (made.least_odds, made.wait_seconds, made.own) == (1.0, 60.0, frozenset(OWN))


def test_odds_are_shares() -> None:
    with pytest.raises(SettingsError, match=r"verification\.least_odds"):
        load(overrides={"verification": {"least_odds": 1.5}})
