"""Sources of settings, which are shown without secrets."""

from pathlib import Path

import pytest

from config.loader import load
from config.sources import DEFAULT, START, sources_of, values_of

SECRET = "a-secret-of-the-tests-0123456789-abcdefgh"


def test_each_value_names_the_last_source_that_said_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("[server]\nport = 8100\n[limits]\nlogin = 7\nrefresh = 9\n")
    monkeypatch.setenv("RENDERTRUST_LIMITS_REFRESH", "11")
    monkeypatch.setenv("RENDERTRUST_LOGS_ACCESS", "no")
    settings = load(file, {"server": {"port": 8200}})
    found = sources_of(settings, file)
    assert found["limits.login"] == f"file {file}"
    assert found["limits.refresh"] == "environment, RENDERTRUST_LIMITS_REFRESH"
    assert found["logs.access"] == "environment, RENDERTRUST_LOGS_ACCESS"
    assert found["server.port"] == START
    assert found["server.body_seconds"] == DEFAULT
    values = {value.name: value for value in values_of(settings, found)}
    assert (values["server.port"].text, values["logs.access"].text) == ("8200", "false")
    assert set(found) == set(values)


def test_a_switch_that_the_command_line_sets_is_given_at_the_start() -> None:
    settings = load(overrides={"server": {"insecure_development": True}})
    found = sources_of(settings, None)
    assert found["server.insecure_development"] == START
    assert found["nodes.require_proof"] == "default of development"
    assert found["pricing.look_first"] == DEFAULT


def test_every_value_has_a_meaning() -> None:
    assert [v.name for v in values_of(load(), {}) if not v.meaning] == []


def test_a_meaning_shows_the_words_of_a_link() -> None:
    meanings = {value.name: value.meaning for value in values_of(load(), {})}
    assert meanings["oidc.providers"].endswith("; see Sign-in with OpenID Connect")
    assert "[[oidc.providers]]" in meanings["oidc.providers"]


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = {
        "jwt": {"secret": SECRET},
        "database": {"url": f"postgresql://app:{SECRET}@db/rendertrust"},
        "redis": {"url": f"redis://:{SECRET}@redis"},
        "objects": {"url": f"https://key:{SECRET}@store", "secret_key": SECRET},
        "proof": {"key": SECRET},
        "stripe": {"secret_key": SECRET, "webhook_secret": SECRET},
        "chain": {"key": SECRET, "url": f"https://:{SECRET}@chain", "chain_id": 1},
    }
    settings = load(None, overrides)
    values = values_of(settings, sources_of(settings, None))
    assert SECRET not in repr(values)
    masked = {value.name for value in values if value.is_secret and value.text}
    assert {"jwt.secret", "database.url", "redis.url", "proof.key", "stripe.secret_key"} <= masked
    assert "jwt.previous" not in masked
