"""The providers of OpenID Connect in the settings."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.loader import SettingsError, load
from config.oidc_providers import OidcProviders, providers_of
from config.redaction import hide_settings, redact
from config.sources import sources_of, values_of

SECRET = "Zq8-the-secret-of-the-farm"
TABLE: dict[str, Any] = {
    "id": "company",
    "name": "Company",
    "issuer": "https://login.company.example/realms/one",
    "client_id": "farm",
    "client_secret": SECRET,
}
FILE = f"""
[[oidc.providers]]
id = "company"
issuer = "https://login.company.example"
client_id = "farm"
client_secret = "{SECRET}"
groups_claim = "teams"
own_factor = true

[oidc.providers.roles]
"render admins" = "admin"
artists = "user"

[[oidc.providers]]
id = "other"
issuer = "https://other.example/"
client_id = "farm"
client_secret = "{SECRET}"
"""


def test_providers_are_tables_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(FILE)
    settings = load(file)
    company, other = settings.oidc.providers
    assert (company.label, company.groups_claim, company.own_factor) == ("company", "teams", True)
    assert company.roles == {"render admins": "admin", "artists": "user"}
    assert (other.scopes, other.roles) == ("openid email profile", {})
    found = settings.oidc.providers.by_issuer("https://other.example/")
    assert found == other
    shown = next(
        each
        for each in values_of(settings, sources_of(settings, file))
        if each.name == "oidc.providers"
    )
    assert shown.source == f"file {file}"
    assert shown.text == ("company (https://login.company.example), other (https://other.example/)")


def test_providers_may_be_in_the_file_of_secrets(tmp_path: Path) -> None:
    file, secrets = tmp_path / "gateway.toml", tmp_path / "secrets.toml"
    file.write_text("[oidc]\n")
    secrets.write_text(FILE)
    secrets.chmod(0o600)
    settings = load(file)
    assert [each.id for each in settings.oidc.providers] == ["company", "other"]
    assert sources_of(settings, file)["oidc.providers"] == f"file {secrets}"


def test_providers_are_json_in_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDERTRUST_OIDC_PROVIDERS", json.dumps([TABLE]))
    settings = load()
    assert [each.label for each in settings.oidc.providers] == ["Company"]
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.oidc.providers)
    hide_settings(settings)
    assert SECRET not in redact(f"the log says {SECRET}")
    monkeypatch.setenv("RENDERTRUST_OIDC_PROVIDERS", " ")
    assert load().oidc.providers == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "Company"}, "small letters"),
        ({"id": "a/b"}, "small letters"),
        ({"id": ""}, "id is missing"),
        ({"client_secret": ""}, "client_secret is missing"),
        ({"issuer": "http://login.company.example"}, "https://"),
        ({"issuer": "https://login.company.example?a=1"}, "https://"),
        ({"issuer": "https://user:pass@login.company.example"}, "https://"),
        ({"issuer": "login.company.example"}, "https://"),
        ({"scopes": "email"}, "openid"),
        ({"scopes": "openid  email"}, "one blank"),
        ({"roles": {"admins": "root"}}, "must be user, operator, auditor or admin"),
        ({"roles": ["admins"]}, "table of groups"),
        ({"own_factor": "yes"}, "true or false"),
        ({"name": "x" * 41}, "40 characters"),
        ({"name": 7}, "must be a text"),
        ({"secret": SECRET}, "secret is not known"),
    ],
)
def test_wrong_providers_are_refused_without_their_secret(
    change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        providers_of([TABLE | change])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["{", '{"id": 1}', "company", f'[{{"client_secret": "{SECRET}"'])
def test_a_variable_that_is_no_list_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDERTRUST_OIDC_PROVIDERS", text)
    with pytest.raises(SettingsError, match="tables") as caught:
        load()
    assert SECRET not in str(caught.value)


def test_an_issuer_has_one_provider() -> None:
    for what in ("id", "issuer"):
        other = TABLE | {"id": "other", "issuer": "https://other.example"}
        with pytest.raises(ValueError, match=f"same {what}"):
            providers_of([TABLE, other | {what: TABLE[what]}])
    assert providers_of([]) == OidcProviders()
    with pytest.raises(ValueError, match="at most 10"):
        providers_of([TABLE | {"id": f"p{n}", "issuer": f"https://{n}.example"} for n in range(11)])


def test_production_needs_https_and_a_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    local = TABLE | {"issuer": "http://127.0.0.1:9000"}
    monkeypatch.setenv("RENDERTRUST_OIDC_PROVIDERS", json.dumps([local]))
    assert load().oidc.providers[0].issuer == "http://127.0.0.1:9000"
    with pytest.raises(SettingsError) as caught:
        load(overrides={"environment": "production"})
    assert "oidc.providers must have https:// issuers" in str(caught.value)
    assert "oidc.providers needs server.public_url" in str(caught.value)
