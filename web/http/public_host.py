"""Under which name a caller reached us: there he finds the object store, too."""

import ipaddress
import re
from typing import Final

from aiohttp import web

from config.settings import Settings
from rendertrust.identity import authority_of
from web.http.caller import CALLER

PORT_MAX: Final = 65_535
# A name, an IPv4 address or an IPv6 address in brackets (with the zone that some clients leave in
# it), and a port.
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"
    r"|\[(?P<six>[0-9A-Fa-f:.]{2,45})(?:%[A-Za-z0-9._~-]{1,32})?\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


def is_host(text: str) -> bool:
    """Return whether a URL can be built on this Host, and signed for it."""
    found = _HOST.fullmatch(text)
    if found is None:
        return False
    six, port = found["six"], found["port"]
    if port is not None and not 1 <= int(port) <= PORT_MAX:
        return False
    try:
        return six is None or ipaddress.ip_address(six).version == 6
    except ValueError:
        return False


def reached_at(request: web.Request, settings: Settings) -> str | None:
    """Scheme and host for this caller's presigned URLs; None where the settings name them.

    Only the caller himself gets what is signed for the Host that he sent.
    """
    if settings.objects.public_url or settings.server.public_url:
        return None
    host = request.headers.get("Host", "")
    return f"{request[CALLER].scheme}://{host}" if is_host(host) else None


def is_reached_as(request: web.Request, settings: Settings, authority: str) -> bool:
    """Whether ``authority`` (host and port) is this gateway, and not one that passes on what was
    said to it.

    Who passes it on chooses the Host. So where settings name the address that is the one; within a
    network of our own there are others, and a name that the world can resolve is none of them.
    """
    public = settings.server.public_url
    if public and authority == authority_of(public):
        return True
    host = request.headers.get("Host", "")
    if not is_host(host):
        return False
    reached = {authority_of(f"{scheme}://{host}") for scheme in ("http", "https")}
    return authority in reached and not (public and is_of_the_world(authority))


def is_of_the_world(authority: str) -> bool:
    """Whether anybody may be found under it: no address of a network of one's own, nor a name
    without a dot.
    """
    host = authority.rpartition("]")[0].lstrip("[") or authority.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host
