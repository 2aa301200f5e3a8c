"""Conversion of bodies and queries to attrs classes."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import attrs
import pytest
from msgspec import Meta
from multidict import MultiDict

from web.http.converter import Email, structure, structure_query, uuid_of
from web.http.problem import Fault


@attrs.frozen
class Inner:
    count: Annotated[int, Meta(ge=1, le=3)]


@attrs.frozen
class Outer:
    email: Email
    names: Annotated[list[Annotated[str, Meta(max_length=3)]], Meta(min_length=1)]
    inner: Inner
    load: Annotated[float, Meta(ge=0, le=1)] = 0.0
    kind: Literal["a", "b"] = "a"
    extra: dict[str, Any] = attrs.field(factory=dict[str, Any])
    when: datetime | None = None
    id: UUID | None = None
    flag: bool = False


GOOD = {"email": "jane@Example.ORG", "names": ["abc"], "inner": {"count": 2}}


def faults(**broken: Any) -> dict[str, str]:
    found = structure({**GOOD, **broken}, Outer)
    assert isinstance(found, list), found
    return {fault.field: fault.code for fault in found}


def test_a_good_body_is_read_and_the_domain_of_an_email_is_normalised() -> None:
    read = structure({**GOOD, "load": 1, "when": "2026-03-01T00:00:00Z"}, Outer)
    assert isinstance(read, Outer)
    assert (read.email, read.load, read.inner.count) == ("jane@example.org", 1.0, 2)
    assert read.when == datetime(2026, 3, 1, tzinfo=UTC)


def test_every_fault_is_found_with_its_path() -> None:
    assert faults(
        email="nobody",
        names=["abc", 1, "abcd"],
        inner={"count": 4, "more": 1},
        load=2,
        kind="c",
        extra=[],
        when="2026-03-01T00:00:00",
        id="1",
        flag=1,
        unknown=1,
    ) == {
        "email": "value",
        "names[1]": "type",
        "names[2]": "value",
        "inner.count": "value",
        "inner.more": "unknown",
        "load": "value",
        "kind": "value",
        "extra": "type",
        "when": "value",
        "id": "value",
        "flag": "type",
        "unknown": "unknown",
    }


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-03-01T00:00:00"]
)
def test_a_time_that_is_none_in_utc_is_a_fault(time: str) -> None:
    assert faults(when=time) == {"when": "value"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("names", "abc"),
        ("names", {"abc": 1}),
        ("inner", [["count", 2]]),
        ("inner", {"count": True}),
        ("inner", {"count": 2.0}),
        ("inner", {"count": "2"}),
        ("load", True),
        ("load", "0.5"),
        ("email", ["a@example.org"]),
        ("email", None),
    ],
)
def test_nothing_is_converted_silently(field: str, value: Any) -> None:
    assert faults(**{field: value})


@attrs.frozen
class Query:
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    status: Literal["A", "B"] | None = None
    since: datetime | None = None


def test_a_query_is_read_from_text_and_unknown_parameters_are_ignored() -> None:
    assert structure_query(MultiDict({"limit": "7", "other": "1"}), Query) == Query(limit=7)
    assert structure_query(MultiDict({}), Query) == Query()


@pytest.mark.parametrize("limit", ["", "0", "101", "1.0", "+1", " 1", "1_0", "\u0663", "9" * 500])
def test_a_number_in_a_query_is_written_plainly(limit: str) -> None:
    found = structure_query(MultiDict({"limit": limit}), Query)
    assert isinstance(found, list)
    assert found[0].field == "limit"


def test_a_uuid_is_written_in_the_usual_form() -> None:
    text = "550e8400-e29b-41d4-a716-446655440000"
    assert uuid_of(text) == uuid_of(text.upper()) == UUID(text)
    for other in (f"{{{text}}}", text.replace("-", ""), f"urn:uuid:{text}", text + "\n", ""):
        assert uuid_of(other) is None


def test_a_bug_in_a_class_is_no_fault_of_the_request() -> None:
    @attrs.frozen
    class Broken:
        field: str

        def __attrs_post_init__(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        structure({"field": "a"}, Broken)
    assert isinstance(structure({}, Broken), list)
    assert structure({}, Broken) == [Fault("field", "missing", "is required")]


def test_one_of_a_thing_is_not_said_in_the_plural() -> None:
    found = structure({**GOOD, "names": []}, Outer)
    assert found == [Fault("names", "value", "must have at least 1 item")]


@attrs.frozen
class Page:
    number: int = 0
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


@pytest.mark.parametrize("digits", ["1", "-1", "0007", "-0", "9" * 18, str(2**63 - 1), "0" * 30])
def test_an_integer_of_a_query_is_read_however_it_is_written(digits: str) -> None:
    read = structure_query(MultiDict(number=digits), Page)
    assert isinstance(read, Page)
    assert read.number == int(digits)


@pytest.mark.parametrize(("zeros", "number"), [("0" * 5000, 1), ("-" + "0" * 5000, -1)])
def test_an_integer_with_more_zeros_than_python_reads_is_read(zeros: str, number: int) -> None:
    read = structure_query(MultiDict(number=zeros + "1"), Page)
    assert isinstance(read, Page)
    assert read.number == number


@pytest.mark.parametrize("digits", [str(2**63), "9" * 19, "9" * 8000, "-" + "9" * 8000])
def test_an_integer_that_is_too_large_is_told_so(digits: str) -> None:
    assert structure_query(MultiDict(limit=digits), Page) == [
        Fault("limit", "value", "is outside 64 bits")
    ]


@pytest.mark.parametrize("text", ["", "1.0", "1e3", "+1", " 1", "0x1", "one", "-", "\u0661"])
def test_what_is_no_integer_is_told_so(text: str) -> None:
    assert structure_query(MultiDict(limit=text), Page) == [
        Fault("limit", "type", "must be an integer")
    ]


@pytest.mark.parametrize("value", [2.0, 2.5, 1e300])
def test_a_body_with_a_fraction_is_told_how_integers_are_written(value: float) -> None:
    assert structure({**GOOD, "inner": {"count": value}}, Outer) == [
        Fault("inner.count", "type", "must be an integer, written without fraction or exponent")
    ]
