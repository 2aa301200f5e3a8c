"""Tests that every route takes CPU time linear in the size of the request, and bounded memory.

Memory is measured coarsely; see ``cost_of_asking``. The routes are those of the served application,
so a new route is tested without being listed.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final, cast
from uuid import UUID, uuid4

import attrs
import pytest

from actors.kernel import Ref
from actors.sequencer.messages import Sequencer
from sql.database import Database
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from tests.fuzz.cost import CLEAR_PEAK, Cost, cost_of_asking, judge
from tests.fuzz.requests_of import Hostile, Route, routes_of
from tests.integration.web.accounts import with_role
from tests.support.http_gateway import Face, serving, settings_for_tests, with_scheduler
from web.app import site_of
from web.console.session import COOKIE
from web.gateway import Gateway
from web.http.operations import Audience
from web.http.rate_limits import RATES
from web.identity.roles import UserRole
from web.identity.tokens import TokenType
from web.nodes.relay import Relay

PARTS: Final = 4  # groups of routes, each tested by a separate test
STORE: Final = ObjectsEndpoint("http://127.0.0.1:1", "key", "secret")
NOBODY: Final = SimpleNamespace(objects_store=lambda: STORE)
# Statuses of requests that need the unreachable object store or an absent actor.
AWAY: Final = (502, 503)
SETUP: Final = "/setup"  # pages that answer 403 without the token of the first run
HEADERS_MOST: Final = 7_000
HEADERS: Final[Mapping[str, Callable[[int], str]]] = {
    "Cookie": lambda size: 'a="; ' * (size // 5),
    "Authorization": lambda size: "Bearer " + "a." * (size // 2),
    "Host": lambda size: "a." * (size // 2) + "b",
    "Content-Type": lambda size: "application/json" + '; a="' * (size // 5),
    "Range": lambda size: "bytes=" + "1-2," * (size // 4),
    "If-None-Match": lambda size: '"a",' * (size // 4),
    "Accept": lambda size: "a/b;q=0.1," * (size // 10),
    "Accept-Encoding": lambda size: "gzip, " * (size // 6),
    "Idempotency-Key": lambda size: "k" * size,
    "X-Forwarded-For": lambda size: "::1, " * (size // 5),
    "X-Request-ID": lambda size: "x" * size,
    "Last-Event-ID": lambda size: "1" * size,
    "Sec-WebSocket-Extensions": lambda size: "permessage-deflate; a, " * (size // 23),
    "Sec-WebSocket-Protocol": lambda size: "a, " * (size // 3),
    "Forwarded": lambda size: 'for="' * (size // 5),
}


@attrs.define
class Asker:
    """A client that opens a connection per request and reads only the head of the answer."""

    host: str
    port: int
    tokens: Mapping[Audience, str]
    cookie: Callable[[], str]  # returns a new cookie each time, as one of the routes signs out
    seen: list[int] = attrs.field(factory=list[int])

    async def ask(self, route: Route, path: str, body: bytes, media: str, more: str = "") -> int:
        """Send a request and return the status of the answer."""
        head = [f"{route.method} {path} HTTP/1.1", "Connection: close"]
        head += [] if more.startswith("Host:") else [f"Host: {self.host}:{self.port}"]
        if route.of_console:
            head += ["Sec-Fetch-Site: same-origin"]
            head += [] if more.startswith("Cookie:") else [f"Cookie: {self.cookie()}"]
        elif route.audience in self.tokens and not more.startswith("Authorization:"):
            head.append(f"Authorization: Bearer {self.tokens[route.audience]}")
        if route.method != "GET":
            head += [] if more.startswith("Content-Type:") else [f"Content-Type: {media}"]
            head.append(f"Content-Length: {len(body)}")
        head += [more] if more else []
        sent = "\r\n".join([*head, "", ""]).encode() + (body if route.method != "GET" else b"")
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        try:
            writer.write(sent)
            answer = await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.transport.abort()
        self.seen.append(int(answer[9:12]))
        return self.seen[-1]


def whole_site(gateway: Gateway) -> Any:
    """Return the site of the composition root, but without node sessions and without a log."""
    gateway.registry.register(Sequencer, Ref[Sequencer]("nobody"))

    async def nobody(*_: Any) -> Any:
        raise AssertionError("no node of this test has a token of its own")

    return site_of(gateway, Relay(gateway, nobody), cast("Any", NOBODY))


@pytest.fixture
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """A site with the whole table of routes, without rate limits."""
    pool = Database(lambda: database.app_dsn)
    limits = dict.fromkeys(map(str, RATES), 1_000_000)
    async with serving(
        pool, settings_for_tests(limits=limits), with_scheduler(pool), whole_site
    ) as running:
        yield running
    await pool.close()


@pytest.fixture
async def asker(face: Face, database: PostgresEndpoint) -> Asker:
    """A client with an admin's tokens, and with a token of an unknown node."""
    admin = await with_role(face, database.owner_dsn, "admin")
    issue = face.gateway.identity.tokens.issue
    node, _ = issue(TokenType.NODE, uuid4(), uuid4())

    def cookie() -> str:
        return f"{COOKIE}={issue(TokenType.CONSOLE, UUID(admin.id), uuid4(), UserRole.ADMIN)[0]}"

    of_people = (Audience.ANYONE, Audience.USER, Audience.ADMIN)
    tokens = {**dict.fromkeys(of_people, admin.access), Audience.NODE: node}
    url = face.client.make_url("")
    return Asker(str(url.host), int(url.port or 0), tokens, cookie)


@pytest.mark.parametrize("part", range(PARTS))
async def test_the_cost_of_every_route_is_linear(
    part: int, face: Face, asker: Asker, record_property: Callable[[str, object], None]
) -> None:
    routes = list(routes_of(face.client.app))
    assert len(routes) > 150
    judge(
        [
            await cost_at(asker, route, one)
            for route in routes[part::PARTS]
            for one in route.hostile()
        ],
        record_property,
    )


async def cost_at(asker: Asker, route: Route, hostile: Hostile) -> Cost:
    """Measure a route; the answers must show that the requests passed authentication."""
    asker.seen.clear()

    async def ask(sent: tuple[str, bytes]) -> int:
        return await asker.ask(route, *sent, hostile.media)

    found = await cost_of_asking(hostile.label, hostile.make, ask, hostile.largest)
    told, seen = f"{hostile.label}: {asker.seen}", set(asker.seen)
    assert all(status < 500 or status in AWAY for status in seen), told
    if hostile.wrong:  # the console's scripts get a refusal with status 200
        assert seen <= ({200} if route.of_console else {400, 422}), told
    elif route.method == "GET" and (route.of_console or route.operation is not None):
        refused = {401, 429} if route.path.startswith(SETUP) else {401, 403, 429}
        assert not seen & refused, told
    return found


@pytest.mark.parametrize("path", ["/health", "/console", "/api/v1/relay/ws/{}", "/rendertrust/{}"])
async def test_the_cost_of_a_header_is_linear(
    path: str, face: Face, asker: Asker, record_property: Callable[[str, object], None]
) -> None:
    begin = path.replace("{}", "")
    route = next(
        one
        for one in routes_of(face.client.app)
        if one.path.startswith(begin) and one.method == "GET"
    )
    found: list[Cost] = []
    for name, make in HEADERS.items():

        async def ask(value: str, name: str = name) -> int:
            return await asker.ask(route, route.path, b"", "", f"{name}: {value}")

        label = f"{route}, {name}"
        found.append(await cost_of_asking(label, make, ask, HEADERS_MOST))
    judge(found, record_property)


@pytest.mark.skipif(not CLEAR_PEAK.exists(), reason="this system does not tell the peak of memory")
async def test_an_answer_that_takes_much_memory_is_found() -> None:
    """The memory is held only for a moment and freed before the measurement ends."""

    async def ask(sent: str) -> None:
        _ = bytearray(b"x") * (len(sent) ** 2)

    found = await cost_of_asking("quadratic", lambda size: "x" * size, ask, 8_000)
    assert any("MiB of memory" in fault for fault in found.faults), str(found)
    less = await cost_of_asking("linear", lambda size: "x" * size, ask, 1_000)
    assert not any("MiB" in fault for fault in less.faults), str(less)
