"""HTTP connections: limits on their number, deadlines, and JSON answers to malformed HTTP."""

import asyncio
import logging
from collections import Counter as Sums
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, TypeAlias

import attrs
from aiohttp import EMPTY_PAYLOAD, StreamReader, hdrs, web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import Counter, Gauge

from config.settings import Network
from config.settings import Server as ServerSettings
from rendertrust.api.refusal_code import RefusalCode
from web.http.caller import Caller, trusts
from web.http.problem import Problem, unavailable
from web.http.responses import encode, refusal
from web.middleware.request_head import EXPECTATION_REFUSED

CONNECTIONS: Final = Gauge("rendertrust_connections", "Connections that are open.")
REFUSED: Final = Counter(
    "rendertrust_connections_refused",
    "Connections and requests refused because of a limit, per address or in total.",
    ["bound"],
)
FILES_KEPT: Final = (
    256  # open files that are reserved for the database, the store, the log and the like
)
Serve: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
log = logging.getLogger("web.http.connection")
NOT_HTTP = Problem(
    400,
    "The request is not valid HTTP",
    headers={"Connection": "close"},
    code=RefusalCode.HTTP_INVALID,
)
TOO_MANY: Final = Problem(
    429,
    "Too many connections or requests at once from your address; wait for some to end",
    headers={"Retry-After": "5", "Connection": "close"},
    code=RefusalCode.TOO_MANY_CONNECTIONS,
)
# A node's socket may receive FLOW_BYTES_MAX in FLOW_SECONDS: far more than logs and previews need,
# far less than the loop can read.
FLOW_SECONDS, FLOW_BYTES_MAX = 10.0, 32 * 1024 * 1024
# For chunked bodies: after CHUNKS_FREE chunks, the connection is closed if the mean size of a chunk
# is below CHUNK_BYTES_LEAST.
CHUNKS_FREE, CHUNK_BYTES_LEAST = 500, 32
FULL: Final = unavailable(
    "The gateway has as many connections as it can; try again", 5, code=RefusalCode.GATEWAY_FULL
)


class ConnectionSlot:
    """A place within the limit of one address; freeing it more than once has no effect."""

    __slots__ = ("_limits", "_subject")

    def __init__(self, limits: "ConnectionLimits", subject: str) -> None:
        self._limits: ConnectionLimits | None = limits
        self._subject = subject

    def leave(self) -> None:
        limits, self._limits = self._limits, None
        if limits is not None:
            limits.left(self._subject)


SEAT: Final = web.RequestKey("seat", ConnectionSlot)


class ConnectionLimits:
    """Counts of open connections, and of seats: connections that serve requests, per address. A
    node's open socket has no seat, as the relay limits sockets.

    ``files``: the limit of open files. Accepting a connection beyond this limit would fail, and
    stop the accepting of all connections for a second.
    """

    def __init__(self, settings: ServerSettings, files: int) -> None:
        self._most = max(1, min(settings.connections, files - FILES_KEPT))
        self._most_of_one = settings.connections_per_address
        self._open = 0
        self._seats: Sums[str] = Sums()

    def open(self) -> bool:
        """Count a new connection, even a refused one.

        Return False if the number of connections exceeds the limit.
        """
        self._open += 1
        CONNECTIONS.set(self._open)
        return self._open <= self._most or self._refuse("gateway")

    def closed(self) -> None:
        """Count a closed connection."""
        self._open -= 1
        CONNECTIONS.set(self._open)

    def seat(self, subject: str) -> ConnectionSlot | None:
        """Return a seat for the address; None if the address has too many seats."""
        if self._seats[subject] >= self._most_of_one:
            self._refuse("address")
            return None
        self._seats[subject] += 1
        return ConnectionSlot(self, subject)

    def left(self, subject: str) -> None:
        """Free a seat."""
        self._seats[subject] -= 1
        if not self._seats[subject]:
            del self._seats[subject]

    @staticmethod
    def _refuse(bound: str) -> bool:
        REFUSED.labels(bound).inc()
        return False


@attrs.frozen
class ConnectionBounds:
    """Limits for every connection: deadlines, connection counts, and the trusted proxies."""

    header_seconds: float
    write_seconds: float
    limits: ConnectionLimits
    proxies: Sequence[Network]


class FragmentCounter:
    """Limits the data through a WebSocket.

    Fragments of a WebSocket message that is not complete yet are counted only here. Times are
    seconds of the loop.
    """

    __slots__ = ("_bytes", "_since")

    def __init__(self) -> None:
        self._bytes, self._since = 0, 0.0

    def admits(self, size: int, now: float) -> bool:
        """Count ``size`` more bytes; return False if the bytes of the period exceed the limit."""
        if now - self._since >= FLOW_SECONDS:
            self._bytes, self._since = 0, now
        self._bytes += size
        return self._bytes <= FLOW_BYTES_MAX


class ChunkCounter:
    """Counts the chunks of one body: parsing a chunk costs the same however small it is."""

    __slots__ = ("_count", "body")

    def __init__(self, body: StreamReader) -> None:
        self.body: Final = body
        self._count = 0

    @property
    def unread(self) -> int:
        """Return the number of chunk ends that the reader of the body has not consumed."""
        splits = self.body._http_chunk_splits  # pyright: ignore[reportPrivateUsage]
        return len(splits or ())

    def admits(self, unread_before: int) -> bool:
        """Count the chunks just parsed; return False if they are too small."""
        self._count += self.unread - unread_before
        least = self._count * CHUNK_BYTES_LEAST
        return self._count <= CHUNKS_FREE or self.body.total_bytes >= least


class Connection(RequestHandler):
    """A connection that is closed if request line and headers take longer than ``header_seconds``.

    The connection is also closed if the client reads nothing for ``write_seconds``, or sends a body
    in tiny chunks. The deadline of a body is set where the body is read. ``caller`` and ``seat``
    are None for a proxy's connection, which belongs to no client. ``deaf``: incoming data is
    dropped, because the connection ends with its response.
    """

    __slots__ = (
        "_bounds",
        "_chunks",
        "_flow",
        "_header_deadline",
        "_leaving",
        "_write_deadline",
        "caller",
        "deaf",
        "flooded",
        "seat",
    )

    def __init__(self, manager: web.Server, *, bounds: ConnectionBounds, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._bounds = bounds
        self._header_deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Future[None] | None = None
        self._flow = FragmentCounter()
        self._chunks: ChunkCounter | None = None
        self.deaf = False
        self.flooded = False
        self.caller: Caller | None = None
        self.seat: ConnectionSlot | None = None

    @property
    def limits(self) -> ConnectionLimits:
        """The connection limits shared by all connections."""
        return self._bounds.limits

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._arm()
        refused = self._enter(transport)
        if refused is not None and self.transport is not None:
            self.transport.write(as_bytes(refused))
            self.transport.close()

    def _enter(self, transport: asyncio.BaseTransport) -> Problem | None:
        """Count the connection and take a seat for its address; return a Problem at a limit."""
        if not self.limits.open():
            return FULL
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        if trusts(self._bounds.proxies, address):
            return None
        self.caller = Caller(address, scheme="http")
        self.seat = self.limits.seat(self.caller.subject)
        return TOO_MANY if self.seat is None else None

    def pause_writing(self) -> None:
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._write_deadline = loop.call_later(self._bounds.write_seconds, self._stuck)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._disarm_write()

    def _stuck(self) -> None:
        """Abort the connection: the client reads nothing, or sends too much or tiny chunks."""
        self._disarm_write()
        if self.transport is not None:
            self.transport.abort()

    def _disarm_write(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def data_received(self, data: bytes) -> None:
        if self._upgraded and not self._flow.admits(len(data), self._loop.time()):
            self.flooded = True
            self._stuck()
            return
        if self.deaf:
            return
        if not self._parsed(data):
            self._stuck()
            return
        if self._messages or self._current_request is not None or self._upgraded:
            self._disarm()
        else:
            self._arm()
        self._leave()

    def _parsed(self, data: bytes) -> bool:
        """Parse incoming data; return False if a body has too many tiny chunks."""
        chunks, waiting = self._chunks, len(self._messages)
        before = 0 if chunks is None else chunks.unread
        super().data_received(data)
        admits = chunks is None or chunks.admits(before)
        for _, body in islice(self._messages, waiting, None):
            if body is not EMPTY_PAYLOAD:
                self._chunks = ChunkCounter(body)
                admits = self._chunks.admits(0) and admits
        return admits

    @property
    def has_pipelined(self) -> bool:
        """Return True if requests wait behind the one that is served."""
        return bool(self._messages)

    def finish(self) -> None:
        """Stop after the current request, but first receive the rest of its body.

        A connection that is marked for closing reads no further data, so the request would never
        complete.
        """
        self._leaving = asyncio.get_running_loop().create_future()
        self._leave()

    def _leave(self) -> None:
        request, leaving = self._current_request, self._leaving
        if leaving is None or leaving.done():
            return
        if request is None or request.content.is_eof():
            leaving.set_result(None)
            self.close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Wait up to ``timeout`` for a body, again for the response, and again for a cancelled
        handler.
        """
        if self._leaving is not None:
            await asyncio.wait((self._leaving,), timeout=timeout)
        await super().shutdown(timeout)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()
        self._disarm_write()
        self.limits.closed()
        if self.seat is not None:
            self.seat.leave()
        if self._leaving is not None and not self._leaving.done():
            self._leaving.set_result(None)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response for an error outside our handlers.

        The error's message may quote the URL, so the response leaves it out.
        """
        if status >= 500:
            log.error("error handling a request", exc_info=exc)
        told = (
            Problem(500, "Internal server error", code=RefusalCode.INTERNAL_ERROR)
            if status >= 500
            else NOT_HTTP
        )
        return refusal(request, told)

    def _arm(self) -> None:
        if self._header_deadline is None:
            loop = asyncio.get_running_loop()
            self._header_deadline = loop.call_later(self._bounds.header_seconds, self._late)

    def _disarm(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None

    def _late(self) -> None:
        self._header_deadline = None
        idle = self._current_request is None and not self._messages
        transport = self.transport
        if idle and isinstance(transport, asyncio.Transport):
            transport.abort()


def has_flooded(request: web.BaseRequest) -> bool:
    """Return True if the connection was closed because too much data came."""
    return isinstance(request.protocol, Connection) and request.protocol.flooded


def in_turns(serve: Serve) -> Serve:
    """Wrap ``serve`` so that other connections get a turn between pipelined requests.

    After the response, a chunked body of unknown length is not parsed any further. aiohttp raises
    before any middleware for an unknown ``Expect``, which is answered here.
    """

    async def served(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection), "only Server creates connections"
        if connection.has_pipelined:
            await asyncio.sleep(0)  # noqa: TID251 - a turn, not a pause
        try:
            answer = await serve(request)
        except web.HTTPExpectationFailed:
            answer = refusal(request, EXPECTATION_REFUSED)
        if hdrs.TRANSFER_ENCODING in request.headers and not request.content.is_eof():
            connection.deaf = True
            answer.force_close()
        return answer

    return served


def as_bytes(problem: Problem) -> bytes:
    """Return the response for a connection that is refused before it has sent a request."""
    body = encode(problem.body(""))
    headers = {"Content-Type": "application/json", **problem.headers, "Connection": "close"}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    status = HTTPStatus(problem.status)
    head = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


class Server(web.Server):
    """Creates a Connection for each client."""

    def __init__(self, plain: web.Server, bounds: ConnectionBounds) -> None:
        super().__init__(
            in_turns(plain.request_handler),
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **plain._kwargs,
        )
        self._bounds = bounds

    def pre_shutdown(self) -> None:
        for connection in self.connections:
            assert isinstance(connection, Connection), "only Server creates connections"
            connection.finish()

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, bounds=self._bounds, **self._kwargs)


class Runner(web.AppRunner):
    """Runner of an application whose connections have bounds."""

    def __init__(self, app: web.Application, *, bounds: ConnectionBounds, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._bounds = bounds

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), self._bounds)
