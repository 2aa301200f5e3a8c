"""One connection: a deadline for its headers, and answers in JSON to what is not HTTP."""

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from web.answers import refusal
from web.problem import Problem

log = logging.getLogger("web.connection")
NOT_HTTP = Problem(400, "The request is not valid HTTP", headers={"Connection": "close"})


class Connection(RequestHandler):
    """Closed when request line and headers take longer than ``header_seconds``.

    A body has a deadline of its own where it is read.
    """

    __slots__ = ("_header_deadline", "_header_seconds", "_leaving")

    def __init__(self, manager: web.Server, *, header_seconds: float, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._header_seconds = header_seconds
        self._header_deadline: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._current_request is not None or self._upgraded:
            self._disarm()
        else:
            self._arm()
        self._leave()

    def finish(self) -> None:
        """At a stop: take no further request, but the rest of one whose body is still coming.

        A connection that is told to close reads no more, and that request would wait in vain.
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
        """So many seconds for a body, for the answer, and for a handler that was cancelled."""
        if self._leaving is not None:
            await asyncio.wait((self._leaving,), timeout=timeout)
        await super().shutdown(timeout)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()
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
        """What went wrong outside our handlers. The message may quote the URL: it is not told."""
        if status >= 500:
            log.error("error handling a request", exc_info=exc)
            return refusal(request, Problem(500, "Internal server error"))
        return refusal(request, NOT_HTTP)

    def _arm(self) -> None:
        if self._header_deadline is None:
            loop = asyncio.get_running_loop()
            self._header_deadline = loop.call_later(self._header_seconds, self._late)

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


class Server(web.Server):
    """Makes a Connection for each client."""

    def __init__(self, plain: web.Server, header_seconds: float) -> None:
        super().__init__(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **plain._kwargs,
        )
        self._header_seconds = header_seconds

    def pre_shutdown(self) -> None:
        for connection in self.connections:
            assert isinstance(connection, Connection), "it was made here"
            connection.finish()

    def __call__(self) -> Connection:
        return Connection(
            self, loop=self._loop, header_seconds=self._header_seconds, **self._kwargs
        )


class Runner(web.AppRunner):
    """Serves an application over such connections."""

    def __init__(self, app: web.Application, *, header_seconds: float, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._header_seconds = header_seconds

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), self._header_seconds)
