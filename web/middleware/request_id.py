"""A name for each request: in the answer, in problems and in the log."""

import re
from typing import Final

from aiohttp import web
from multidict import istr

from actors.ports import Random
from web.http.answers import REQUEST_ID
from web.middleware.notes import Note
from web.process.logs import REQUEST

HEADER: Final = istr("X-Request-ID")
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_ids(random: Random) -> Note:
    """Keep the name that a proxy gave, if it is harmless, else make one."""

    def request_id(request: web.Request) -> None:
        given = request.headers.get(HEADER)
        kept = given if given is not None and _GIVEN.fullmatch(given) else None
        request[REQUEST_ID] = name = kept or random.token(8).hex()
        REQUEST.set(name)  # one task serves a connection's requests, one after another

    return request_id
