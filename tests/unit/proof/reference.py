"""Reference implementation of RFC 9162, section 2.1: slow, literal, and without our code."""

import functools
from hashlib import sha256
from typing import TypeAlias

Leaves: TypeAlias = tuple[bytes, ...]


def half(n: int) -> int:
    """Return the largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


@functools.cache
def mth(d: Leaves) -> bytes:
    """Return the Merkle tree hash (section 2.1.1)."""
    if not d:
        return sha256().digest()
    if len(d) == 1:
        return sha256(b"\x00" + d[0]).digest()
    k = half(len(d))
    return sha256(b"\x01" + mth(d[:k]) + mth(d[k:])).digest()


def path(m: int, d: Leaves) -> list[bytes]:
    """Return the inclusion proof (section 2.1.3.1)."""
    if len(d) == 1:
        return []
    k = half(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def proof(m: int, d: Leaves) -> list[bytes]:
    """Return the consistency proof (section 2.1.4.1)."""
    return subproof(m, d, b=True)


def subproof(m: int, d: Leaves, *, b: bool) -> list[bytes]:
    if m == len(d):
        return [] if b else [mth(d)]
    k = half(len(d))
    if m <= k:
        return [*subproof(m, d[:k], b=b), mth(d[k:])]
    return [*subproof(m - k, d[k:], b=False), mth(d[:k])]
