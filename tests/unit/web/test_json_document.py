"""Strict parsing of JSON."""

import json
from typing import Annotated, Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from rendertrust.strict_json import is_deeper
from web.http.body import read_body
from web.http.json_document import DEPTH_MAX, INTEGER_MAX, parse, unwritable
from web.http.problem import Fault, Problem


@attrs.frozen
class Named:
    names: Annotated[list[str], Meta(max_length=10_000)]


def depth_of(document: Any) -> int:
    inside: Any = document.values() if isinstance(document, dict) else document
    is_nest = isinstance(document, dict | list)
    return 1 + max(map(depth_of, inside), default=0) if is_nest else 0


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


def test_sixty_four_levels_are_read_and_sixty_five_are_not() -> None:
    assert isinstance(parse(nested(DEPTH_MAX)), dict)
    refused = parse(nested(DEPTH_MAX + 1))
    assert isinstance(refused, Fault)
    assert refused.code == "depth"


def test_brackets_in_strings_are_no_depth() -> None:
    assert parse(b'{"a": "' + b"[{" * 500 + b'\\"[[[["}') == {"a": "[{" * 500 + '"[[[['}


@pytest.mark.parametrize("rest", [b"[" * 200, b'\\"' * 200 + b"[" * 200, b"[" * 200 + b"\\"])
def test_a_string_without_an_end_holds_all_that_follows(rest: bytes) -> None:
    refused = parse(b'{"a": "' + rest)
    assert isinstance(refused, Fault)
    assert refused.code == "syntax"


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
        assert refused == Fault("a", "value", "must be an integer of at most 64 bits")


@pytest.mark.parametrize(
    ("raw", "field", "message"),
    [
        pytest.param(b'{"params": {"width": 1%b}}', "params.width", "64 bits", id="inner"),
        pytest.param(b'{"a": [0, {"b": -1%b}]}', "a[1].b", "64 bits", id="negative"),
        pytest.param(b'{"a": 1%b.5}', "a", "must be a smaller number", id="fraction"),
        pytest.param(b'{"\\u0000": 1%b}', "", "64 bits", id="key"),
        pytest.param(b"[1%b]", "", "must be a JSON object", id="array"),
        pytest.param(b'{"a": 1%b', "", "is not JSON", id="half"),
        pytest.param(b'{"a": 1%b, "a": 1}', "", "is repeated", id="twice"),
    ],
)
def test_a_number_out_of_range_is_refused_with_its_place(
    raw: bytes, field: str, message: str
) -> None:
    refused = parse(raw % (b"0" * 400))
    assert isinstance(refused, Fault)
    assert refused.field == field
    assert message in refused.message


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


def test_the_place_of_a_fault_is_short() -> None:
    (refused,) = unwritable({"k" * 1_000: ["x", {"b" * 1_000: "\0"}]})
    assert refused.field == "k" * 200


def test_of_many_faults_twenty_are_told() -> None:
    told = list[Any]()
    for document, kind in (
        ({f"unknown{number:05}": 1 for number in range(10_000)}, None),
        ({f"unknown{number:05}": 1 for number in range(10_000)}, Named),
        ({"names": [1] * 10_000}, Named),
        ({"names": ["\0"] * 10_000}, Named),
        ({"k" * 10_000: 1}, None),
    ):
        problem = read_body(document, kind)
        assert isinstance(problem, Problem)
        told.append(len(problem.errors))
        assert len(orjson.dumps(problem.body("a request"))) < 8_000
    assert told == [20, 20, 20, 20, 1]


def test_a_list_that_is_too_long_is_refused_before_its_items_are_read() -> None:
    problem = read_body({"names": [1] * 10_001}, Named)
    assert isinstance(problem, Problem)
    assert [fault.message for fault in problem.errors] == ["must have at most 10000 items"]


NESTS = st.recursive(
    st.text('[]{}"\\a', max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('[{"\\'), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(NESTS, st.integers(0, 6))
def test_what_is_json_is_as_deep_as_it_nests(document: Any, most: int) -> None:
    assert is_deeper(json.dumps(document).encode(), most) == (depth_of(document) > most)


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse(b'{"a": "\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"nul", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b"\xff", b'"a"']
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    assert isinstance(parse(raw), Fault)


@pytest.mark.parametrize("raw", [b'{"a": 1, "a": 2}', b'{"b": [{"a": 1, "a": 1}]}'])
def test_a_key_that_stands_twice_in_an_object_is_refused(raw: bytes) -> None:
    refused = parse(raw)
    assert isinstance(refused, Fault)
    assert refused.code == "duplicate"


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
