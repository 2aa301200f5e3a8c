"""A TCP proxy that injects the faults of networks and machines into connections.

    async with Proxy(of_postgres(dsn)) as proxy:
        database = Database(lambda: postgres_by(proxy, dsn))
        lost = proxy.swallow(COMMIT)  # it is executed, but its answer is lost
        ...
        assert lost.sprung == 1

Data passes unchanged, whatever the protocol. A silent connection holds data back, as TCP does, and
passes it on when the silence is over.
"""

import asyncio
import random
import socket

from tests.faults.line import CHUNK, Direction, Line, reset
from tests.faults.place import Ends, Place
from tests.faults.trap import Kind, Trap
from tests.support.free_ports import held_port

DRIP_SECONDS = 0.02


class Proxy:
    """A proxy that listens at the local ``port`` until the block ends.

    ``delay`` is the delay of each piece of data in either direction, in seconds; up to ``jitter``
    more is random. ``pace`` limits the bytes per second; 0 means no limit. With ``resets``, every
    connection is reset as soon as its client sends anything.
    """

    def __init__(self, behind: Place, *, seed: int = 0) -> None:
        self._behind = behind
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._held: socket.socket | None = None  # keeps the port while nobody listens
        self._lines: set[Line] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._silent = False
        self._traps: list[Trap] = []
        self.port = 0
        self.made = 0  # connections since the start
        self.delay, self.jitter = 0.0, 0.0
        self.pace = 0
        self.resets = False

    async def __aenter__(self) -> "Proxy":
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()
        if self._held is not None:
            self._held.close()

    async def up(self) -> None:
        """Listen again, at the same port."""
        if self._held is None:
            self._held = held_port()
            self.port = self._held.getsockname()[1]
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self.port, reuse_port=True
            )

    async def down(self) -> None:
        """Cut all connections and refuse new ones."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)
        await server.wait_closed()

    def break_off(self) -> None:
        """Reset every open connection; new ones work."""
        for line in list(self._lines):
            line.reset()

    def hush(self) -> None:
        """Hold all data back; connections can still be made."""
        self._silent = True
        for line in self._lines:
            line.passing.clear()

    def speak(self) -> None:
        """Pass data on again, including what was held back."""
        self._silent = False
        for line in self._lines:
            if not line.stranded:
                line.passing.set()

    def cut(self, text: bytes = b"", *, after: int = 0, back: bool = False, times: int = 1) -> Trap:
        """Reset a connection before this text gets through, or ``after`` so many more bytes.

        With ``back``, text and bytes are those that the server sends, otherwise the client's.
        """
        return self._set(Trap(Kind.CUT, text, after, back, times))

    def strand(
        self, text: bytes = b"", *, after: int = 0, back: bool = False, times: int = 1
    ) -> Trap:
        """Make a connection silent at the point that ``cut`` describes; neither side is told."""
        return self._set(Trap(Kind.STRAND, text, after, back, times))

    def swallow(self, text: bytes, *, answer: bytes = b"", times: int = 1) -> Trap:
        """Let requests with this text through, and reset the connection instead of answering."""
        return self._set(Trap(Kind.SWALLOW, text, times=times, answer=answer))

    def watch(self, text: bytes, *, back: bool = False) -> Trap:
        """Count the occurrences of a text without interfering."""
        return self._set(Trap(Kind.WATCH, text, back=back, times=-1))

    def passed(self, text: bytes) -> bool:
        """Return whether, on any connection, the data sent to the server ends with this text."""
        return any(line.forth.tail.endswith(text) for line in self._lines)

    def deliver(self) -> None:
        """Deliver what stranded connections have held back."""
        for line in self._lines:
            line.stranded = False
        self.speak()

    def mend(self) -> None:
        """Remove all faults; a proxy that is down must also be started with ``up``."""
        self.delay, self.jitter, self.pace, self.resets = 0.0, 0.0, 0, False
        self._traps.clear()
        self.speak()

    def _set(self, trap: Trap) -> Trap:
        assert trap.text or trap.after, "a trap needs a text or a number of bytes"
        trap.set_at(self._lines)
        self._traps.append(trap)
        return trap

    # -- connections

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve((reader, writer)))
        self._serving.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._serving.discard(task)
            # needed here, as a task may be cancelled before its first step
            writer.transport.abort()

        task.add_done_callback(ended)

    async def _serve(self, client: Ends) -> None:
        try:
            server = await self._behind.open()
        except OSError:
            reset(client[1])
            return
        self.made += 1
        line = Line(client[1], server[1])
        self._lines.add(line)
        if not self._silent:
            line.passing.set()
        forth = asyncio.create_task(self._pass_on(line, line.forth, client[0], server[1]))
        back = asyncio.create_task(self._pass_on(line, line.back, server[0], client[1]))
        try:
            await asyncio.wait((forth, back))
        finally:
            self._lines.discard(line)
            forth.cancel()
            back.cancel()
            line.server.transport.abort()
            await asyncio.wait((forth, back))

    async def _pass_on(
        self, line: Line, way: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Forward all data in one direction, and the end of the stream."""
        try:
            while data := await reader.read(CHUNK):
                await self._piece(line, way, data, writer)
            await line.passing.wait()
            writer.write_eof()
        except OSError:
            await line.passing.wait()
            line.reset()

    async def _piece(
        self, line: Line, way: Direction, data: bytes, writer: asyncio.StreamWriter
    ) -> None:
        lost = line.swallowing is not None and line.swallowing.swallows(way, data)
        if lost or (self.resets and not way.back):
            line.reset()
            return
        trap = self._caught(line, way, data)
        through = len(data) if trap is None else trap.through(way, data)
        if trap is not None and trap.kind is Kind.SWALLOW:
            trap.spring(line)  # set first, so that no answer can be faster
            trap = None
        await self._send(line, way, data[:through], writer)
        if trap is not None:
            trap.spring(line)
            await self._send(line, way, data[through:], writer)

    def _caught(self, line: Line, way: Direction, data: bytes) -> Trap | None:
        """Return the first trap that this piece springs; traps that only watch count it."""
        first: Trap | None = None
        for trap in self._traps:
            if (first is None or trap.kind is Kind.WATCH) and trap.catches(way, data):
                if trap.kind is Kind.WATCH:
                    trap.spring(line)
                else:
                    first = trap
        return first

    async def _send(
        self, line: Line, way: Direction, data: bytes, writer: asyncio.StreamWriter
    ) -> None:
        if data:
            await self._on_its_way(line)
            await self._write(writer, data)
            way.went_by(data)

    async def _on_its_way(self, line: Line) -> None:
        if self.delay or self.jitter:
            await asyncio.sleep(self.delay + self._random.uniform(0.0, self.jitter))
        await line.passing.wait()

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        step = max(int(self.pace * DRIP_SECONDS), 1) if self.pace else CHUNK
        for first in range(0, len(data), step):
            writer.write(data[first : first + step])
            await writer.drain()
            if self.pace:
                await asyncio.sleep(DRIP_SECONDS)
