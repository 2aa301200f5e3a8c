"""The public name under which a caller reached the gateway, for presigned URLs."""

import ipaddress
import re
from functools import lru_cache
from typing import Final

from aiohttp import web

from config.settings import Settings
from rendertrust.node_key import authority_of
from web.http.caller import CALLER

PORT_MAX: Final = 65_535
# A name, an IPv4 address, or an IPv6 address in brackets (some clients include its zone); then a
# port.
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"
    r"|\[(?P<six>[0-9A-Fa-f:.]{2,45})(?:%[A-Za-z0-9._~-]{1,32})?\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


@lru_cache(maxsize=64)  # clients repeat their Host
def is_host(text: str) -> bool:
    """Return True if URLs can be built and signed for this Host."""
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
    """Return scheme and host for this caller's presigned URLs; None if the settings name an
    address, or the Host is invalid.

    A URL that was signed for the Host of a request is returned only to that caller.
    """
    if settings.objects.public_url or settings.server.public_url:
        return None
    host = request.headers.get("Host", "")
    return f"{request[CALLER].scheme}://{host}" if is_host(host) else None


def is_reached_as(request: web.Request, settings: Settings, authority: str) -> bool:
    """Return True if ``authority`` (host and port) names this gateway.

    ``authority`` may be the address in the settings. ``authority`` may also be the Host of the
    request. But somebody between node and gateway can choose the Host, so if the settings name an
    address, a public Host is refused.
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
    """Return True if the address is public: not in a private network, and not a name without a
    dot.
    """
    host = authority.rpartition("]")[0].lstrip("[") or authority.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host
