"""Tests of release keys, and of the signature that a gateway hands out with its wheel."""

from pathlib import Path

import pytest

from rendertrust import release
from scripts import release_key
from scripts.make_release import ReleaseRefused
from tests.support.releases import KEY, KEY_TEXT, OTHER, statement_of
from web.downloads.release_signature import (
    KEY_FILE,
    STATEMENT_FILE,
    ReleaseSignature,
    release_signature,
)
from web.downloads.wheel import Wheel

WHEEL = Wheel("rendertrust-1.2.3-py3-none-any.whl", "ab" * 32, b"a wheel")
CHANGED = Wheel(WHEEL.name, "cd" * 32, b"a wheel of changed sources")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / KEY_FILE).parent.mkdir(parents=True)
    return tmp_path


def test_a_signed_checkout_hands_out_its_signature(checkout: Path) -> None:
    assert release_signature(WHEEL, checkout) == ReleaseSignature()
    release_signature.cache_clear()
    release_key.sign(WHEEL, "1.2.3", [KEY, OTHER], checkout)
    found = release_signature(WHEEL, checkout)
    assert found.key == KEY_TEXT
    assert found.statement is not None
    for key in (KEY, OTHER):
        assert release.read(found.statement, release.key_text(key)) == statement_of(WHEEL)


def test_a_checkout_that_changed_since_has_only_the_key(checkout: Path) -> None:
    release_key.sign(WHEEL, "1.2.3", [KEY], checkout)
    assert release_signature(CHANGED, checkout) == ReleaseSignature(KEY_TEXT)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (KEY_FILE, "no key", ReleaseSignature()),
        (KEY_FILE, release.key_text(OTHER), ReleaseSignature(release.key_text(OTHER))),
        (STATEMENT_FILE, "no statement", ReleaseSignature(KEY_TEXT)),
    ],
    ids=["no-key", "other-key", "no-statement"],
)
def test_what_is_not_signed_by_the_key_is_not_handed_out(
    checkout: Path, name: str, text: str, expected: ReleaseSignature
) -> None:
    release_key.sign(WHEEL, "1.2.3", [KEY], checkout)
    (checkout / name).write_text(text)
    assert release_signature(WHEEL, checkout) == expected


def test_a_key_is_made_once_and_kept_secret(tmp_path: Path) -> None:
    path = tmp_path / "release.pem"
    text = release_key.make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert release.why_no_key(text) is None
    assert release.key_text(release_key.read(path)) == text
    with pytest.raises(ReleaseRefused, match="exists"):
        release_key.make(path)
    with pytest.raises(ReleaseRefused, match="No such file"):
        release_key.read(tmp_path / "none.pem")
    path.write_text("no key")
    with pytest.raises(ReleaseRefused, match="has no release key"):
        release_key.read(path)


def test_a_version_that_is_no_release_is_not_signed(checkout: Path) -> None:
    wheel = Wheel("rendertrust-1.dev0-py3-none-any.whl", "ab" * 32, b"a wheel")
    with pytest.raises(ValueError, match="not the statement"):
        release_key.sign(wheel, "1.dev0", [KEY], checkout)
    assert not (checkout / STATEMENT_FILE).exists()
