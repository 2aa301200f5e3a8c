"""The note by which a gateway proves that it holds the log's key now."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import anchor_note, checkpoint, nonce_note, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import NoteRefused
from tests.twins.signer import signing_key

ORIGIN = "farm.example/log"
KEY, OTHER = signing_key(1), signing_key(2)
VERIFIER = note.verifier_of(ORIGIN, KEY)
NONCES = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(NONCES, NONCES)
def test_an_answer_is_good_for_its_own_nonce_alone(nonce: str, another: str) -> None:
    answer = nonce_note.sign(ORIGIN, nonce, KEY)
    assert nonce_note.refusal(answer, VERIFIER, nonce) is None
    assert (nonce_note.refusal(answer, VERIFIER, another) is None) is (nonce == another)
    assert nonce_note.refusal(answer, note.verifier_of(ORIGIN, OTHER), nonce) is not None
    assert nonce_note.refusal(answer, note.verifier_of("another/log", KEY), nonce) is not None


@given(NONCES)
def test_an_answer_is_nothing_else_that_the_key_signs(nonce: str) -> None:
    answer = nonce_note.sign(ORIGIN, nonce, KEY)
    assert isinstance(checkpoint.read(answer, VERIFIER), NoteRefused)
    assert isinstance(anchor_note.read(answer, VERIFIER), NoteRefused)
    made = Checkpoint(ORIGIN, 3, bytes(32), datetime(2026, 3, 1, tzinfo=UTC))
    assert nonce_note.refusal(checkpoint.sign(made, KEY), VERIFIER, nonce) is not None


def test_both_keys_of_a_rotation_answer() -> None:
    answer = nonce_note.sign(ORIGIN, "ab" * 32, OTHER, KEY)
    for key in (KEY, OTHER):
        assert nonce_note.refusal(answer, note.verifier_of(ORIGIN, key), "ab" * 32) is None


@pytest.mark.parametrize(
    "nonce", ["", "ab", "AB" * 32, "ab" * 33, "ab" * 31 + "a\n", "\u0661" * 64]
)
def test_what_is_no_nonce_is_not_signed(nonce: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        nonce_note.sign(ORIGIN, nonce, KEY)
