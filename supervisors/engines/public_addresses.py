"""Decide which addresses webhooks may connect to: those of the public internet alone."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Final

# Global unicast (RFC 4291): nothing else is routed. Site-local fec0::/10, IPv4-compatible
# ::/96 and NAT64's 64:ff9b::/96 lie outside.
_UNICAST: Final = IPv6Network("2000::/3")
# Special ranges within it, and in IPv4, that Python calls global or that vary by version.
_SPECIAL_6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocols such as Teredo, which contains an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which contains an IPv4 address
        "3fff::/20",  # documentation
    )
)
_SPECIAL_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "192.0.0.0/24",  # protocols of the IETF
        "192.88.99.0/24",  # relays of 6to4
    )
)


def is_public(text: str) -> bool:
    """Return True if the address, as text, is reachable from the public internet."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_4(address)
    if address.ipv4_mapped is not None:
        return _is_public_4(address.ipv4_mapped)
    special = any(address in network for network in _SPECIAL_6)
    return address in _UNICAST and address.is_global and not special


def _is_public_4(address: IPv4Address) -> bool:
    special = address.is_multicast or address.is_reserved
    return address.is_global and not (special or any(address in each for each in _SPECIAL_4))
