"""The caller of a request: the client's address and scheme, even behind trusted proxies."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias

import attrs
from aiohttp import web

from config.settings import Network

Address: TypeAlias = IPv4Address | IPv6Address
FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
SUBNET_BITS: Final = 64  # of an IPv6 address, as one customer usually has the whole network


@attrs.frozen
class Caller:
    """The client of a request.

    ``address`` is for the log ('' if unknown); limits count by ``subject``.
    """

    address: str
    scheme: str

    @property
    def subject(self) -> str:
        return subject_of(self.address)


CALLER: Final = web.RequestKey("caller", Caller)


def caller_of(request: web.BaseRequest, trusted: Sequence[Network]) -> Caller:
    """Return the peer of the connection; if the peer is a trusted proxy, the client that the proxy
    reports.
    """
    peer = request.remote or ""
    if not trusted or not trusts(trusted, peer):
        return Caller(peer, request.scheme)
    hops = [hop for line in request.headers.getall(FOR, ()) for hop in line.split(",")]
    schemes = ",".join(request.headers.getall(PROTO, ())).split(",")
    scheme = SCHEMES.get(schemes[-1].strip().lower(), request.scheme)
    return Caller(client_of(peer, hops, trusted), scheme)


def client_of(peer: str, hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the nearest address that is not a trusted proxy: addresses before it may be forged.

    Each proxy appends the address of its peer. The search ends at a malformed address.
    """
    client = peer
    for hop in reversed(hops):
        address = address_of(hop)
        if address is None:
            break
        client = str(address)
        if not trusts(trusted, client):
            break
    return client


def trusts(trusted: Sequence[Network], text: str) -> bool:
    """Return whether the address belongs to a trusted proxy."""
    address = address_of(text)
    return address is not None and any(address in network for network in trusted)


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address | None:
    """Parse an address as proxies write it: in brackets, with a port, or as IPv4-mapped IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def subject_of(text: str) -> str:
    """Return the subject by which limits count: the address or, for IPv6, the customer's
    network.
    """
    address = address_of(text)
    if not isinstance(address, IPv6Address):
        return text if address is None else str(address)
    return str(ip_network((int(address), SUBNET_BITS), strict=False))
