"""Which verifier a gateway uses, by its settings and what its machine can do."""

from pathlib import Path
from uuid import UUID

import attrs
import pytest
from structlog.testing import capture_logs

from config.loader import SettingsError, load
from config.settings import Settings
from rendertrust.verdict_reason import NO_VERIFIER, OFF
from sql.nodes import NodeIdentity
from supervisors.actor_settings import actor_settings, session_settings, verifier_settings
from supervisors.engines.embedded_verifier import CannotVerify, Confinement, SandboxCommand
from supervisors.engines.engine_folder import EngineFolder
from web.app import verifiers_of
from web.http.listener import ListenAddress
from web.nodes import embedded_verifier
from web.nodes.embedded_verifier import EmbeddedVerifierState, embedding_of
from web.process.startup_warnings import warn_of

WHY = "bubblewrap is missing; install it"
OWN = UUID(int=7)
PLACE = ListenAddress("0.0.0.0", 8123)


def test_odds_and_waits_are_settings() -> None:
    usual = verifier_settings(load(overrides={"verification": {"enabled": True}}), frozenset())
    assert (usual.verification.least_odds, usual.own) == (0.05, frozenset())
    said = {"enabled": True, "least_odds": 1.0, "wait_seconds": 60.0}
    made = verifier_settings(load(overrides={"verification": said}), frozenset({OWN}))
    assert (made.verification.wait_seconds, made.own) == (60.0, frozenset({OWN}))


def test_odds_are_shares() -> None:
    with pytest.raises(SettingsError, match=r"verification\.least_odds"):
        load(overrides={"verification": {"least_odds": 1.5}})


def settings_with(**verification: object) -> Settings:
    return load(overrides={"verification": {"enabled": True, **verification}})


def confinement(data: Path) -> Confinement:
    return Confinement(EngineFolder(data, "verifier", None), SandboxCommand(("bwrap",)), b"k" * 32)


def unable(_: object, __: object) -> Confinement:
    raise CannotVerify(WHY)


def warned(settings: Settings, why_not: str | None = None) -> list[tuple[str, str]]:
    with capture_logs() as logs:
        warn_of(settings, why_not)
    return [(line["setting"], line["event"]) for line in logs]


def test_a_gateway_that_verifies_runs_a_verifier_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confined = confinement(tmp_path)

    def able(_: object, __: object) -> Confinement:
        return confined

    monkeypatch.setattr(embedded_verifier, "confine", able)
    embedding, settings = embedding_of(settings_with(), tmp_path)
    assert embedding.confined is confined
    assert settings.verification.enabled
    for none in (settings_with(enabled=False), settings_with(embedded=False, own_nodes=str(OWN))):
        assert embedding_of(none, tmp_path) == (EmbeddedVerifierState(), none)


def test_where_nobody_can_verify_nothing_is_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_verifier, "confine", unable)
    asked = settings_with()
    embedding, settings = embedding_of(asked, tmp_path)
    assert not settings.verification.enabled
    [(setting, event)] = warned(asked, embedding.why_not)
    assert setting == "verification.embedded"
    assert WHY in event
    assert "not verified" in event
    assert "not paid" not in event
    told = verifier_settings(settings, frozenset(), embedding.unverified_why)
    assert (told.unverified_why, told.pays_unverified) == (NO_VERIFIER, True)
    assert not told.verification.enabled
    production = attrs.evolve(asked, environment="production")
    with pytest.raises(SettingsError, match=f"production refuses to start: {WHY}"):
        embedding_of(production, tmp_path)


def test_where_others_verify_they_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_verifier, "confine", unable)
    asked = attrs.evolve(settings_with(own_nodes=str(OWN)), environment="production")
    embedding, settings = embedding_of(asked, tmp_path)
    assert settings.verification.enabled
    [(_, event)] = warned(attrs.evolve(asked, environment="development"), embedding.why_not)
    assert WHY in event
    assert "not verified" not in event


def test_development_without_any_verifier_goes_on_unverified_and_says_so(tmp_path: Path) -> None:
    asked = settings_with(embedded=False)
    embedding, settings = embedding_of(asked, tmp_path)
    assert not settings.verification.enabled
    assert embedding.unverified_why == NO_VERIFIER
    [(setting, event)] = warned(asked, embedding.why_not)
    assert setting == "verification.own_nodes"
    assert "not verified" in event


def test_where_credits_cost_money_no_node_is_paid_for_what_is_unverified(tmp_path: Path) -> None:
    live = {"secret_key": "sk_live_0123456789", "webhook_secret": "whsec_0"}
    played = load(overrides={"verification": {"enabled": False}})
    paid = load(
        overrides={
            "verification": {"enabled": False},
            "stripe": live,
            "credits": {"starter": "0"},
        }
    )
    for settings, pays in ((played, True), (paid, False)):
        embedding, settings_now = embedding_of(settings, tmp_path)
        assert session_settings(settings_now).pays_unverified is pays
        assert verifier_settings(settings_now, frozenset()).pays_unverified is pays
        assert embedding.unverified_why == OFF
        [(setting, event)] = warned(settings_now)
        assert setting == "verification.enabled"
        assert ("not paid" in event) is not pays


def test_where_credits_cost_money_evidence_is_asked_for() -> None:
    live = {"secret_key": "sk_live_0123456789", "webhook_secret": "whsec_0"}
    played, paid = load(), load(overrides={"stripe": live, "credits": {"starter": "0"}})
    assert not paid.results.require_evidence, "the setting itself is off, as in development"
    for settings, asks in ((played, False), (paid, True)):
        assert session_settings(settings).require_evidence is asks
        assert verifier_settings(settings, frozenset()).require_evidence is asks


def test_all_who_must_know_it_know_the_embedded_one_beside_the_nodes_that_are_named(
    tmp_path: Path,
) -> None:
    embedding, settings = (
        EmbeddedVerifierState(confinement(tmp_path)),
        settings_with(own_nodes=str(OWN)),
    )
    verifiers = verifiers_of(settings, embedding)
    assert verifiers == {OWN, confinement(tmp_path).id}
    assert verifier_settings(settings, verifiers).own == verifiers
    assert session_settings(settings, verifiers).own == verifiers
    assert actor_settings(settings, verifiers).scheduler.ours == verifiers
    with pytest.raises(SettingsError, match="own_nodes must be ids"):
        verifiers_of(settings_with(own_nodes="mine"), embedding)


def test_it_finds_objects_where_it_found_the_gateway_whatever_the_public_address(
    tmp_path: Path,
) -> None:
    embedding = EmbeddedVerifierState(confinement(tmp_path))

    def base(node: UUID, **objects: str) -> str | None:
        public = {"server": {"public_url": "https://farm.example"}, "objects": objects}
        arrival = NodeIdentity(node, None, (), verified=False)
        return embedding.placed(arrival, PLACE, load(overrides=public)).base

    assert base(confinement(tmp_path).id) == "http://127.0.0.1:8123"
    assert base(OWN) is None
    assert base(confinement(tmp_path).id, public_url="https://store.example") is None
