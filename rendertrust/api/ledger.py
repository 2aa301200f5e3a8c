"""Response models for the ledger: entry proofs, receipts and checkpoints."""

from datetime import datetime
from typing import Any

import attrs


@attrs.frozen
class Opening:
    """An entry's private part, and the salt that it is hashed with."""

    salt: str
    private: str


@attrs.frozen
class EntryProof:
    """Where an entry stands in the log; ``docs/PROOF.md`` says how it is verified."""

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
    anchor: str | None = None  # the gateway's note on what these and the transaction say


@attrs.frozen
class ReceiptFile:
    """What was done for a charge, signed; ``docs/PROOF.md`` says how it is verified.

    ``proof`` is None until the entry that pays is in the log, and where it cost nothing.
    ``withdrawn``: it was found wrong since; the ``entry_id`` that gave the charge back, and more.
    """

    format: str
    receipt: dict[str, Any]
    signature: str
    entry_id: int | None
    proof: EntryProof | None
    withdrawn: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """As the gateway gave it: strict readers know no ``withdrawn`` where there is none."""
        members = {each.name: getattr(self, each.name) for each in attrs.fields(type(self))}
        return {name: one for name, one in members.items() if name != "withdrawn" or one}


@attrs.frozen
class LogCheckpoint:
    """How large the log is, and its root; ``checkpoint`` is the signed note, by ``verifier``."""

    origin: str
    size: int
    root: str
    time: datetime
    checkpoint: str
    verifier: str
    anchor: str | None = None  # the note on the newest anchor, which may be of fewer leaves
