"""The host for which presigned URLs are made."""

import re

import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st

from config.loader import load
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.s3_signing import Presigner
from web.http.caller import CALLER, Caller
from web.http.public_host import is_reached_as, reached_at


def request_for(host: str) -> web.Request:
    request = make_mocked_request("GET", "/", headers={"Host": host})
    request[CALLER] = Caller("192.0.2.1", "http")
    return request


@pytest.mark.parametrize(
    "host", ["render.example", "10.0.0.7:8000", "localhost:1", "[fe80::1]:8000", "[::1]"]
)
def test_the_host_that_the_caller_used_is_named(host: str) -> None:
    request = request_for(host)
    assert reached_at(request, load()) == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    [
        *("", "user@evil.example", "evil.example/path", "a b", "-x", "x?y", "[evil]", "x:999999"),
        *("h:99999", "h:0", "h:", "[....]:80", "[1:2]", "[1.2.3.4]", "h:65536", "a\n", "é"),
    ],
)
def test_what_is_no_host_is_ignored(host: str) -> None:
    request = request_for(host)
    assert reached_at(request, load()) is None


HOSTS = st.from_regex(
    re.compile(r"\[?[0-9A-Fa-f:._%a-z-]{0,20}\]?(:[0-9]{0,6})?\n?"), fullmatch=True
)
STORE = ObjectsEndpoint("http://127.0.0.1:1", "key", "secret")


@example("h:99999")
@example("[....]:80")
@example("[1:2]")
@example("[fe80::1%eth0]:8000")
@given(st.one_of(HOSTS, st.ip_addresses(v=6).map("[{}]:80".format), st.text(max_size=20)))
def test_whatever_is_named_can_be_signed_for(host: str) -> None:
    base = reached_at(request_for(host), load()) if host.isascii() else None
    if base is not None:
        Presigner(STORE, "http://x").at(base).get("key", within=60)


@pytest.mark.parametrize("section", ["server", "objects"])
def test_a_setting_goes_before_what_the_caller_used(section: str) -> None:
    settings = load()
    named = attrs.evolve(getattr(settings, section), public_url="https://render.example")
    request = request_for("10.0.0.7")
    assert reached_at(request, attrs.evolve(settings, **{section: named})) is None


@pytest.mark.parametrize(
    ("public", "authority", "host", "holds"),
    [
        ("", "farm.example", "farm.example", True),
        ("", "farm.example", "farm.example:443", True),
        ("", "farm.example", "other.example", False),
        ("https://farm.example", "farm.example", "gateway:8080", True),
        ("https://farm.example", "evil.example", "evil.example", False),
        ("https://farm.example", "gateway:8080", "gateway:8080", True),
        ("https://farm.example", "10.0.0.5:8080", "10.0.0.5:8080", True),
        ("https://farm.example", "8.8.8.8", "8.8.8.8", False),
        ("https://farm.example", "[2001:4860:4860::8888]:80", "[2001:4860:4860::8888]:80", False),
        ("https://farm.example", "[::1]:8080", "[::1]:8080", True),
        ("https://farm.example", "evil.example", "evil example", False),
    ],
)
def test_what_a_gateway_is_reached_as(
    public: str, authority: str, host: str, *, holds: bool
) -> None:
    settings = load()
    named = attrs.evolve(settings.server, public_url=public)
    given = attrs.evolve(settings, server=named)
    assert is_reached_as(request_for(host), given, authority) is holds
