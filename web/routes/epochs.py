"""Epochs of the log; each continues the log from a backup of the database; public."""

from typing import Annotated, Literal

import attrs
from msgspec import Meta

from rendertrust.merkle import SIZE_MAX, inclusion_ranges, leaf_hash
from sql.epochs import EpochRow, read_epochs
from web.gateway import Gateway
from web.http.operations import Audience, Call, Operations
from web.http.problem import Fault, Problem, invalid
from web.http.responses import from_row
from web.openapi.examples import log as examples
from web.routes.ledger import NO_LOG, Hash

operations = Operations()


@attrs.frozen
class InTree:
    """Query. ``size``: the size of the tree that has the epochs' leaves (default: the newest
    checkpoint's).
    """

    size: Annotated[int, Meta(ge=1, le=SIZE_MAX)] | None = None


@attrs.frozen
class Epoch:
    """An epoch after the first: the log continued from a backup.

    ``leaf`` is the first leaf of the epoch: a text that names the previous log, and the part of
    that log that a chain had. All leaves before ``leaf_index`` were kept. The proof has the form of
    an entry's proof.
    """

    number: int
    origin: str
    leaf: str
    leaf_hash: Hash
    leaf_index: int
    proof_hashes: list[Hash]
    directions: list[Literal["left", "right"]]


@attrs.frozen
class EpochList:
    """The epochs that had begun in the tree of ``tree_size`` leaves, in order."""

    epochs: list[Epoch]
    tree_size: int
    merkle_root: Hash


@operations.get(
    "/api/v1/ledger/epochs",
    audience=Audience.PUBLIC,
    rate="probe",
    example=examples.EPOCHS,
)
async def epochs(call: Call[None, InTree]) -> EpochList | Problem:
    """List when the log continued from a backup, with proofs; public.

    The list is empty if no leaves of the log were ever lost.
    """
    gateway = call.gateway
    signed = await gateway.tables.proofs.newest()
    if signed is None:
        return NO_LOG
    size = call.query.size or signed.size
    if size > signed.size:
        told = f"is {size}; the newest checkpoint has {signed.size} leaves"
        return invalid([Fault("size", "value", told)])
    rows = [row for row in await read_epochs(gateway.database) if row.leaf_index < size]
    root = await gateway.tables.proofs.root(size)
    return EpochList([await _shown(gateway, row, size) for row in rows], size, root.hex())


async def _shown(gateway: Gateway, row: EpochRow, size: int) -> Epoch:
    hashes = await gateway.tables.proofs.inclusion(row.leaf_index, size)
    ranges = inclusion_ranges(row.leaf_index, size)
    return from_row(
        Epoch,
        row,
        leaf_hash=leaf_hash(row.leaf.encode()).hex(),
        proof_hashes=[part.hex() for part in hashes],
        directions=["right" if start > row.leaf_index else "left" for start, _ in ranges],
    )
