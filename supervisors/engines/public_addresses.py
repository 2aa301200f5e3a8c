"""Which addresses may be connected to for a stranger: those of the public internet alone."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

# They carry an IPv4 address, which may be anything: 6to4, Teredo, NAT64.
_TRANSLATED: Final = tuple(
    ip_network(text) for text in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")
)


def is_public(text: str) -> bool:
    """Whether an address, as text, is one that anybody on the internet could reach."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATED):
            return False
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved)
