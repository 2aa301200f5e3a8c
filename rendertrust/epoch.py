"""Epochs: a log that went back to an older copy says so, in its name and in a leaf of its own.

After the first epoch the log's origin ends with ``/epoch/{number}-{hash}``. The leaf with which an
epoch begins names the log before it, and what a chain had of that: size and root. The hash in the
name is the beginning of that leaf's, so that no two epochs are called alike. All leaves before it
are of the epoch before. ``docs/PROOF.md`` has the lines.
"""

import re
from datetime import UTC, datetime
from typing import Final

import attrs

from rendertrust.merkle import SIZE_MAX, leaf_hash

VERSION: Final = "rendertrust-epoch-v1"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_NAMED: Final = re.compile(r"(?P<base>[^\s+]+)/epoch/(?P<number>[1-9][0-9]{0,8})-[0-9a-f]{8}")
_LEAF: Final = re.compile(
    rf"{VERSION}\n"
    r"epoch (?P<number>[1-9][0-9]{0,8})\n"
    r"time (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n"
    r"origin (?P<origin>[^\s+]{1,255})\n"
    r"chain (?P<chain>[1-9][0-9]{0,18})\n"
    r"contract (?P<contract>0x[0-9a-fA-F]{40})\n"
    r"size (?P<size>0|[1-9][0-9]{0,18})\n"
    r"root (?P<root>[0-9a-f]{64})\n",
    re.ASCII,
)


@attrs.frozen
class EpochLeaf:
    """The beginning of epoch ``number``. ``origin``: of the log before; ``size``, ``root``: its own
    on the chain. ``time``: UTC, whole seconds.
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
        """The leaf's bytes."""
        time = self.time.astimezone(UTC).strftime(_TIME)
        return (
            f"{VERSION}\nepoch {self.number}\ntime {time}\norigin {self.origin}\n"
            f"chain {self.chain_id}\ncontract {self.contract}\nsize {self.size}\n"
            f"root {self.root.hex()}\n"
        ).encode()


def read(text: str) -> EpochLeaf | None:
    """The leaf that is written so; None where it is none. Never raises."""
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
    """The log's name as it was at first, and the number of the epoch."""
    found = _NAMED.fullmatch(origin)
    if found is None or int(found["number"]) < 2:
        return origin, 1
    return found["base"], int(found["number"])


def origin_of(leaf: EpochLeaf) -> str:
    """The log's name in the epoch that begins with this leaf."""
    base, named = split(leaf.origin)[0], leaf_hash(leaf.canonical)[:4].hex()
    return f"{base}/epoch/{leaf.number}-{named}"
