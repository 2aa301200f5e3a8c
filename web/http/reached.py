"""Under which name a caller reached us: there he finds the object store, too."""

import re
from typing import Final

from aiohttp import web

from config.settings import Settings
from web.http.caller import CALLER

# A name, an IPv4 address or an IPv6 address in brackets, and a port.
HOST: Final = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)


def reached_at(request: web.Request, settings: Settings) -> str | None:
    """Scheme and host for this caller's presigned URLs; None where the settings name them.

    Only the caller himself gets what is signed for the Host that he sent.
    """
    if settings.objects.public_url or settings.server.public_url:
        return None
    host = request.headers.get("Host", "")
    return f"{request[CALLER].scheme}://{host}" if HOST.fullmatch(host) else None
