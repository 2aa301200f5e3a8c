"""Signed notes of other programs, and the checkpoints in them."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import checkpoint, merkle, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import NoteRefused, Verifier

# The example note in the documentation of Go's checksum database.
KNOWN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
KNOWN_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
KNOWN_NOTE = (
    f"{KNOWN_TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSN"
    "XgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERIFIER = note.verifier_of("farm.example/log", KEY)
TIME = datetime(2026, 3, 13, 12, 0, 1, tzinfo=UTC)
SEEN = Checkpoint("farm.example/log", 42, merkle.leaf_hash(b"a root"), TIME)


def known() -> Verifier:
    verifier = note.read_verifier(KNOWN_KEY)
    assert isinstance(verifier, Verifier)
    return verifier


def test_a_known_note_is_read() -> None:
    assert note.read(KNOWN_NOTE, known()) == KNOWN_TEXT


def test_a_verifier_key_is_written_as_it_is_read() -> None:
    assert str(known()) == KNOWN_KEY
    assert note.read_verifier(str(VERIFIER)) == VERIFIER


def test_signatures_of_others_are_passed_over() -> None:
    body, _, ours = note.sign(KNOWN_TEXT, VERIFIER.name, KEY).rpartition("\n\n")
    theirs = KNOWN_NOTE.rpartition("\n\n")[2]
    both = f"{body}\n\n{theirs}{ours}"
    assert note.read(both, VERIFIER) == KNOWN_TEXT
    assert note.read(both, known()) == KNOWN_TEXT


def test_every_signature_of_the_key_must_hold() -> None:
    """A valid signature does not excuse an invalid signature of the same key."""
    note_of_two = note.sign(KNOWN_TEXT, VERIFIER.name, KEY, KEY)
    assert note.read(note_of_two, VERIFIER) == KNOWN_TEXT
    body, _, good = note.sign(KNOWN_TEXT, VERIFIER.name, KEY).rpartition("\n\n")
    bad = note.sign("Another text.\n", VERIFIER.name, KEY).rpartition("\n\n")[2]
    for lines in (good + bad, bad + good):
        refused = note.read(f"{body}\n\n{lines}", VERIFIER)
        assert isinstance(refused, NoteRefused)
        assert "is invalid" in refused.reason


def test_every_character_of_a_note_counts() -> None:
    for place, letter in enumerate(KNOWN_NOTE):
        changed = KNOWN_NOTE[:place] + chr(ord(letter) ^ 1) + KNOWN_NOTE[place + 1 :]
        assert isinstance(note.read(changed, known()), NoteRefused), place


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("", "no signatures"),
        (KNOWN_TEXT, "no signatures"),
        (KNOWN_NOTE.removesuffix("\n"), "no signatures"),
        (KNOWN_NOTE + "more\n", "not a signature"),
        (KNOWN_NOTE.replace("Neumann x", "Neuman x"), "not signed by"),
        (KNOWN_NOTE.replace("then", "than"), "is invalid"),
        ("x" * 70_000, "longer"),
    ],
)
def test_a_note_is_refused_with_the_reason(wrong: str, why: str) -> None:
    refused = note.read(wrong, known())
    assert isinstance(refused, NoteRefused)
    assert why in refused.reason


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "PeterNeumann",
        KNOWN_KEY.replace("c74f20a3", "c74f20a4"),
        KNOWN_KEY.replace("Peter", "Pete r"),
        KNOWN_KEY.replace("+ARpc", "+AhpC"),
        KNOWN_KEY[:-4],
        "zero+2d42c8fd+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_what_is_no_verifier_key_is_refused(wrong: str) -> None:
    assert isinstance(note.read_verifier(wrong), NoteRefused)


@given(st.text(), st.text())
def test_nothing_makes_reading_raise(text: str, key: str) -> None:
    assert isinstance(note.read(text, VERIFIER), NoteRefused)
    assert isinstance(note.read_verifier(key), NoteRefused)
    assert isinstance(checkpoint.read(text, VERIFIER), NoteRefused)


# -- checkpoints


def test_a_checkpoint_is_a_text_of_four_lines() -> None:
    root = "dnnKK6YcMGfGDcNQ1uuzHzVBpOshYI5VQmadSCq3dW8="
    assert SEEN.text == f"farm.example/log\n42\n{root}\ntime 2026-03-13T12:00:01Z\n"


def test_a_signed_checkpoint_is_read_back() -> None:
    assert checkpoint.read(checkpoint.sign(SEEN, KEY), VERIFIER) == SEEN


@pytest.mark.parametrize(
    "text",
    [
        SEEN.text.replace("\n42\n", "\n042\n"),
        SEEN.text.replace("\n42\n", "\n-1\n"),
        SEEN.text.replace("\n42\n", "\n9999999999999999999\n"),
        SEEN.text.replace("farm.example/log", "another.example/log"),
        SEEN.text.replace("time 2026-03-13", "time 2026-13-13"),
        SEEN.text.replace("time", "when"),
        SEEN.text + "more\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_of_this_log_is_refused(text: str) -> None:
    signed = note.sign(text, VERIFIER.name, KEY)
    assert isinstance(checkpoint.read(signed, VERIFIER), NoteRefused)


@pytest.mark.parametrize("change", [" {}", "{} ", "{}\n", "\ufeff{}", "{}="])
def test_a_key_has_one_form(change: str) -> None:
    assert isinstance(note.read_verifier(change.format(VERIFIER)), NoteRefused)
