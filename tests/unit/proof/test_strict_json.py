"""JSON files of strangers are read in one way only, or refused with a reason."""

import json

import pytest

from rendertrust.strict_json import read_document

MANY = ",".join(f'"{number}":1' for number in range(100_000))


def test_what_is_plain_is_read() -> None:
    assert read_document('{"größe": [1, 2.5, null]}'.encode()) == {"größe": [1, 2.5, None]}
    assert read_document(json.dumps({"a": 2**256}).encode()) == {"a": 2**256}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xff{}", "not UTF-8 text"),
        (b"", "not JSON: Expecting value"),
        (b"[]", "not a JSON object"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "99999999… has more than 80 digits"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "c is repeated"),
        (b'{"a": ' + b"[" * 200_000, "nested deeper than 64 levels"),
        (b'{"a": "' + b"[" * 200, "not JSON: Unterminated string"),
        # Many keys must not take minutes.
        (f'{{{MANY},"z":1,"z":2}}'.encode(), "z is repeated"),
    ],
)
def test_what_is_not_is_told_what_is_wrong(raw: bytes, why: str) -> None:
    found = read_document(raw)
    assert isinstance(found, str)
    assert why in found
