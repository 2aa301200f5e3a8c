"""Tests of the ProviderHttp port: twin and real sender behave alike; and of the latter's bounds."""

import asyncio
from abc import ABC, abstractmethod
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpServer

from actors.ports.provider_http import (
    ProviderAnswer,
    ProviderHttp,
    ProviderRequest,
    ProviderUnreachable,
)
from supervisors.engines.provider_requests import ANSWER_BYTES_MAX, HttpProviders
from tests.support.free_ports import free_port
from tests.support.listening import listening
from tests.twins.provider_http import TwinProviders


class Town(ABC):
    """A sender, and a provider that answers it."""

    http: ProviderHttp

    @abstractmethod
    def provider(self, status: int, body: bytes) -> str:
        """Return an address at which a provider gives this answer."""

    @abstractmethod
    def nobody(self) -> str: ...

    @abstractmethod
    def received(self) -> list[tuple[str, dict[str, str], str]]:
        """Return method, form and Authorization of all requests that arrived."""


class TwinTown(Town):
    def __init__(self) -> None:
        self.http = self.twin = TwinProviders()

    def provider(self, status: int, body: bytes) -> str:
        url = f"https://{len(self.twin.answers)}.example/"
        self.twin.answers[url] = ProviderAnswer(status, body)
        return url

    def nobody(self) -> str:
        return "https://nobody.example/"

    def received(self) -> list[tuple[str, dict[str, str], str]]:
        return [
            ("GET" if each.form is None else "POST", dict(each.form or {}), each.authorization)
            for each in self.twin.requests
        ]


class RealTown(Town):
    def __init__(self) -> None:
        self.http = HttpProviders(loopback=True)
        self.answers: list[tuple[int, bytes]] = []
        self.heard: list[tuple[str, dict[str, str], str]] = []
        self.server: TestServer | None = None

    async def serve(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.heard.append((request.method, form, request.headers.get("Authorization", "")))
        status, body = self.answers[int(request.match_info["number"])]
        headers = {"Location": "/0"} if status == 302 else {}
        return web.Response(status=status, body=body, headers=headers)

    def provider(self, status: int, body: bytes) -> str:
        assert self.server is not None
        self.answers.append((status, body))
        return str(self.server.make_url(f"/{len(self.answers) - 1}"))

    def nobody(self) -> str:
        return f"http://127.0.0.1:{free_port()}/"

    def received(self) -> list[tuple[str, dict[str, str], str]]:
        return self.heard


@pytest.fixture(params=["twin", "real"])
async def town(
    request: pytest.FixtureRequest, aiohttp_server: AiohttpServer
) -> AsyncGenerator[Town]:
    if request.param == "twin":
        yield TwinTown()
        return
    real = RealTown()
    app = web.Application()
    app.router.add_route("*", "/{number}", real.serve)
    real.server = await aiohttp_server(app)
    yield real
    assert isinstance(real.http, HttpProviders)
    await real.http.close()


async def test_the_answer_of_a_provider_is_returned(town: Town) -> None:
    good, bad = town.provider(200, b'{"a": 1}'), town.provider(400, b"no")
    assert await town.http.send(ProviderRequest(good)) == ProviderAnswer(200, b'{"a": 1}')
    form = ProviderRequest(bad, {"code": "1 &="}, "Bearer x")
    assert await town.http.send(form) == ProviderAnswer(400, b"no")
    assert town.received() == [("GET", {}, ""), ("POST", {"code": "1 &="}, "Bearer x")]


async def test_a_redirect_is_an_answer_and_not_followed(town: Town) -> None:
    url = town.provider(302, b"")
    assert await town.http.send(ProviderRequest(url)) == ProviderAnswer(302, b"")
    assert len(town.received()) == 1


@pytest.mark.parametrize("more", [0, 1, 1 << 20])
async def test_an_answer_has_a_bound(town: Town, more: int) -> None:
    body = b"x" * (ANSWER_BYTES_MAX + more)
    answer = await town.http.send(ProviderRequest(town.provider(200, body)))
    assert isinstance(answer, ProviderUnreachable if more else ProviderAnswer)


async def test_nobody_there_is_no_answer(town: Town) -> None:
    assert isinstance(await town.http.send(ProviderRequest(town.nobody())), ProviderUnreachable)


@pytest.mark.parametrize(
    "url",
    ["http://provider.example/", "file:///etc/passwd", "ftp://a.example/", "https://", "x", ""],
)
async def test_other_addresses_are_not_asked(town: Town, url: str) -> None:
    assert isinstance(await town.http.send(ProviderRequest(url)), ProviderUnreachable)
    assert town.received() == []


async def test_in_production_this_machine_needs_https_too(aiohttp_server: AiohttpServer) -> None:
    server, http = await aiohttp_server(web.Application()), HttpProviders(loopback=False)
    request = ProviderRequest(str(server.make_url("/")))
    assert isinstance(await http.send(request), ProviderUnreachable)
    await http.close()


async def test_a_provider_that_drips_is_given_up() -> None:
    ended = asyncio.Event()

    async def drip(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        await reader.read()
        ended.set()

    http = HttpProviders(loopback=True, seconds=0.2)
    async with listening(drip) as port:
        answer = await http.send(ProviderRequest(f"http://127.0.0.1:{port}/"))
        assert answer == ProviderUnreachable("no answer within 0.2 s")
        await ended.wait()
    await http.close()


async def test_an_answer_without_tls_is_none() -> None:
    http = HttpProviders(loopback=False)

    async def plain(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"not TLS at all")

    async with listening(plain) as port:
        answer = await http.send(ProviderRequest(f"https://127.0.0.1:{port}/"))
        assert isinstance(answer, ProviderUnreachable)
    await http.close()
