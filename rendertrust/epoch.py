"""Epochs of a log: its sections between restores of older backups.

An admin begins a new epoch after the restore of a backup that lacks leaves of the log. From then on
the log's origin ends with ``/epoch/{number}-{hash}``. The epoch's first leaf names the earlier log,
with the size and root of that log's anchor on a chain. The ``{hash}`` in the origin is the start of
this leaf's hash, so that no two epochs share a name. A farm without a chain has no anchor: the leaf
then has chain 0, and names the newest checkpoint that a gateway kept outside the database. All
leaves before an epoch's first leaf belong to earlier epochs. ``docs/PROOF-FORMATS.md`` describes
the lines.
"""

import re
from datetime import UTC, datetime
from typing import Final

import attrs

from rendertrust.merkle import SIZE_MAX, leaf_hash

VERSION: Final = "rendertrust-epoch-v1"
NO_CHAIN: Final = 0  # the chain in the leaf of a farm without a chain
NOWHERE: Final = "0x" + "0" * 40  # the contract if nothing was anchored before
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_NAMED: Final = re.compile(r"(?P<base>[^\s+]+)/epoch/(?P<number>[1-9][0-9]{0,8})-[0-9a-f]{8}")
_LEAF: Final = re.compile(
    rf"{VERSION}\n"
    r"epoch (?P<number>[1-9][0-9]{0,8})\n"
    r"time (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n"
    r"origin (?P<origin>[^\s+]{1,255})\n"
    r"chain (?P<chain>0|[1-9][0-9]{0,18})\n"
    r"contract (?P<contract>0x[0-9a-fA-F]{40})\n"
    r"size (?P<size>0|[1-9][0-9]{0,18})\n"
    r"root (?P<root>[0-9a-f]{64})\n",
    re.ASCII,
)


@attrs.frozen
class EpochLeaf:
    """First leaf of epoch ``number``.

    ``origin``, ``size`` and ``root`` describe the earlier log at its anchor on the chain; with
    NO_CHAIN, at the newest checkpoint that a gateway kept. ``time``: UTC, whole seconds.
    """

    number: int
    time: datetime
    origin: str
    chain_id: int
    contract: str
    size: int
    root: bytes

    @property
    def canonical(self) -> bytes:
        """Return the leaf's bytes."""
        time = self.time.astimezone(UTC).strftime(_TIME)
        return (
            f"{VERSION}\nepoch {self.number}\ntime {time}\norigin {self.origin}\n"
            f"chain {self.chain_id}\ncontract {self.contract}\nsize {self.size}\n"
            f"root {self.root.hex()}\n"
        ).encode()


def read(text: str) -> EpochLeaf | None:
    """Parse an epoch's leaf; return None for any other text. Never raises."""
    found = _LEAF.fullmatch(text)
    if found is None:
        return None
    try:
        time = datetime.strptime(found["time"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    number, size, chain = (int(found[name]) for name in ("number", "size", "chain"))
    if number < 2 or size > SIZE_MAX:
        return None
    root = bytes.fromhex(found["root"])
    return EpochLeaf(number, time, found["origin"], chain, found["contract"], size, root)


def split(origin: str) -> tuple[str, int]:
    """Return the log's name in its first epoch, and the number of the epoch in ``origin``."""
    found = _NAMED.fullmatch(origin)
    if found is None or int(found["number"]) < 2:
        return origin, 1
    return found["base"], int(found["number"])


def origin_of(leaf: EpochLeaf) -> str:
    """Return the log's origin in the epoch that begins with ``leaf``."""
    base, named = split(leaf.origin)[0], leaf_hash(leaf.canonical)[:4].hex()
    return f"{base}/epoch/{leaf.number}-{named}"
