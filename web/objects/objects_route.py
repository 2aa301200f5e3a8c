"""Presigned URLs through the gateway: ``/{bucket}/…`` goes to the object store and back.

One port and one TLS for clients and nodes: Host, path and headers reach the store as they were
signed, bodies stream both ways with the sender's back-pressure, and nothing is kept in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from rendertrust.taking import Taking
from web.http.answers import refusal
from web.http.gate import Gate
from web.http.operations import Audience
from web.http.problem import Problem, unavailable
from web.http.rates import Rates

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
TRANSFERS_MAX = 256
CONNECT_SECONDS = 5.0
TRANSFERS_OF_ONE_MAX = 128  # of one address: nobody is to fill all of them
# No byte for so long, in either direction, ends a transfer; and so does its whole length.
IDLE_SECONDS = 30.0
# An upload that brings less than this in that time drips.
PACE_BYTES = 16 * 1024
TRANSFER_SECONDS = 3_600.0
HOP_BY_HOP = frozenset(
    name.lower()
    for name in (
        hdrs.CONNECTION,
        hdrs.KEEP_ALIVE,
        hdrs.PROXY_AUTHENTICATE,
        hdrs.PROXY_AUTHORIZATION,
        hdrs.TE,
        hdrs.TRAILER,
        hdrs.TRANSFER_ENCODING,
        hdrs.UPGRADE,
    )
)
# The store would take these for the host that was signed, or they are of the gateway's own users.
NOT_FORWARDED = HOP_BY_HOP | {"expect", "forwarded", "cookie"}
# What lies in the bucket came from somebody: on the gateway's origin it must not run as a page.
ADDED = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}
STORE_AWAY = unavailable("The object store is not available")

log = structlog.get_logger(__name__)


class ObjectForwarder:
    """Handler of the object routes. ``endpoint_url`` says where the store is; None: nowhere yet."""

    def __init__(self, endpoint_url: Callable[[], str | None], bucket: str) -> None:
        self._endpoint_url = endpoint_url
        self._prefix = f"/{bucket}/"
        self._session: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """200, 206, 304, 403, 404, 412, 416 … are the store's; 408, 502 and 503 are ours."""
        target = self._target(request)
        if target is None:
            return refusal(request, STORE_AWAY)
        body = Body(request)
        try:
            async with asyncio.timeout(TRANSFER_SECONDS):
                answer = await self._send(request, target, body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return refusal(request, failed(error, body))
        async with answer:
            return await self._answer(request, body, answer)

    async def _send(
        self, request: web.Request, target: URL, body: "Body"
    ) -> aiohttp.ClientResponse:
        taking = Taking(IDLE_SECONDS)
        async with taking.in_time():
            return await self._client().request(
                request.method,
                target,
                headers=end_to_end(request.headers),
                data=None if body.done else taking.of(body.chunks()),
                expect100=body.awaits_leave,
                allow_redirects=False,
            )

    async def _answer(
        self, request: web.Request, body: "Body", answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        response.headers.extend(end_to_end(answer.headers))
        response.headers.update(ADDED)
        if not body.done:
            # Answered before all was read: what the client still sends is not another request.
            response.force_close()
        try:
            async with asyncio.timeout(TRANSFER_SECONDS):
                await response.prepare(request)
                if request.method != hdrs.METH_HEAD:
                    await copy_body(answer, response)
                await response.write_eof()
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            # Part of the answer is out: only a cut tells the client that the rest is missing.
            log.info("objects_answer_cut", error=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
        return response

    def _target(self, request: web.Request) -> URL | None:
        """The same path and query, byte for byte, at the store."""
        base, path = self._endpoint_url(), request.raw_path
        if base is None:
            return None
        if not path.startswith(self._prefix) or ".." in path.split("?", 1)[0].split("/"):
            raise web.HTTPNotFound
        return URL(base.rstrip("/") + path, encoded=True)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=TRANSFERS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=(
                    hdrs.ACCEPT,
                    hdrs.ACCEPT_ENCODING,
                    hdrs.CONTENT_TYPE,
                    hdrs.USER_AGENT,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS
                ),
            )
        return self._session

    async def close(self) -> None:
        """Close the connections to the store."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class Body:
    """A request's body as it comes in. Leave to send it is given when the store wants it."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.done = not request.can_read_body
        self.slow = False
        self.broken = False
        self._due, self._lacks = 0.0, 0  # so many bytes must come by then
        expects = request.headers.get(hdrs.EXPECT, "").lower()
        self.awaits_leave = not self.done and expects == "100-continue"

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.awaits_leave:
            await give_leave(self._request)
        while chunk := await self._chunk():
            yield chunk
        self.done = True

    async def _chunk(self) -> bytes:
        """The next ones, b'' at the end; TimeoutError where none come, or too few."""
        now = asyncio.get_running_loop().time()
        if now >= self._due:
            self._due, self._lacks = now + IDLE_SECONDS, PACE_BYTES
        within = self._due - now if self._lacks > 0 else IDLE_SECONDS
        try:
            async with asyncio.timeout(within):
                chunk = await self._request.content.readany()
        except TimeoutError:
            self.slow = True
            raise
        except Exception:
            self.broken = True
            raise
        self._lacks -= len(chunk)
        return chunk


async def copy_body(answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
    """Whatever has come in, as fast as the client takes it, and no slower than the limit."""
    async for chunk in answer.content.iter_any():
        async with asyncio.timeout(IDLE_SECONDS):
            await response.write(chunk)


def failed(error: Exception, body: Body) -> Problem:
    """Who is to blame that the store did not answer: the client, the store's absence, the store."""
    if body.slow:
        return Problem(408, "The body came too slowly")
    if body.broken:
        # Nobody will read this: the client has gone.
        return Problem(400, "The body broke off")
    away = (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, TimeoutError)
    if isinstance(error, away):
        return STORE_AWAY
    log.warning("objects_forward_failed", error=type(error).__name__)
    return Problem(502, "The object store failed")


async def give_leave(request: web.Request) -> None:
    """Send ``100 Continue``."""
    writer = request.writer
    await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # It does not count as a part of the answer.
    writer.output_size = 0


async def leave_later(request: web.Request) -> None:
    """Instead of aiohttp's answer to ``Expect``, which comes before anybody looks at the head."""
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        raise web.HTTPExpectationFailed


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """What is for the other end: without the headers of one connection and those it names."""
    named = {
        name.strip().lower()
        for value in headers.getall(hdrs.CONNECTION, ())
        for name in value.split(",")
    }
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if (low := name.lower()) not in NOT_FORWARDED
        and low not in named
        and not low.startswith("x-forwarded-")
    )


def object_gate(rates: Rates) -> Callable[[Handler], Handler]:
    """So many transfers of each address, in all and at once; a presigned URL lets anybody in."""
    most = TRANSFERS_OF_ONE_MAX
    return lambda handler: Gate(rates, "object", Audience.PUBLIC, handler, at_once=most).serve


def add_object_routes(
    app: web.Application,
    endpoint_url: Callable[[], str | None],
    bucket: str,
    *,
    through: Callable[[Handler], Handler],
) -> ObjectForwarder:
    """Mount ``/{bucket}/…`` on the application; connections are closed with it."""
    forwarder = ObjectForwarder(endpoint_url, bucket)
    serve = through(forwarder.handle)
    for method in METHODS:
        app.router.add_route(method, f"/{bucket}/{{key:.+}}", serve, expect_handler=leave_later)

    async def close(_app: web.Application) -> None:
        await forwarder.close()

    app.on_cleanup.append(close)
    return forwarder
