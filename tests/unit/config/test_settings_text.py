"""Settings files: their text, the file of secrets beside them, and where they are looked for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.data_folder import settings_file
from config.loader import SettingsError, load
from config.settings import Settings
from config.settings_text import ChosenValue, settings_text
from config.sources import sources_of

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


def test_a_file_has_what_differs_from_the_defaults_of_production() -> None:
    text = settings_text(
        [
            ChosenValue("server.port", 8000),
            ChosenValue("accounts.registration", "open"),
            ChosenValue("server.public_url", "https://farm.example.org", "for browsers"),
            ChosenValue("environment", "production"),
            ChosenValue("verification.enabled", False),
            ChosenValue("chain.fee_cap_gwei", 2.5),
        ],
        "Settings.\nTwo lines.",
    )
    assert text == (
        '# Settings.\n# Two lines.\nenvironment = "production"\n\n[server]\n# for browsers\n'
        'public_url = "https://farm.example.org"\n\n[chain]\nfee_cap_gwei = 2.5\n\n'
        "[verification]\nenabled = false\n"
    )


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_text_is_read_as_it_was(text: str) -> None:
    import tomllib

    written = settings_text([ChosenValue("farm.name", text)], "")
    assert tomllib.loads(written) == {"farm": {"name": text}}


def test_secrets_are_read_beside_the_settings(tmp_path: Path) -> None:
    file, secrets = tmp_path / "mine.toml", tmp_path / "secrets.toml"
    file.write_text("[server]\nport = 81\n")
    secrets.write_text(f"[jwt]\nsecret = '{SECRET}'\n")
    secrets.chmod(0o600)
    read = load(file)
    assert (read.server.port, read.jwt.secret) == (81, SECRET)
    sources = sources_of(read, file)
    assert sources["jwt.secret"] == f"file {secrets}"
    assert sources["server.port"] == f"file {file}"
    assert load(None).jwt.secret == ""


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602])
def test_secrets_that_everybody_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "gateway.toml").touch()
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(f"[jwt]\nsecret = '{SECRET}'\n")
    secrets.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        load(tmp_path / "gateway.toml")


@pytest.mark.parametrize("text", ["[server]\nport = 1\n", "environment = 'production'\n"])
def test_the_file_of_secrets_has_only_secrets(tmp_path: Path, text: str) -> None:
    (tmp_path / "gateway.toml").touch()
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(text)
    secrets.chmod(0o600)
    with pytest.raises(SettingsError, match="is not a secret"):
        load(tmp_path / "gateway.toml")


def test_the_settings_file_is_looked_for_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    assert settings_file(other, tmp_path) == other
    assert settings_file(None, tmp_path) is None
    kept = tmp_path / "gateway.toml"
    kept.touch()
    assert settings_file(None, tmp_path) == kept
    monkeypatch.setenv("RENDERTRUST_DATA", str(tmp_path))
    assert settings_file(None, None) == kept
    assert settings_file(None, tmp_path / "elsewhere") is None


@pytest.mark.parametrize("name", ["two\nlines", "x" * 61, " blank", "\x7f"])
def test_the_farms_name_is_one_short_line(name: str) -> None:
    with pytest.raises(SettingsError, match=r"farm\.name"):
        load(overrides={"farm": {"name": name}})
    assert Settings().farm_name == "RenderTrust"
    assert load(overrides={"farm": {"name": "Ann's Farm"}}).farm_name == "Ann's Farm"
