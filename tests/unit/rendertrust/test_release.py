"""Tests of signed releases: what is signed is read again, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import note, release
from rendertrust.note import NoteRefused
from rendertrust.release import ReleaseStatement, order_of, wheel_name
from tests.support.releases import KEY, KEY_TEXT, OTHER

STATEMENT = ReleaseStatement("1.2.3", wheel_name("1.2.3"), "0123456789abcdef" * 4, 1_589_501)
NUMBERS = st.integers(0, 999_999)


def test_a_signed_statement_is_read_by_its_key_alone() -> None:
    signed = release.sign(STATEMENT, KEY)
    assert release.read(signed, KEY_TEXT) == STATEMENT
    assert isinstance(release.read(signed, release.key_text(OTHER)), NoteRefused)


def test_a_second_key_may_sign_so_that_keys_can_change() -> None:
    signed = release.sign(STATEMENT, OTHER, KEY)
    for key in (KEY, OTHER):
        assert release.read(signed, release.key_text(key)) == STATEMENT


def test_every_changed_bit_is_refused() -> None:
    signed = release.sign(STATEMENT, KEY).encode()
    for position in range(len(signed) * 8):
        changed = bytearray(signed)
        changed[position // 8] ^= 1 << position % 8
        read = release.read(changed.decode("utf-8", "replace"), KEY_TEXT)
        assert isinstance(read, NoteRefused), bytes(changed)


@given(st.integers(0, 1000))
def test_a_part_of_a_signature_is_refused(length: int) -> None:
    signed = release.sign(STATEMENT, KEY)
    part = signed[: min(length, len(signed) - 1)]
    assert isinstance(release.read(part, KEY_TEXT), NoteRefused)


@pytest.mark.parametrize(
    "text",
    [
        STATEMENT.text.replace("release-v1", "release-v2"),
        STATEMENT.text.replace("1589501", "01"),
        STATEMENT.text.replace("1589501", str(release.WHEEL_BYTES_MAX + 1)),
        STATEMENT.text.replace("rendertrust-1.2.3", "rendertrust-1.2.4"),
        STATEMENT.text.replace("rendertrust-1.2.3-py3", "../../evil"),
        STATEMENT.text.replace("1.2.3", "1.2"),
        STATEMENT.text.replace("1.2.3", "1.2.3rc"),
        STATEMENT.text + "more\n",
    ],
    ids=["format", "zero", "large", "other", "path", "version", "candidate", "longer"],
)
def test_a_signed_text_that_is_no_statement_is_refused(text: str) -> None:
    assert isinstance(release.read(note.sign(text, release.KEY_NAME, KEY), KEY_TEXT), NoteRefused)


def test_what_could_not_be_read_is_not_signed() -> None:
    with pytest.raises(ValueError, match="not the statement"):
        release.sign(ReleaseStatement("0.1.dev0", "w.whl", "", 1), KEY)
    with pytest.raises(ValueError, match="needs a key"):
        release.sign(STATEMENT)


def test_a_key_is_known_by_its_name() -> None:
    assert release.why_no_key(KEY_TEXT) is None
    of_a_log = str(note.verifier_of("farm.example/log", KEY))
    for text in ("", "key", KEY_TEXT[:-1], of_a_log, "a" * 999):
        assert release.why_no_key(text) is not None


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_versions_are_ordered_by_their_numbers(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    first, second = (order_of(".".join(map(str, each))) for each in (one, other))
    assert first is not None
    assert second is not None
    assert (first < second, first == second) == (one < other, one == other)


def test_a_candidate_comes_before_its_version() -> None:
    names = ["0.9.9", "1.0.0rc1", "1.0.0rc2", "1.0.0rc10", "1.0.0", "1.0.1rc1"]
    order = [order_of(name) for name in names]
    assert None not in order
    assert order == sorted(order, key=lambda each: each or ())


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-rc1", "1.0.0\n", "\u0661.0.0"],
    ids=["none", "one", "two", "four", "zero", "dash", "line", "arabic"],
)
def test_other_texts_are_no_versions(text: str) -> None:
    assert order_of(text) is None
