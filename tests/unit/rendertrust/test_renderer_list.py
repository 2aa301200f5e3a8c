"""The list of renderers: what is read, what is refused, and the list of this checkout."""

import pytest

from rendertrust import nonce_note, note, renderer_list
from rendertrust.note import NoteRefused
from tests.support.fake_renderers import KEY, ORIGIN, release
from web.downloads.renderers import listed_renderers

VERIFIER = note.verifier_of(ORIGIN, KEY)
LISTED = (release("4.2.1", python="3.11"), release("5.2.3"))


def test_the_signed_list_is_read_again() -> None:
    signed = renderer_list.sign(LISTED, ORIGIN, KEY)
    assert renderer_list.read(signed, VERIFIER) == LISTED
    assert renderer_list.decode(renderer_list.encode(LISTED)) == LISTED


def test_other_notes_of_the_key_are_no_lists() -> None:
    other = nonce_note.sign(ORIGIN, "a" * 64, KEY)
    assert isinstance(renderer_list.read(other, VERIFIER), NoteRefused)
    assert isinstance(renderer_list.read(other.replace("a", "b"), VERIFIER), NoteRefused)


GOOD = renderer_list.encode(LISTED)


@pytest.mark.parametrize(
    "changed",
    [
        "{}",
        "[1]",
        "[{}]",
        "not JSON",
        GOOD.replace('"5.2.3"', '"4.2.3"'),
        GOOD.replace('"name":"bpy"', '"name":"--index-url=x"'),
        GOOD.replace('"version":"4.2.1"', '"version":"4.2.1 ; x"'),
        GOOD.replace("ab" * 32, "AB" * 32),
        GOOD.replace("1000", "-1"),
        GOOD.replace('"3.11"', '"3.11 -x"'),
        GOOD.replace("[{", "[").replace('"wheels":[', '"wheels":[],"x":['),
    ],
    ids=[
        *("map", "number", "empty", "text", "twice", "name", "version", "hash", "size", "python"),
        "wheels",
    ],
)
def test_malformed_lists_are_refused(changed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        renderer_list.decode(changed)


def test_this_checkout_lists_the_versions_that_are_tested() -> None:
    listed = listed_renderers()
    pythons = {each.line: each.python for each in listed}
    assert pythons == {
        **dict.fromkeys(((4, 2), (4, 5), (5, 0)), "3.11"),
        **dict.fromkeys(((5, 1), (5, 2), (5, 3)), "3.13"),
    }
    signed = renderer_list.sign(listed, ORIGIN, KEY)
    assert renderer_list.read(signed, VERIFIER) == listed, "it fits a note"
