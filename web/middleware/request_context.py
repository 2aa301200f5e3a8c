"""What is known of a request at once: noted before all else, in one layer for all of it."""

from collections.abc import Callable
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

Note: TypeAlias = Callable[[web.Request], None]


def notes(*made: Note) -> Middleware:
    """One after the other; none of them answers or waits."""

    @web.middleware
    async def note_all(request: web.Request, handler: Handler) -> web.StreamResponse:
        for note in made:
            note(request)
        return await handler(request)

    return note_all
