"""Actor of the HTTP listener, which binds the same port again after a restart."""

import errno
import socket
from collections.abc import Callable

import attrs
from aiohttp import web

from actors.kernel import Actor, Message, handles
from config.settings import Server, Settings
from web.http.connection import ConnectionBounds, ConnectionLimits, Runner
from web.process.file_limit import files

FIRST_PORT = 8000
PORTS_TRIED = 200
BACKLOG = 1024
# Bytes that the kernel buffers for a client. Without this limit, a client that reads nothing would
# take megabytes unnoticed.
UNSENT_MAX = 128 * 1024
# A stop waits this long for request bodies, again for responses, and again for cancelled handlers.
SHUTDOWN_SECONDS = 10.0
# After a response to an unread body: how long the client may take to finish sending.
LINGERING_SECONDS = 2.0


class Listener:
    """Marker type for the address of the listener actor."""


@attrs.frozen
class GetUrl(Message[Listener, str]):
    """Request for the URL at which the gateway serves."""


class CannotListen(Exception):
    """The gateway cannot listen at the address; the text says at which and why."""


class PortTaken(CannotListen):
    """The requested port is in use; the text says what to do."""


@attrs.define
class ListenAddress:
    """Host and port; ``port`` is 0 until a free port is found. The chosen port stays the same when
    the listener restarts.
    """

    host: str
    port: int = 0

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class ListenerActor(Actor[Listener]):
    """Serves the application that ``make`` returns.

    Each start of the actor makes a new application, as an application cannot run twice.
    """

    def __init__(
        self, make: Callable[[], web.Application], place: ListenAddress, settings: Settings
    ) -> None:
        self._make = make
        self._place = place
        self._settings = settings
        self._runner: Runner | None = None

    async def started(self) -> None:
        opened = bind(self._place)
        self._runner = make_runner(self._make(), self._settings)
        await self._runner.setup()
        await web.SockSite(self._runner, opened, backlog=BACKLOG).start()

    async def stopped(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @handles(GetUrl)
    async def where(self, message: GetUrl) -> str:
        return self._place.url


def make_runner(site: web.Application, settings: Settings) -> Runner:
    """Return a runner that never decompresses bodies, as no operation accepts compressed ones."""
    return Runner(
        site,
        bounds=bounds_of(settings.server),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=settings.server.keepalive_seconds,
        lingering_time=LINGERING_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )


def bounds_of(server: Server) -> ConnectionBounds:
    """Return the connection limits from the settings and the operating system."""
    return ConnectionBounds(
        header_seconds=server.header_seconds,
        write_seconds=server.write_seconds,
        limits=ConnectionLimits(server, files()),
        proxies=server.proxies(),
    )


def bind(place: ListenAddress) -> socket.socket:
    """Return a listening socket; without a port, on the first free port from 8000 on."""
    if place.port:
        return _bound(place.host, place.port)
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        try:
            opened = _bound(place.host, port)
        except PortTaken:
            continue
        place.port = port
        return opened
    raise PortTaken(f"No port from {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1} is free")


def _hold_little(opened: socket.socket) -> None:
    """Limit the send buffer; accepted sockets inherit this."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # some systems lack this option
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_MAX)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Not SO_REUSEPORT: two gateways on one port would each get half of the requests.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _hold_little(opened)
        opened.bind((host, port))
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} on {host} is in use; choose another with --port"
            ) from error
        reason = f"Cannot listen on {host} port {port}: {error.strerror}"
        option = "--port" if error.errno == errno.EACCES else "--host"
        raise CannotListen(f"{reason}; choose another with {option}") from error
    opened.setblocking(False)
    return opened
