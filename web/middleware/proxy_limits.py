"""Limits the running requests of clients behind a trusted proxy, as connections of others."""

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from config.settings import Network
from web.http.caller import CALLER, caller_of
from web.http.connection import TOO_MANY, Connection
from web.http.connection_limits import SEAT
from web.http.responses import refusal
from web.middleware.request_context import Note


def callers(trusted: Sequence[Network]) -> Note:
    """Note the caller of each request before it is logged and counted."""

    def note(request: web.Request) -> None:
        request[CALLER] = caller_of(request, trusted)

    return note


@web.middleware
async def seats(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A proxy's connection belongs to no client: each of its requests takes a seat of its
    client.
    """
    connection = request.protocol
    assert isinstance(connection, Connection), "the gateway serves over its own connections"
    if connection.seat is not None:
        request[SEAT] = connection.seat
        return await handler(request)
    seat = connection.crowd.seat(request[CALLER].subject)
    if seat is None:
        return refusal(request, TOO_MANY)
    request[SEAT] = seat
    try:
        return await handler(request)
    finally:
        seat.leave()
