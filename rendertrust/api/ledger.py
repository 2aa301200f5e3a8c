"""Response models for the ledger: entry proofs, receipts and checkpoints."""

from datetime import datetime
from typing import Any

import attrs


@attrs.frozen
class Opening:
    """The private part of an entry, and the salt of its hash."""

    salt: str
    private: str


@attrs.frozen
class EntryProof:
    """Proof that an entry is in the log; ``docs/PROOF.md`` says how to verify it."""

    entry_id: int
    merkle_root: str
    proof_hashes: tuple[str, ...]
    directions: tuple[str, ...]
    anchor_tx_hash: str | None
    block_number: int | None
    leaf: str
    leaf_hash: str
    leaf_index: int
    tree_size: int
    checkpoint: str
    verifier: str
    opening: Opening | None = None
    chain_id: int | None = None
    contract: str | None = None
    anchor: str | None = None  # the gateway's note about the anchor transaction


@attrs.frozen
class ReceiptFile:
    """Signed receipt of the work for a charge; ``docs/PROOF.md`` says how to verify it.

    ``proof`` is None until the paying entry is in the log, and if the work was free.
    ``withdrawn``: the result was found invalid later; has the ``entry_id`` of the refund and more.
    """

    format: str
    receipt: dict[str, Any]
    signature: str
    entry_id: int | None
    proof: EntryProof | None
    withdrawn: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The receipt as the gateway sent it: without ``withdrawn`` unless it is set."""
        members = {each.name: getattr(self, each.name) for each in attrs.fields(type(self))}
        return {name: one for name, one in members.items() if name != "withdrawn" or one}


@attrs.frozen
class LogCheckpoint:
    """Size and root of the log; ``checkpoint`` is the note that ``verifier`` signed."""

    origin: str
    size: int
    root: str
    time: datetime
    checkpoint: str
    verifier: str
    anchor: str | None = None  # the note about the newest anchor, which may cover fewer leaves
