"""Response models for the ledger: entry proofs, receipts and checkpoints."""

from datetime import datetime
from typing import Annotated, Any

import attrs

from rendertrust.receipt_check import FILE
from rendertrust.value_types import ABSENT, Limits, Sha256


@attrs.frozen
class Opening:
    """The private part of one side of a transfer: the text and the salt.

    The leaf contains the SHA-256 of salt and text. The other side has another text and salt.
    """

    salt: Sha256
    private: str


@attrs.frozen
class EntryProof:
    """An entry's place in the log.

    ``leaf`` is the public part of the entry's transfer, a text, and ``leaf_hash`` is its hash in
    the tree. Both entries of a transfer have this leaf; ``side`` says which of them this entry is,
    and ``opening`` opens the leaf's commitment to that side. ``leaf_hash``, hashed with the
    ``proof_hashes`` in turn, results in ``merkle_root``. ``directions`` says on which side each of
    these hashes is. ``merkle_root`` is the root of the first ``tree_size`` leaves. ``checkpoint``
    states that root, signed by the key ``verifier``. If that root is anchored, ``contract`` on
    chain ``chain_id`` has the root, by the transaction ``anchor_tx_hash`` in block
    ``block_number``. ``anchor`` is a note of the same key that states this anchor.
    """

    entry_id: int
    side: Annotated[str, Limits(enum=("debit", "credit"))]
    merkle_root: Sha256
    proof_hashes: tuple[Sha256, ...]
    directions: tuple[Annotated[str, Limits(enum=("left", "right"))], ...]
    anchor_tx_hash: str | None
    block_number: int | None
    chain_id: int | None
    contract: str | None
    anchor: str | None
    leaf: str
    leaf_hash: Sha256
    leaf_index: int
    tree_size: int
    checkpoint: str
    verifier: str
    opening: Opening | None


@attrs.frozen
class Withdrawn:
    """A withdrawal of a receipt.

    Entry ``entry_id`` refunded the creator; ``proof`` is null until that entry is in the log.
    """

    entry_id: int
    at: datetime
    proof: EntryProof | None


@attrs.frozen
class ReceiptFile:
    """A receipt that ``rendertrust verify`` checks without the gateway; see ``docs/PROOF.md``.

    ``receipt`` has the node's ``work`` and the node's signature, the verdict and the price.
    ``signature`` is the gateway's signature. ``proof`` is null until the paying entry is in the
    log, and for free work. ``withdrawn`` is present only if the charge was refunded because the
    work was found invalid: the receipt is no longer valid then. ``withdrawn`` is not signed, and
    older copies lack this member. Request the receipt again to learn if a receipt is still valid.
    """

    format: Annotated[str, Limits(enum=(FILE,))]
    receipt: dict[str, Any]
    signature: str
    entry_id: int | None
    proof: EntryProof | None
    withdrawn: Withdrawn | None = attrs.field(default=None, metadata=ABSENT)

    @property
    def document(self) -> dict[str, Any]:
        """The receipt as sent by the gateway, without ``withdrawn`` if ``withdrawn`` is None."""
        members = {each.name: getattr(self, each.name) for each in attrs.fields(type(self))}
        return {name: one for name, one in members.items() if name != "withdrawn" or one}


@attrs.frozen
class LogCheckpoint:
    """The newest checkpoint: ``checkpoint`` is the signed note.

    ``origin``, ``size``, ``root`` and ``time`` repeat its content.

    ``verifier`` is the key that signs; ``verifiers`` are all keys that were ever valid, in order.
    ``anchor`` is the gateway's note on its newest confirmed anchor (chain, contract, size, root),
    whose ``size`` may be smaller; null without an anchor. If a nonce was sent, ``answer`` is a note
    over that nonce, signed by the current keys.
    """

    origin: str
    size: int
    root: Sha256
    time: datetime
    checkpoint: str
    verifier: str
    verifiers: tuple[str, ...]
    anchor: str | None
    answer: str | None = attrs.field(default=None, metadata=ABSENT)
