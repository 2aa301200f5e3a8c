"""What the settings say to the Verifier."""

import pytest

from config.settings import SettingsError, load
from web.app import verifying_of
from web.commands.serve import why_unchecked


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


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"enabled": False}, "nothing is checked"),
        ({"enabled": True}, "no node is the gateway's own"),
        ({"enabled": True, "own_nodes": "3f2b8c1e-0d0a-4d5e-9a51-0d6f0a4c9b11"}, None),
    ],
)
def test_serve_says_what_is_paid_for_unseen(said: dict[str, object], words: str | None) -> None:
    told = why_unchecked(load(overrides={"verification": said}).verification)
    assert (told is None) if words is None else (told is not None and words in told)
