"""Links between epochs: what shows that a log went on from an older copy, and from what.

A link is the first leaf of an epoch with its place in a tree. It names what a chain had of the log
before; everything before the leaf was kept of that.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from rendertrust import epoch, given, merkle
from rendertrust.checkpoint import Checkpoint
from rendertrust.epoch import EpochLeaf

LINKS_MAX: Final = 1000


@attrs.frozen
class Link:
    """``leaf`` is leaf ``index`` of the tree of ``size`` leaves with this root; it was checked."""

    leaf: EpochLeaf
    index: int
    size: int
    root: bytes


def read_links(document: object) -> tuple[Link, ...] | str:
    """The answer of ``GET /ledger/epochs``; or why it is none, or does not hold."""
    found = given.members(document)
    size, root = given.size(found.get("tree_size")), given.sha256(found.get("merkle_root"))
    listed = found.get("epochs")
    if size is None or root is None or not isinstance(listed, list) or len(listed) > LINKS_MAX:
        return "it is no list of epochs: tree_size, merkle_root and epochs are expected"
    links = [_link(one, size, root) for one in listed]
    wrong = [link for link in links if isinstance(link, str)]
    return wrong[0] if wrong else tuple(link for link in links if isinstance(link, Link))


def _link(document: object, size: int, root: bytes) -> Link | str:
    found = given.members(document)
    text, index = given.text(found.get("leaf")), given.size(found.get("leaf_index"))
    hashes = given.hashes(found.get("proof_hashes"))
    leaf = None if text is None else epoch.read(text)
    if text is None or leaf is None or index is None or hashes is None:
        return "an epoch has a leaf, its place, and a proof"
    if not merkle.verify_inclusion(merkle.leaf_hash(text.encode()), index, size, hashes, root):
        return f"epoch {leaf.number} does not stand in the tree of {size} leaves"
    return Link(leaf, index, size, root)


def names(links: Sequence[Link], older: Checkpoint, newer: Checkpoint) -> Link | None:
    """The link that names ``older`` as what the epoch after it went on from, in ``newer``."""
    link = after(links, older, newer)
    if link is None or (link.leaf.size, link.leaf.root) != (older.size, older.root):
        return None
    return link


def after(links: Sequence[Link], older: Checkpoint, newer: Checkpoint) -> Link | None:
    """The first leaf of the epoch after that of ``older``, in the tree of ``newer``."""
    wanted = (older.origin, epoch.split(older.origin)[1] + 1, newer.size, newer.root)
    for link in links:
        if (link.leaf.origin, link.leaf.number, link.size, link.root) == wanted:
            return link
    return None


def same_log(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether they are of one log, be it of different epochs."""
    return epoch.split(one.origin)[0] == epoch.split(other.origin)[0]


def in_order(one: Checkpoint, other: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
    """The older one first: by epoch, then by size."""
    older, newer = sorted((one, other), key=lambda c: (epoch.split(c.origin)[1], c.size))
    return older, newer
