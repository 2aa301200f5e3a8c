"""The steps around the handler of every request."""

import re
from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from aiohttp_sse import EventSourceResponse

from actors.ports import Clock, Random
from config.settings import Network
from web.http.caller import CALLER, caller_of, trusts
from web.http.connection import SEAT, TOO_MANY, Connection
from web.http.responses import HEADER, REQUEST_ID, refusal
from web.middleware.cross_origin import CrossOrigin
from web.middleware.problem_responses import http_problem, problem_of
from web.middleware.request_head import refusal_of_head
from web.middleware.request_metrics import GONE, METHODS, UNKNOWN, RequestMetrics, route_of
from web.process.logging_setup import REQUEST, access
from web.process.trace_context import HEADER as TRACEPARENT
from web.process.trace_context import TRACE, trace_of

API: Final = "/api/"
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# Responses that last for hours; their time says nothing about speed.
STREAMS: Final = (web.WebSocketResponse, EventSourceResponse)


class RequestPipeline:
    """The only middleware. A request gets an id, a caller and a seat; it is refused or handled; its
    response is counted and logged.

    Exceptions of handlers become responses here. ``lost`` answers browsers that ask for a page at
    an unknown path; other clients get a problem document. The log has the path of a request, but
    not its query and secrets.
    """

    def __init__(
        self,
        clock: Clock,
        random: Random,
        trusted: Sequence[Network],
        *,
        logged: bool,
        lost: Handler,
        cross_origin: CrossOrigin | None = None,
    ) -> None:
        self._clock = clock
        self._random = random
        self._trusted = trusted
        self._logged = logged
        self._lost = lost
        self._cross_origin = cross_origin
        self._metrics = RequestMetrics()

    @web.middleware
    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve a request, with metrics and log around the other steps."""
        begun = self._clock.monotonic()
        request[REQUEST_ID] = name = self._id_of(request)
        # These values stay until the connection's task serves the next request.
        REQUEST.set(name)
        TRACE.set(trace_of(request.headers.getall(TRACEPARENT, ())))
        connection = request.protocol
        assert isinstance(connection, Connection), "the gateway serves over its own connections"
        request[CALLER] = connection.caller or caller_of(request, self._trusted)
        status, timed = GONE, True
        try:
            response = await self._response(request, handler, connection)
            if self._cross_origin is not None:
                self._cross_origin.mark_json(request, response)
            status, timed = response.status, not isinstance(response, STREAMS)
            return response
        finally:
            self._note(request, status, begun, timed=timed)

    def _id_of(self, request: web.Request) -> str:
        """Return the id that a trusted proxy gave, if it is harmless; otherwise a new one.

        Ids appear in the log and in audit records, so other clients must not choose them.
        """
        given = request.headers.get(HEADER)
        if given and _GIVEN.fullmatch(given) and trusts(self._trusted, request.remote or ""):
            return given
        return self._random.token(8).hex()

    async def _response(
        self, request: web.Request, handler: Handler, connection: Connection
    ) -> web.StreamResponse:
        """Refuse or handle the request.

        A trusted proxy's connection belongs to no client and has no seat itself: each of its
        requests takes a seat of the request's client.
        """
        refused = refusal_of_head(request)
        if refused is not None:
            return refusal(request, refused)
        seat = connection.seat or connection.limits.seat(request[CALLER].subject)
        if seat is None:
            return refusal(request, TOO_MANY)
        request[SEAT] = seat
        try:
            cross_origin = self._cross_origin
            allowed = None if cross_origin is None else cross_origin.preflight(request)
            return await handler(request) if allowed is None else allowed
        except web.HTTPException as error:
            if error.status < 400:
                raise
            if error.status == 404 and asks_for_page(request):
                return await self._lost(request)
            return refusal(request, http_problem(error))
        except ConnectionError:
            raise  # the client has gone
        except Exception as error:
            return refusal(request, problem_of(request, error))
        finally:
            if seat is not connection.seat:
                seat.leave()

    def _note(self, request: web.Request, status: int, begun: float, *, timed: bool) -> None:
        """Count the response, and its time if ``timed``; log it."""
        seconds, route = self._clock.monotonic() - begun, route_of(request)
        method = request.method if request.method in METHODS else UNKNOWN
        self._metrics.count(method, route, status)
        if timed:
            self._metrics.time(route, seconds)
        if self._logged:
            name, path, ip = request[REQUEST_ID], request.path, request[CALLER].address
            access(self._clock.now(), name, method, path, status, seconds, ip, TRACE.get())


def asks_for_page(request: web.Request) -> bool:
    """Return True for a browser that goes to an address outside the API."""
    accepts = request.headers.get(hdrs.ACCEPT, "")
    return request.method == "GET" and "text/html" in accepts and not request.path.startswith(API)
