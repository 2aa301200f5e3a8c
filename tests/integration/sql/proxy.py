"""A TCP proxy before PostgreSQL that can break connections, or lose one answer to COMMIT."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

COMMIT = b"COMMIT;\x00"


class Proxy:
    """``dsn`` reaches the database through it. What is said is passed on as it is."""

    def __init__(self, behind: str) -> None:
        self._behind = urlsplit(behind)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.dsn = ""
        self.swallow_commit = False  # pass the next COMMIT on, then break off before its answer
        self.silent = False  # pass nothing on
        self.commits_swallowed = 0

    async def __aenter__(self) -> "Proxy":
        await self.listen(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        port = self._server.sockets[0].getsockname()[1]
        login = self._behind.netloc.rpartition("@")[0]
        place = self._behind._replace(netloc=f"{login}@127.0.0.1:{port}", query="sslmode=disable")
        self.dsn = urlunsplit(place)

    async def close(self) -> None:
        """Nobody is there any more."""
        assert self._server is not None
        self._server.close()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)
        await self._server.wait_closed()

    async def reopen(self) -> None:
        await self.listen(urlsplit(self.dsn).port or 0)

    def break_off(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            back_reader, back_writer = await self._connect()
            ends.add(back_writer)
            self._writers |= ends
            forth = asyncio.create_task(self._pass_on(reader, back_writer, forth=True))
            try:
                await self._pass_on(back_reader, writer, forth=False)
            finally:
                forth.cancel()
                await asyncio.wait((forth,))
        finally:
            for end in ends:
                end.transport.abort()
            self._writers -= ends

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = parse_qs(self._behind.query)
        if "host" in query:
            folder, port = query["host"][0], query["port"][0]
            return await asyncio.open_unix_connection(Path(folder) / f".s.PGSQL.{port}")
        return await asyncio.open_connection(self._behind.hostname, self._behind.port)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, forth: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if self.silent:
                    continue
                if not forth and self.swallow_commit and self.commits_swallowed:
                    # The server has answered, so it has committed.
                    self.swallow_commit = False
                    self.break_off()
                    return
                if forth and self.swallow_commit and COMMIT in data:
                    self.commits_swallowed += 1
                writer.write(data)
                await writer.drain()
        except (ConnectionError, OSError):
            return
