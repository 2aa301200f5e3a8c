"""Keys that sign checkpoints: from the settings or a file, rotated while the gateway runs."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.loader import SettingsError
from config.redaction import KNOWN
from rendertrust import checkpoint
from rendertrust.checkpoint import Checkpoint
from supervisors.engines.system_clock import SystemRandom
from tests.support.http_gateway import settings_for_tests
from tests.unit.web.test_keyring import Clock
from web.log.log_keys import LogKeyFile, key_file, log_keys, rotate

MADE = Checkpoint("farm.example/log", 3, b"r" * 32, datetime(2026, 3, 13, tzinfo=UTC))
SEED, OTHER = "01" * 32, "02" * 32
RANDOM = SystemRandom()


def test_without_a_setting_a_key_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = log_keys(settings_for_tests(), tmp_path, Clock(), RANDOM)
    path = key_file(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() in KNOWN.values
    again = log_keys(settings_for_tests(), tmp_path, Clock(), RANDOM)
    assert again.verifiers("log") == made.verifiers("log")
    assert path.read_text().strip() not in repr(made)


def test_the_settings_keys_come_first(tmp_path: Path) -> None:
    settings = settings_for_tests(proof={"key": SEED, "previous_key": OTHER})
    signer = log_keys(settings, tmp_path, Clock(), RANDOM)
    assert not key_file(tmp_path).exists()
    note = signer.sign(MADE)
    for verifier in signer.verifiers(MADE.origin):
        assert checkpoint.read(note, verifier) == MADE
    assert len(signer.verifiers(MADE.origin)) == 2
    assert SEED not in repr(settings)


@pytest.mark.parametrize("key", ["abc", "z" * 64, "01" * 31, "01" * 33])
def test_a_key_that_is_none_is_told(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="64 hexadecimal digits"):
        log_keys(settings_for_tests(proof={"key": key}), tmp_path, Clock(), RANDOM)
    path = key_file(tmp_path)
    path.parent.mkdir()
    path.write_text(key)
    with pytest.raises(SettingsError, match="64 hexadecimal digits"):
        log_keys(settings_for_tests(), tmp_path, Clock(), RANDOM)


def test_a_rotation_is_seen_and_both_keys_sign_until_the_next(tmp_path: Path) -> None:
    clock = Clock()
    signer = log_keys(settings_for_tests(), tmp_path, clock, RANDOM)
    (first,) = signer.verifiers(MADE.origin)
    rotate(key_file(tmp_path), RANDOM)
    assert signer.verifiers(MADE.origin) == [first]
    clock.later += 2
    second, kept = signer.verifiers(MADE.origin)
    assert kept == first
    note = signer.sign(MADE)
    assert checkpoint.read(note, first) == checkpoint.read(note, second) == MADE
    rotate(key_file(tmp_path), RANDOM)
    clock.later += 2
    third, kept = signer.verifiers(MADE.origin)
    assert (kept, third in (first, second)) == (second, False)


def test_a_file_that_went_away_or_is_broken_changes_nothing(tmp_path: Path) -> None:
    clock = Clock()
    signer = log_keys(settings_for_tests(), tmp_path, clock, RANDOM)
    assert isinstance(signer, LogKeyFile)
    before = signer.verifiers("log")
    for text in ("nonsense", ""):
        key_file(tmp_path).write_text(text)
        clock.later += 2
        assert signer.verifiers("log") == before
    key_file(tmp_path).unlink()
    clock.later += 2
    assert signer.verifiers("log") == before
