"""The client's address behind proxies: only trusted proxies are believed."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from config.loader import SettingsError
from tests.support.http_gateway import settings_for_tests
from web.http.caller import Caller, address_of, caller_of, client_of, subject_of

PROXIES = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
CLIENT, STRANGER, PROXY = "203.0.113.7", "198.51.100.9", "10.1.2.3"


class Wire:
    """A connection from an address."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def get_extra_info(self, name: str) -> object:
        return (self.peer, 40_000) if name == "peername" else None


def request_of(peer: str, *headers: tuple[str, str]) -> web.Request:
    wire = Wire(peer)
    return make_mocked_request("GET", "/", headers=CIMultiDict(headers), transport=wire)


def seen(peer: str, *headers: tuple[str, str]) -> Caller:
    return caller_of(request_of(peer, *headers), PROXIES)


def test_what_a_stranger_says_of_himself_is_ignored() -> None:
    spoofed = ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "https")
    assert seen(STRANGER, *spoofed) == Caller(STRANGER, "http")


def test_without_proxies_nothing_is_believed() -> None:
    request = request_of("127.0.0.1", ("X-Forwarded-For", CLIENT))
    assert caller_of(request, ()) == Caller("127.0.0.1", "http")


def test_a_proxy_says_who_spoke_to_it_and_how() -> None:
    said = ("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")
    assert seen(PROXY, *said) == Caller(CLIENT, "https")


def test_a_proxy_that_says_nothing_is_the_caller() -> None:
    assert seen(PROXY) == Caller(PROXY, "http")


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (["203.0.113.7"], CLIENT),
        (["1.1.1.1, 203.0.113.7"], CLIENT),  # the client has invented the first address
        (["127.0.0.1, 203.0.113.7"], CLIENT),
        (["1.1.1.1", "203.0.113.7"], CLIENT),  # two lines form one list
        (["203.0.113.7, 10.9.9.9"], CLIENT),  # two trusted proxies in a row
        (["203.0.113.7, 10.9.9.9, 127.0.0.1"], CLIENT),
        (["203.0.113.7:5061"], CLIENT),
        (["[2001:db8::7]:5061, 10.9.9.9"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], CLIENT),
        (["10.9.9.9"], "10.9.9.9"),  # a client inside the trusted network
        (["unknown"], PROXY),
        (["1.1.1.1, unknown"], PROXY),
        ([""], PROXY),
        (["1.1.1.1, unknown, 10.9.9.9"], "10.9.9.9"),
    ],
)
def test_the_nearest_that_is_no_proxy_of_ours_is_the_client(said: list[str], client: str) -> None:
    headers = [("X-Forwarded-For", line) for line in said]
    assert seen(PROXY, *headers).address == client


@given(st.lists(st.ip_addresses().map(str) | st.text(max_size=12), max_size=8))
def test_nothing_that_a_client_sends_along_makes_him_another(made_up: list[str]) -> None:
    assert client_of(PROXY, [*made_up, CLIENT], PROXIES) == CLIENT


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("https", "https"), ("http, https", "https"), ("WSS", "https"), ("gopher", "http")],
)
def test_the_scheme_is_what_the_nearest_proxy_says(said: str, scheme: str) -> None:
    assert seen(PROXY, ("X-Forwarded-Proto", said)).scheme == scheme


def test_one_ipv6_network_is_one_subject() -> None:
    assert subject_of("2001:db8:1:2:3::4") == subject_of("2001:db8:1:2:ffff::1")
    assert subject_of("2001:db8:1:2::1") != subject_of("2001:db8:1:3::1")
    assert subject_of("192.0.2.1") != subject_of("192.0.2.2")
    assert subject_of("::ffff:192.0.2.1") == subject_of("192.0.2.1")


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_none(text: str) -> None:
    address_of(text)
    subject_of(text)


def test_a_network_that_is_none_stops_the_start() -> None:
    with pytest.raises(SettingsError, match=r"trusted_proxies.*10\.0\.0\.1/8"):
        settings_for_tests(server={"trusted_proxies": "127.0.0.1, 10.0.0.1/8"})
