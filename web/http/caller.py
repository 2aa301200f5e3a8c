"""Who is calling: the client's own address and scheme, through proxies whose word counts."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias

import attrs
from aiohttp import web

from config.sections import Network

Address: TypeAlias = IPv4Address | IPv6Address
FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
SUBNET_BITS: Final = 64  # of an IPv6 address: who has one of them has all that begin alike


@attrs.frozen
class Caller:
    """``address`` is for the log and '' where there is none; what is counted is ``subject``."""

    address: str
    scheme: str

    @property
    def subject(self) -> str:
        return subject_of(self.address)


CALLER: Final = web.RequestKey("caller", Caller)


def caller_of(request: web.BaseRequest, trusted: Sequence[Network]) -> Caller:
    """What the connection says; where that is a proxy of ours, what it says of its client."""
    peer = request.remote or ""
    if not trusted or not trusts(trusted, peer):
        return Caller(peer, request.scheme)
    hops = [hop for line in request.headers.getall(FOR, ()) for hop in line.split(",")]
    schemes = ",".join(request.headers.getall(PROTO, ())).split(",")
    scheme = SCHEMES.get(schemes[-1].strip().lower(), request.scheme)
    return Caller(client_of(peer, hops, trusted), scheme)


def client_of(peer: str, hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """The nearest address that is no proxy of ours: what stands before it anybody may have made up.

    Each proxy adds the address that spoke to it at the end. What is no address ends the search.
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
    """Whether the address is that of a proxy of ours."""
    address = address_of(text)
    return address is not None and any(address in network for network in trusted)


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address | None:
    """An address as proxies write it: in brackets, with a port, IPv4 in the clothes of IPv6."""
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
    """What limits count instead of an address: of IPv6 the network that one customer gets."""
    address = address_of(text)
    if not isinstance(address, IPv6Address):
        return text if address is None else str(address)
    return str(ip_network((int(address), SUBNET_BITS), strict=False))
