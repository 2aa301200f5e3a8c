"""Links between two checkpoints, an older and a newer checkpoint of a log.

A consistency proof shows that the newer checkpoint's leaves begin with the older checkpoint's
leaves. After a restore of an older backup there is no such proof, and the first leaf of the new
epoch takes its place. This leaf names the size and root of the earlier log on the chain. All leaves
before the epoch's first leaf were kept from the earlier log.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from rendertrust import epoch, json_values, merkle
from rendertrust.checkpoint import Checkpoint
from rendertrust.epoch import EpochLeaf

LINKS_MAX: Final = 1000


@attrs.frozen
class LeafLink:
    """An epoch's first leaf, proved to be leaf ``index`` of ``size`` in the tree with this root."""

    leaf: EpochLeaf
    index: int
    size: int
    root: bytes


@attrs.frozen
class ConsistencyProof:
    """Proof that the tree of ``n`` leaves begins with the tree of ``m`` leaves."""

    m: int
    n: int
    root_m: bytes
    root_n: bytes
    proof: tuple[bytes, ...]

    @property
    def holds(self) -> bool:
        """Return True if the proof is valid."""
        return merkle.verify_consistency(self.m, self.n, self.proof, self.root_m, self.root_n)


@attrs.frozen
class ConsistencyResult:
    """Outcome of comparing two checkpoints; ``holds`` is None if the outcome is unknown."""

    holds: bool | None
    said: str


def linked(
    older: Checkpoint,
    newer: Checkpoint,
    shown: Sequence[ConsistencyProof],
    epochs: Sequence[LeafLink],
) -> ConsistencyResult:
    """Return whether ``newer`` continues ``older``, with the evidence or with what to fetch."""
    if (older.origin, older.size) == (newer.origin, newer.size):
        if older.root == newer.root:
            return ConsistencyResult(True, "the same checkpoint")
        return ConsistencyResult(False, "another root at this size: the log was forked")
    if older.size == 0:
        return ConsistencyResult(True, "the older checkpoint has no leaves")
    link = names(epochs, older, newer)
    if link is not None:
        said = f"epoch {link.leaf.number} names the older checkpoint"
        return ConsistencyResult(True, f"{said}; {link.index} of its leaves were kept")
    wanted = (older.size, newer.size, older.root, newer.root)
    for one in shown:
        if (one.m, one.n, one.root_m, one.root_n) == wanted:
            said = f"{older.size} leaves are the beginning of {newer.size}"
            return ConsistencyResult(one.holds, said if one.holds else f"invalid proof that {said}")
    return ConsistencyResult(None, _unlinked(older, newer))


def _unlinked(older: Checkpoint, newer: Checkpoint) -> str:
    """Return what to fetch to link the two checkpoints."""
    between = f"/api/v1/ledger/consistency?from={older.size}&to={newer.size}"
    if older.origin == newer.origin:
        return f"no proof links the checkpoints: get {between} and give it as one more FILE"
    begun = f"the log was restored from a backup, and {newer.origin} began"
    got = f"get /api/v1/ledger/epochs?size={newer.size}"
    got += f", or {between}," if older.size <= newer.size else ""
    return f"{begun}; no proof links the checkpoints: {got} and give it as one more FILE"


def read_links(document: object) -> tuple[LeafLink, ...] | str:
    """Read a response of ``GET /ledger/epochs``; a string says why the response is invalid."""
    found = json_values.members(document)
    size = json_values.size(found.get("tree_size"))
    root = json_values.sha256(found.get("merkle_root"))
    listed = found.get("epochs")
    if size is None or root is None or not isinstance(listed, list) or len(listed) > LINKS_MAX:
        return "it is not a list of epochs: tree_size, merkle_root and epochs are expected"
    links = [_link(one, size, root) for one in listed]
    wrong = [link for link in links if isinstance(link, str)]
    return wrong[0] if wrong else tuple(link for link in links if isinstance(link, LeafLink))


def _link(document: object, size: int, root: bytes) -> LeafLink | str:
    found = json_values.members(document)
    text, index = json_values.text(found.get("leaf")), json_values.size(found.get("leaf_index"))
    hashes = json_values.hashes(found.get("proof_hashes"))
    leaf = None if text is None else epoch.read(text)
    if text is None or leaf is None or index is None or hashes is None:
        return "an epoch must have a leaf, its leaf_index and proof_hashes"
    if not merkle.verify_inclusion(merkle.leaf_hash(text.encode()), index, size, hashes, root):
        return f"epoch {leaf.number} is not in the tree of {size} leaves"
    return LeafLink(leaf, index, size, root)


def names(links: Sequence[LeafLink], older: Checkpoint, newer: Checkpoint) -> LeafLink | None:
    """Return the first leaf of the next epoch if it names exactly ``older`` as the earlier log."""
    link = after(links, older, newer)
    if link is None or (link.leaf.size, link.leaf.root) != (older.size, older.root):
        return None
    return link


def after(links: Sequence[LeafLink], older: Checkpoint, newer: Checkpoint) -> LeafLink | None:
    """Return the first leaf of the epoch after that of ``older``, in the tree of ``newer``."""
    wanted = (older.origin, epoch.split(older.origin)[1] + 1, newer.size, newer.root)
    for link in links:
        if (link.leaf.origin, link.leaf.number, link.size, link.root) == wanted:
            return link
    return None


def same_log(one: Checkpoint, other: Checkpoint) -> bool:
    """Return True if both checkpoints belong to one log, perhaps in different epochs."""
    return epoch.split(one.origin)[0] == epoch.split(other.origin)[0]


def in_order(one: Checkpoint, other: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
    """Return the two checkpoints in order of epoch, then of size."""
    older, newer = sorted((one, other), key=lambda c: (epoch.split(c.origin)[1], c.size))
    return older, newer


def read_shown(document: object) -> ConsistencyProof | str:
    """Read a response of ``GET /ledger/consistency``; a string says why the response is invalid."""
    found = json_values.members(document)
    sizes = [json_values.size(found.get(name)) for name in ("from_size", "to_size")]
    roots = [json_values.sha256(found.get(name)) for name in ("from_root", "to_root")]
    proof = json_values.hashes(found.get("proof_hashes"))
    if None in sizes or None in roots or proof is None:
        return "it is not a consistency proof: sizes, roots and hashes are expected"
    m, n = (size or 0 for size in sizes)
    root_m, root_n = (root or b"" for root in roots)
    return ConsistencyProof(m, n, root_m, root_n, proof)
