"""Addresses of the gateway, and the parsing of headers."""

import pytest

from rendertrust.api.jobs import ResultUrl
from rendertrust.api.uploads import PutUrl
from rendertrust.client.downloads import suffix
from rendertrust.client.transport import ApiCall, address, seconds


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("http://localhost:8000/", "http://localhost:8000"),
        (" https://API.rendertrust.com ", "https://api.rendertrust.com"),
        ("https://host/farm/", "https://host/farm"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("farm.example.org", "https://farm.example.org"),
        ("localhost.example.org:8000/", "https://localhost.example.org:8000"),
    ],
)
def test_addresses_are_put_in_order(typed: str, meant: str) -> None:
    assert address(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        *["localhost:port", "ftp://host", "http://", "", "http://u:p@host", "http://host?x=1"],
        *["http://host:port", "http://host:99999", "http://[::1"],
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address(typed)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("3", 3.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("٣", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, expected: float | None) -> None:
    assert seconds(header, now=lambda: 60.0) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://s/results/j/frame.PNG?X-Amz-Signature=a.b", ".png"),
        ("http://s/results/j/frame", ""),
        ("http://s/results/j/frame.%2e%2e", ""),
        ("http://s/results/j/frame.a-b", ""),
        ("http://s/results/j/frame.exe", ""),
        ("http://s/results/j/frame.html", ""),
    ],
)
def test_a_result_keeps_a_suffix_of_what_nodes_deliver(url: str, expected: str) -> None:
    assert suffix(url) == expected


def test_urls_and_bodies_that_open_doors_are_not_in_repr() -> None:
    shown = repr(ResultUrl("j", "http://s/?X-Amz-Signature=secret", 3600))
    shown += repr(PutUrl("http://s/?X-Amz-Signature=secret", {"h": "secret"}, 3600))
    shown += repr(ApiCall("POST", "/login", {"password": "secret"}))
    assert "secret" not in shown
