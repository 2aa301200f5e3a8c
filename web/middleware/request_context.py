"""Notes the facts known about a request at its start, in one layer for all of them."""

from collections.abc import Callable
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

Note: TypeAlias = Callable[[web.Request], None]


def notes(*made: Note) -> Middleware:
    """Call the notes in order; none of them answers or waits."""

    @web.middleware
    async def note_all(request: web.Request, handler: Handler) -> web.StreamResponse:
        for note in made:
            note(request)
        return await handler(request)

    return note_all
