"""Codes of authenticator apps, compared with RFC 6238, and recovery codes."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.twins.random import TwinRandom
from web.identity.totp import (
    address_of,
    code_at,
    matching_step,
    new_recovery_codes,
    plain_code,
    recovery_digest,
    step_of,
    text_of,
)

SECRET = b"12345678901234567890"  # of the RFC's test vectors


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert code_at(SECRET, step_of(datetime.fromtimestamp(seconds, UTC))) == code


@pytest.mark.parametrize(
    ("away", "fits"), [(0, True), (-30, True), (30, True), (-61, False), (61, False)]
)
def test_clocks_may_differ_by_a_step(away: int, fits: bool) -> None:
    now = datetime.fromtimestamp(1234567890, UTC)
    found = matching_step(SECRET, code_at(SECRET, step_of(now + timedelta(seconds=away))), now)
    assert (found is not None) == fits


def test_the_address_names_the_farm_and_the_user() -> None:
    parts = urlsplit(address_of(SECRET, "jane+x@example.org", "Studio: Fjord", "farm.example"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    query = parse_qs(parts.query)
    assert query["secret"] == [text_of(SECRET)]
    assert query["issuer"] == ["Studio  Fjord farm.example"]


@pytest.mark.parametrize(
    ("typed", "code"),
    [("492039", "492039"), (" 492 039 ", "492039"), ("49203", None), ("٤٩٢٠٣٩", None), ("", None)],
)
def test_codes_are_read_as_people_type_them(typed: str, code: str | None) -> None:
    assert plain_code(typed) == code


def test_recovery_codes_differ_and_are_read_as_people_type_them() -> None:
    codes = new_recovery_codes(TwinRandom(1))
    assert len(set(codes.texts)) == 10
    assert all(len(text) == 19 for text in codes.texts)
    assert codes.hashes[0] == recovery_digest(codes.texts[0].upper().replace("-", " "))
    assert codes.texts[0] not in repr(codes)
