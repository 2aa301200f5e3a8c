"""Tests of the Post port: twin and real sender behave alike, and the real sender reaches no
forbidden address.
"""

import asyncio
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterator
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from pytest_aiohttp import AiohttpServer

from actors.ports.webhooks import Answered, Letter, NotSent, Post
from supervisors.engines import webhook_http as engine
from supervisors.engines.webhook_http import HttpPost, is_public, refused
from tests.support.free_ports import free_port
from tests.support.listening import listening
from tests.support.until import until
from tests.twins.post import TwinPost


class Town(ABC):
    """A sender of webhooks, and listeners that receive them."""

    post: Post

    @abstractmethod
    def listener(self, *statuses: int) -> str:
        """Start a listener that gives these answers, and return its URL."""

    @abstractmethod
    def nobody(self) -> str: ...

    @abstractmethod
    def received(self, url: str) -> list[tuple[bytes, str]]:
        """Return the bodies that arrived, with their ``webhook-id`` headers."""


class TwinTown(Town):
    def __init__(self) -> None:
        self.twin = TwinPost()
        self.post = self.twin

    def listener(self, *statuses: int) -> str:
        url = f"https://{len(self.twin.receivers)}.example"
        self.twin.answer(url, *statuses)
        return url

    def nobody(self) -> str:
        return "https://nobody.example"

    def received(self, url: str) -> list[tuple[bytes, str]]:
        return [(letter.body, letter.headers["webhook-id"]) for letter in self.twin.received[url]]


class RealTown(Town):
    def __init__(self, server: TestServer, heard: dict[str, list[tuple[bytes, str]]]) -> None:
        self.post, self._server, self._heard = HttpPost(private=True), server, heard

    def listener(self, *statuses: int) -> str:
        words = "-".join(map(str, statuses))
        return str(self._server.make_url(f"/{len(self._heard)}/{words}"))

    def nobody(self) -> str:
        return f"http://127.0.0.1:{free_port()}"

    def received(self, url: str) -> list[tuple[bytes, str]]:
        return self._heard.get(url, [])


@pytest.fixture(params=["twin", "real"])
async def town(
    request: pytest.FixtureRequest, aiohttp_server: AiohttpServer
) -> AsyncGenerator[Town]:
    if request.param == "twin":
        yield TwinTown()
        return
    heard: dict[str, list[tuple[bytes, str]]] = {}

    async def hear(asked: web.Request) -> web.Response:
        letters = heard.setdefault(str(asked.url), [])
        letters.append((await asked.read(), asked.headers["webhook-id"]))
        statuses = [int(word) for word in asked.match_info["statuses"].split("-")]
        status = statuses[min(len(letters), len(statuses)) - 1]
        headers = {"Location": "/elsewhere/200"} if status == 302 else {}
        return web.Response(status=status, headers=headers, body=b"x" * (1 << 20))

    app = web.Application()
    app.router.add_post("/{number}/{statuses}", hear)
    real = RealTown(await aiohttp_server(app), heard)
    yield real
    assert isinstance(real.post, HttpPost)
    await real.post.close()


def letter(url: str, body: bytes = b"{}") -> Letter:
    return Letter(url, {"webhook-id": "7"}, body)


async def test_whoever_listens_hears_it_and_his_answer_is_told(town: Town) -> None:
    good, bad = town.listener(204), town.listener(500)
    became = await town.post.send([letter(good, b'{"a": 1}'), letter(bad)])
    assert became == [Answered(204), Answered(500)]
    assert town.received(good) == [(b'{"a": 1}', "7")]


async def test_a_redirect_is_an_answer_and_not_followed(town: Town) -> None:
    url = town.listener(302)
    assert await town.post.send([letter(url)]) == [Answered(302)]


async def test_where_nobody_listens_is_no_answer(town: Town) -> None:
    good = town.listener(200)
    [nobody, answered] = await town.post.send([letter(town.nobody()), letter(good)])
    assert nobody == NotSent("there is no connection to its address")
    assert answered == Answered(200)


async def test_the_next_letter_has_the_next_answer(town: Town) -> None:
    url = town.listener(500, 200)
    assert await town.post.send([letter(url)]) == [Answered(500)]
    assert await town.post.send([letter(url)]) == [Answered(200)]


# -- the real sender alone


async def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.2)

    async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            pass

    post = HttpPost(private=True)
    async with listening(hold) as port:
        [became] = await post.send([letter(f"http://127.0.0.1:{port}")])
    assert became == NotSent("no answer within 0.2 s")
    await post.close()


@attrs.define
class SlowNames:
    """The system's resolver, except that names under ``slow.example`` get no answer until ``ends``
    is set.
    """

    look_up: Callable[..., Any] = socket.getaddrinfo
    ends: threading.Event = attrs.field(factory=threading.Event)
    asked: list[str] = attrs.field(factory=list[str])

    def __call__(self, host: Any, *args: Any, **options: Any) -> Any:
        if isinstance(host, str) and host.endswith(".slow.example"):
            self.asked.append(host)
            self.ends.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return self.look_up(host, *args, **options)


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNames]:
    slow = SlowNames()
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    yield slow
    slow.ends.set()


async def test_names_that_are_never_found_keep_nobody_else_from_looking_one_up(
    town: Town, slow_names: SlowNames
) -> None:
    """The loop's few threads also look up PostgreSQL, S3 and Redis."""
    if isinstance(town, TwinTown):
        return  # the twin looks up no names
    letters = [letter(f"http://{n}.slow.example") for n in range(3 * engine.LOOKUPS_MOST)]
    sending = asyncio.create_task(town.post.send(letters))
    await until(lambda: len(slow_names.asked) >= engine.LOOKUPS_MOST)
    async with asyncio.timeout(60):
        assert await asyncio.get_running_loop().getaddrinfo("localhost", 5432)
    assert len(slow_names.asked) == engine.LOOKUPS_MOST  # the limit of concurrent look-ups
    slow_names.ends.set()
    assert all(isinstance(one, NotSent) for one in await sending)
    assert await town.post.send([letter(town.listener(200))]) == [Answered(200)]


async def test_a_name_that_nobody_waits_for_any_more_makes_room_when_it_ends(
    slow_names: SlowNames,
) -> None:
    lookups = engine.NameLookups(most=1)
    first = asyncio.create_task(lookups.look_up("a.slow.example", 80, socket.AF_INET))
    await until(lambda: slow_names.asked == ["a.slow.example"])
    first.cancel()
    second = asyncio.create_task(lookups.look_up("localhost", 80, socket.AF_INET))
    await asyncio.wait((first,))
    assert not second.done()
    slow_names.ends.set()
    assert [one["host"] for one in await second] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "10.0.0.1", "0.0.0.0"),
        *("169.254.169.254", "192.168.1.1", "172.16.0.1", "100.64.0.1", "224.0.0.1", "localhost"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]"),
        *("[2002:7f00:1::]", "user@127.0.0.1", "198.18.0.1", "255.255.255.255"),
        *("[fec0::1]", "[feff::1]", "[ff02::1]", "[::7f00:1]", "[::ffff:0:7f00:1]", "[100::1]"),
        *("[2001::1]", "[2001:20::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]", "[4000::1]"),
        *("192.88.99.1", "192.0.0.9", "192.0.2.1", "198.51.100.1", "203.0.113.1", "240.0.0.1"),
    ],
)
async def test_private_addresses_are_never_connected_to(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = list[Any]()
    loop = asyncio.get_running_loop()

    async def connect(*_: Any, **__: Any) -> None:
        connected.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "sock_connect", connect)
    post = HttpPost(private=False)
    [became] = await post.send([letter(f"https://{host}/hook")])
    assert isinstance(became, NotSent)
    assert connected == []
    await post.close()


@pytest.mark.parametrize(
    ("url", "private", "reason"),
    [
        ("http://example.com", False, "https"),
        ("ftp://example.com", True, "https"),
        ("https://", False, "host"),
        ("nonsense", False, "https"),
        ("https://example.com:99999", False, "URL"),
    ],
)
def test_what_is_no_address_is_told_at_once(url: str, private: bool, reason: str) -> None:
    said = refused(url, private=private)
    assert said is not None
    assert reason in said


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_the_public_internet_may_be_told(text: str) -> None:
    assert is_public(text)


@given(st.ip_addresses(v=6))
def test_beyond_global_unicast_nothing_is_public(address: IPv6Address) -> None:
    unicast = address in IPv6Network("2000::/3")
    mapped = address.ipv4_mapped is not None
    assert unicast or mapped or not is_public(str(address))
