"""Facts about a request that are known at its start: its id and its caller."""

import re
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from actors.ports import Random
from config.settings import Network
from web.http.caller import CALLER, caller_of, trusts
from web.http.responses import HEADER, REQUEST_ID
from web.process.logging_setup import REQUEST

_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_context(random: Random, trusted: Sequence[Network]) -> Middleware:
    """Store the id and the caller of each request, before it is logged and counted."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = name = _id_of(request, random, trusted)
        REQUEST.set(name)  # the value stays until the connection's task serves the next request
        request[CALLER] = caller_of(request, trusted)
        return await handler(request)

    return note


def _id_of(request: web.Request, random: Random, trusted: Sequence[Network]) -> str:
    """Return the id that a trusted proxy gave, if it is harmless; otherwise a new one.

    Ids appear in the log and in audit records, so other clients must not choose them.
    """
    given = request.headers.get(HEADER)
    if given and _GIVEN.fullmatch(given) and trusts(trusted, request.remote or ""):
        return given
    return random.token(8).hex()
