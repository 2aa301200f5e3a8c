"""The node's WebSocket to its gateway, which the node opens again after a close.

After close code 4001, the node gets a new token; after more than three refusals in a row, the node
ends. After 4003, the node ends, because another connection of this node took over. After close code
1008, the node waits the longest time, because the node sent too much. After any other code, the
node reconnects with a back-off and jitter.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import aiohttp
import attrs

from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.backoff import delays
from rendertrust.node.enrolment import NodeLogin, another_node
from rendertrust.node.gateway_key import KeyChanged, KeyUnknown
from rendertrust.node.gateway_key_middleware import KeyNotConfirmed
from rendertrust.protocol import (
    FRAME_BYTES_MAX,
    CloseCode,
    FromGateway,
    FromNode,
    Malformed,
    Pong,
    Unknown,
    decode_from_gateway,
    encode,
)

OUTGOING_MAX: Final = 256
SILENCE_SECONDS_MAX: Final = 120.0  # timeout of a silent connection; the gateway pings every 30 s
PONG_SECONDS: Final = 30.0
CONNECT_SECONDS_MAX: Final = 40.0  # timeout of a connect, including the check of the gateway's key
REFUSALS_MAX: Final = 3
FORBIDDEN: Final = 403
STEADY_SECONDS: Final = 10.0  # a connection that lasts this long resets the back-off


@attrs.frozen
class Closed:
    """The end of a connection.

    ``code``: the close code, or an equivalent if the handshake was refused.
    """

    code: int
    reason: str = ""
    lived_seconds: float = 0.0


class Connection:
    """The node's WebSocket, which is opened again after each close.

    ``on_return`` is called before the node connects again, ``on_open`` after each connect, and
    ``on_frame`` for each relay frame.
    """

    def __init__(
        self,
        login: NodeLogin,
        settings: AgentSettings,
        *,
        on_return: Callable[[], Awaitable[None]],
        on_open: Callable[[], None],
        on_frame: Callable[[FromGateway], Awaitable[None]],
        narrate: Callable[[str], None],
    ) -> None:
        self._login = login
        self._settings = settings
        self._on_return = on_return
        self._on_open = on_open
        self._on_frame = on_frame
        self._narrate = narrate
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(OUTGOING_MAX)
        self._refusals = 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._heard_at = float("-inf")
        self.is_open = False
        self.connects = 0

    def send(self, frame: FromNode) -> bool:
        """Queue a relay frame; return False if disconnected or the queue is full.

        A result that must arrive stays in the spool, and the caller sends it again.
        """
        if not self.is_open:
            return False
        try:
            self._outgoing.put_nowait(encode(frame))
        except asyncio.QueueFull:
            return False
        return True

    async def flush(self) -> None:
        """Wait until the queue is written.

        The caller must set a deadline, because the connection may break.
        """
        if self.is_open:
            await self._outgoing.join()

    def hear(self) -> None:
        """Record a sign of life of the gateway, over the socket or by a heartbeat."""
        self._heard_at = asyncio.get_running_loop().time()

    @property
    def silent_seconds(self) -> int | None:
        """Return for how long the gateway has been silent; None up to the limit of the settings."""
        silent = asyncio.get_running_loop().time() - self._heard_at
        is_long = self.is_open and silent > self._settings.silent_seconds
        return int(silent) if is_long else None

    @property
    def is_wanted(self) -> bool:
        """Return True unless the node rests."""
        return self._wanted.is_set()

    async def rest(self) -> None:
        """Disconnect until ``wake``."""
        self._wanted.clear()
        if self._socket is not None:
            await self._socket.close(code=1001, message=b"the node rests")

    def wake(self) -> None:
        """Connect again."""
        self._wanted.set()

    async def run(self) -> str:
        """Stay connected. Return the reason why this node must not reconnect."""
        waits = self._fresh_delays()
        while True:
            await self._wanted.wait()
            token = self._login.enrolment.token
            if self.connects:
                await self._on_return()
            closed = await self._connect_once()
            if isinstance(closed, KeyChanged):
                return closed.reason
            if isinstance(closed, KeyUnknown):
                self._narrate(closed.reason)
                await asyncio.sleep(next(waits))
                continue
            self._narrate(f"connection to {self._login.enrolment.url} {_told(closed)}")
            if closed.code == CloseCode.REPLACED:
                return "another connection of this node took over"
            if closed.code == CloseCode.AUTHENTICATION_FAILED:
                if (refused := await self._renew(token)) is not None:
                    return refused
            elif closed.lived_seconds > STEADY_SECONDS:
                waits, self._refusals = self._fresh_delays(), 0
            wait = next(waits)
            if closed.code == CloseCode.FLOOD:
                wait = self._settings.backoff_seconds_most
            if self.is_wanted:
                await asyncio.sleep(wait)

    def _fresh_delays(self) -> Iterator[float]:
        return delays(self._settings.backoff_seconds_least, self._settings.backoff_seconds_most)

    async def _renew(self, token: str) -> str | None:
        self._refusals += 1
        if self._refusals > REFUSALS_MAX:
            return "the gateway refuses this node's token, although it has just issued it"
        rejected = await self._login.renew(instead_of=token)
        if rejected is None:
            self._narrate("got a new token")
            return None
        if rejected.code is None or rejected.code >= 500 or rejected.code == 429:
            self._refusals -= 1  # an unreachable or busy gateway has not refused the node
            return None
        if rejected.code == FORBIDDEN:
            way = another_node(self._login.enrolment.url)
            return f"the gateway has excluded this node: {rejected.reason}. {way}"
        return f"the gateway refuses this node: {rejected.reason}; run: rendertrust node join"

    async def _connect_once(self) -> Closed | KeyChanged | KeyUnknown:
        """Connect and serve until the socket closes.

        If the gateway's key is not accepted, return why.
        """
        loop = asyncio.get_running_loop()
        enrolment = self._login.enrolment
        url = f"{enrolment.url}/api/v1/relay/ws/{enrolment.node_id}"
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                socket = await self._login.session.ws_connect(
                    url.replace("http", "ws", 1),
                    headers=self._login.headers,
                    max_msg_size=FRAME_BYTES_MAX * 2,
                    compress=0,
                    autoping=False,
                )
        except KeyNotConfirmed as fault:
            return fault.answer
        except aiohttp.WSServerHandshakeError as fault:
            refused = fault.status in (401, 403)
            code = CloseCode.AUTHENTICATION_FAILED if refused else CloseCode.SERVICE_RESTART
            return Closed(code, f"HTTP {fault.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            return Closed(1006, type(fault).__name__)
        started = loop.time()
        async with socket:
            closed = await self._serve(socket)
        return attrs.evolve(closed, lived_seconds=loop.time() - started)

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> Closed:
        self._outgoing = asyncio.Queue(OUTGOING_MAX)
        self.is_open, self._socket = True, socket
        self.hear()
        self.connects += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(socket))
                others = [
                    tasks.create_task(self._write(socket)),
                    tasks.create_task(self._show_life()),
                ]
                self._on_open()
                closed = await reader
                for other in others:
                    other.cancel()
        finally:
            self.is_open, self._socket = False, None
        return closed

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> Closed:
        """Read relay frames and answer pings until the socket closes. Return how it closed."""
        while True:
            try:
                message = await socket.receive(timeout=SILENCE_SECONDS_MAX)
            except TimeoutError:
                return Closed(1006, "the gateway stopped responding")
            self.hear()
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._take(message.data)
            elif message.type is aiohttp.WSMsgType.PING:
                with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                    await socket.pong(message.data)
            elif message.type is aiohttp.WSMsgType.ERROR:
                return Closed(1006, type(message.data).__name__)
            elif message.type is aiohttp.WSMsgType.CLOSE:
                return Closed(int(message.data), str(message.extra or ""))
            elif message.type in (aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
                return Closed(socket.close_code or 1006)

    async def _take(self, text: str) -> None:
        frame = decode_from_gateway(text)
        if isinstance(frame, (Malformed, Unknown)):
            self._narrate(f"ignored a relay frame: {frame}")
            return
        await self._on_frame(frame)

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            while True:
                await socket.send_str(await self._outgoing.get())
                self._outgoing.task_done()

    async def _show_life(self) -> None:
        while True:
            await asyncio.sleep(PONG_SECONDS)
            self.send(Pong())


def _told(closed: Closed) -> str:
    if closed.lived_seconds == 0:
        return f"failed: {closed.reason or closed.code}"
    return f"closed: {closed.code} {closed.reason}".rstrip()
