"""Request ids: in the response, in problems and in the log."""

import re
from collections.abc import Sequence
from typing import Final

from aiohttp import web
from multidict import istr

from actors.ports import Random
from config.settings import Network
from web.http.caller import trusts
from web.http.responses import REQUEST_ID
from web.middleware.request_context import Note
from web.process.logging_setup import REQUEST

HEADER: Final = istr("X-Request-ID")
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_ids(random: Random, trusted: Sequence[Network]) -> Note:
    """Keep the id that a trusted proxy gave, if it is harmless; otherwise create one.

    Ids appear in the log and in audit records, so others may not choose them.
    """

    def request_id(request: web.Request) -> None:
        given = request.headers.get(HEADER)
        known = given is not None and trusts(trusted, request.remote or "")
        kept = given if known and given is not None and _GIVEN.fullmatch(given) else None
        request[REQUEST_ID] = name = kept or random.token(8).hex()
        REQUEST.set(name)  # one task serves a connection's requests, one after another

    return request_id
