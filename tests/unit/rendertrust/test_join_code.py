"""Join codes: what they encode, and what is read as one."""

from hypothesis import given
from hypothesis import strategies as st

from rendertrust import join_code

SECRETS, KEYS = st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32)

RELEASE_KEYS = st.sampled_from((None, "rendertrust-release+1+AA==", "rendertrust-release+2+AA=="))


@given(SECRETS, KEYS, st.sampled_from(("", " ", "-", "\n")))
def test_a_code_is_read_as_it_was_made(secret: bytes, key: bytes, between: str) -> None:
    made = join_code.make(secret, key, None)
    assert len(made.text) == join_code.CHARACTERS
    typed = between.join(made.text[at : at + 6] for at in range(0, len(made.text), 6)).lower()
    assert join_code.read(typed) == made


@given(SECRETS, KEYS, KEYS, RELEASE_KEYS, RELEASE_KEYS)
def test_a_code_is_for_one_gateway_and_one_release_key(
    secret: bytes, key: bytes, other: bytes, release: str | None, another: str | None
) -> None:
    made = join_code.make(secret, key, release)
    assert made.is_for(key, release)
    assert made.is_for(other, another) == ((key, release) == (other, another))


@given(SECRETS, SECRETS, KEYS)
def test_each_secret_makes_another_code_and_none_shows_itself(
    secret: bytes, other: bytes, key: bytes
) -> None:
    made, second = join_code.make(secret, key, None), join_code.make(other, key, None)
    assert (made.sha256 == second.sha256) == (secret == other)
    assert made.text not in repr(made)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_code_or_none(typed: str) -> None:
    read = join_code.read(typed)
    assert read is None or join_code.read(read.text) == read


def test_what_cannot_be_a_code_is_none() -> None:
    whole = join_code.make(bytes(16), bytes(32), None).text
    for typed in ("", whole[:-1], whole + "A", "1" + whole[1:], "\u0131" + whole[1:]):
        assert join_code.read(typed) is None
