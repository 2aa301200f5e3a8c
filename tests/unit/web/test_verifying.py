"""What the settings say to the Verifier."""

import pytest

from config.settings import SettingsError, load
from web.app import verifying_of


def test_the_odds_of_looks_by_our_own_and_of_trials_are_settings() -> None:
    usual = verifying_of(load(overrides={"verification": {"enabled": True}}))
    assert (usual.own_odds, usual.trial_odds) == (0.2, 0.05)
    said = {"enabled": True, "own_odds": 1.0, "trial_odds": 0.0}
    made = verifying_of(load(overrides={"verification": said}))
    assert (made.own_odds, made.trial_odds) == (1.0, 0.0)


@pytest.mark.parametrize("name", ["own_odds", "trial_odds"])
def test_odds_are_shares(name: str) -> None:
    with pytest.raises(SettingsError, match=f"verification.{name}"):
        load(overrides={"verification": {name: 1.5}})
