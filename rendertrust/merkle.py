"""The Merkle tree of RFC 9162, section 2: roots, proofs, and their verification.

Leaves are bytes. Hashes are SHA-256 and have 32 bytes. The ``verify`` functions take untrusted
input: they return True or False and never raise.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

HASH_BYTES: Final = 32
SIZE_MAX: Final = 2**63 - 1

# Leaves from ``start`` up to ``end``, without ``end``.
Range: TypeAlias = tuple[int, int]


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 ‖ leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the tree's hash, MTH (§2.1.1); without leaves, SHA-256 of the empty string."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    return frontier.root()


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Return True if ``proof`` shows that leaf ``index`` is in the tree ``root`` (§2.1.3.2)."""
    if not (_sizes(index, size) and index < size and _hashes([leaf_hash, root], proof)):
        return False
    at, last, found = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            at, last = _up_to_right_child(at, last)
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    m: int, n: int, proof: Sequence[bytes], root_m: bytes, root_n: bytes
) -> bool:
    """Return True if ``proof`` shows that the tree ``root_n`` begins with ``root_m`` (§2.1.4.2)."""
    if not (_sizes(m, n) and 0 < m <= n and _hashes([root_m, root_n], proof)):
        return False
    if m == n:
        return not proof and root_m == root_n
    # If True, the smaller tree is a subtree of the larger one, and its root begins the path.
    whole = m & (m - 1) == 0
    path = [root_m, *proof] if whole else list(proof)
    return bool(path) and _leads_to_both(path, m, n, root_m, root_n)


def _leads_to_both(path: Sequence[bytes], m: int, n: int, root_m: bytes, root_n: bytes) -> bool:
    at, last = m - 1, n - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            at, last = _up_to_right_child(at, last)
        else:
            newer = node_hash(newer, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and older == root_m and newer == root_n


def _up_to_right_child(at: int, last: int) -> tuple[int, int]:
    """Climb from a tree node without sibling, at the right edge, up to the next right child."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


# ── subtrees of a proof ──────────────────────────────────────────────────────────────────────────


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the subtrees whose hashes make up the inclusion proof, from the leaf up.

    A sibling whose range begins after ``index`` is a right sibling. Raises ValueError if there is
    no leaf ``index``.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size} leaves")
    siblings: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return siblings[::-1]


def consistency_ranges(m: int, n: int) -> list[Range]:
    """Return the subtrees of the consistency proof. Raises ValueError unless ``0 < m <= n``."""
    if not 0 < m <= n:
        raise ValueError(f"a tree of {n} leaves does not begin with a tree of {m}")
    siblings: list[Range] = []
    start, end = 0, n
    while m != end:
        middle = start + split(end - start)
        if m <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    if start:  # otherwise the old tree is one subtree, whose hash the verifier has
        siblings.append((start, end))
    return siblings[::-1]


def split(size: int) -> int:
    """Return the number of leaves in the left subtree: the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def whole_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (level, index) of the complete subtrees that make up a range of leaves, left to right.

    A subtree has 2**level leaves. A subtree must begin at ``start``, as in the ranges of proofs.
    """
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of adjacent complete subtrees, the largest on the left."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found)
    return found


class Frontier:
    """An append-only tree, stored as a hash for each bit 1 of the tree's size.

    To continue a tree, pass its ``size`` and the ``hashes`` of its complete subtrees, the largest
    first. Raises ValueError if the number of hashes does not match ``size``.
    """

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count() or not _hashes(hashes, ()):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} whole subtrees")
        self.size = size
        self._hashes = list(hashes)

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Return the hashes of the complete subtrees, the largest first."""
        return tuple(self._hashes)

    def append(self, leaf_hash: bytes) -> None:
        """Add a leaf."""
        found, before = leaf_hash, self.size
        while before & 1:
            found = node_hash(self._hashes.pop(), found)
            before >>= 1
        self._hashes.append(found)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        return fold(self._hashes)


# ── untrusted input ──────────────────────────────────────────────────────────────────────────────


def _sizes(*numbers: object) -> bool:
    return all(type(number) is int and 0 <= number <= SIZE_MAX for number in numbers)


def _hashes(known: Sequence[object], proof: object) -> bool:
    if not isinstance(proof, list | tuple):
        return False
    found: list[object] = [*known, *proof]
    return all(isinstance(part, bytes) and len(part) == HASH_BYTES for part in found)
