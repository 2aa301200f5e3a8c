"""Reading JSON strictly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.http.document import DEPTH_MAX, INTEGER_MAX, parse, unwritable
from web.http.problem import Fault


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


def test_sixty_four_levels_are_read_and_sixty_five_are_not() -> None:
    assert isinstance(parse(nested(DEPTH_MAX)), dict)
    refused = parse(nested(DEPTH_MAX + 1))
    assert isinstance(refused, Fault)
    assert refused.code == "depth"


def test_brackets_in_strings_are_no_depth() -> None:
    assert parse(b'{"a": "' + b"[{" * 500 + b'\\"[[[["}') == {"a": "[{" * 500 + '"[[[['}


def test_a_hundred_thousand_brackets_do_not_exhaust_the_stack() -> None:
    refused = parse(b'{"a":' + b"[" * 100_000)
    assert isinstance(refused, Fault)
    assert refused.code == "depth"


def test_integers_are_of_64_bits() -> None:
    edge = {"low": -INTEGER_MAX - 1, "high": INTEGER_MAX}
    assert parse(json.dumps(edge).encode()) == edge
    for beyond in (INTEGER_MAX + 1, -INTEGER_MAX - 2, 10**5000):
        refused = (
            parse(f'{{"a": {beyond:_}}}'.replace("_", "").encode())
            if beyond < 1e30
            else (parse(b'{"a": 1' + b"0" * 5000 + b"}"))
        )
        assert isinstance(refused, Fault)
        assert refused.code == "value"


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b'{"a": "\\u0000"}', "a"),
        (b'{"a": ["x", "\\ud800"]}', "a[1]"),
        (b'{"a": {"b": "\\udfff"}}', "a.b"),
        (b'{"\\u0000": 1}', ""),
    ],
)
def test_text_that_cannot_be_stored_is_refused_with_its_place(raw: bytes, place: str) -> None:
    read = parse(raw)
    assert isinstance(read, dict)
    (refused,) = unwritable(read)
    assert refused.field == place


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse(b'{"a": "\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"nul", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b"\xff", b'"a"']
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    assert isinstance(parse(raw), Fault)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX - 1, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab_[{"), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", min_size=1), json_values, max_size=5), st.booleans())
def test_what_is_json_reads_as_it_was_written(document: dict[str, object], ascii_: bool) -> None:
    assert parse(json.dumps(document, ensure_ascii=ascii_).encode()) == document


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(raw: bytes) -> None:
    assert isinstance(parse(raw), dict | Fault)
