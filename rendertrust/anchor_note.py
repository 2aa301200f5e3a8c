"""Signed statement about an anchor: which transaction wrote which log root to a chain.

The statement is a C2SP signed note by the log's key. A proof contains this note beside members with
the same content, so that only the gateway can change those members. Only the chain shows that the
statement is true.
"""

import re
from typing import Final

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import json_values, note
from rendertrust.merkle import SIZE_MAX
from rendertrust.note import NoteRefused, Verifier

VERSION: Final = "rendertrust-anchor-v1"
# The members of a proof that name the proof's anchor. They are all null, or none is.
MEMBERS: Final = ("anchor_tx_hash", "block_number", "chain_id", "contract")
_NUMBER: Final = r"(?:0|[1-9][0-9]{0,18})"
_TEXT: Final = re.compile(
    rf"{VERSION}\n"
    r"origin (?P<origin>[^\s+]{1,255})\n"
    rf"chain (?P<chain>{_NUMBER})\n"
    r"contract (?P<contract>0x[0-9a-fA-F]{40})\n"
    rf"size (?P<size>{_NUMBER})\n"
    r"root (?P<root>[0-9a-f]{64})\n"
    r"transaction (?P<transaction>0x[0-9a-f]{64})\n"
    rf"block (?P<block>{_NUMBER})\n",
    re.ASCII,
)


@attrs.frozen
class AnchorNote:
    """States that this transaction wrote the root of the first ``size`` leaves to ``contract``."""

    origin: str
    chain_id: int
    contract: str
    size: int
    root: bytes
    transaction: str
    block: int

    @property
    def text(self) -> str:
        """The text that is signed."""
        return (
            f"{VERSION}\norigin {self.origin}\nchain {self.chain_id}\ncontract {self.contract}\n"
            f"size {self.size}\nroot {self.root.hex()}\ntransaction {self.transaction}\n"
            f"block {self.block}\n"
        )


def sign(made: AnchorNote, *keys: Ed25519PrivateKey) -> str:
    """Return the note signed by ``keys``, each under the log's origin as its name."""
    return note.sign(made.text, made.origin, *keys)


def read(signed: str, verifier: Verifier) -> AnchorNote | NoteRefused:
    """Return the anchor note signed by ``verifier``, or why the note is refused. Never raises."""
    text = note.read(signed, verifier)
    if isinstance(text, NoteRefused):
        return text
    found = _TEXT.fullmatch(text)
    if found is None or found["origin"] != verifier.name:
        return NoteRefused("the note does not name an anchor of this log")
    chain, size, block = (int(found[name]) for name in ("chain", "size", "block"))
    if max(chain, size, block) > SIZE_MAX:
        return NoteRefused("a number in the note is too large")
    root, contract = bytes.fromhex(found["root"]), found["contract"]
    return AnchorNote(found["origin"], chain, contract, size, root, found["transaction"], block)


def claims(document: json_values.Document) -> "tuple[str, int, int, str] | str | None":
    """Return a proof's ``MEMBERS``, or a text on their fault.

    Return None if the proof names no anchor.
    """
    if all(document.get(name) is None for name in MEMBERS):
        return None
    transaction, block, chain_id, contract = (document.get(name) for name in MEMBERS)
    if not isinstance(transaction, str) or json_values.transaction(transaction) is None:
        return "the proof's anchor_tx_hash is not a transaction hash"
    if not isinstance(block, int) or json_values.size(block) is None:
        return "the proof's block_number is not a whole number"
    if not isinstance(chain_id, int) or json_values.size(chain_id) is None:
        return "the proof's chain_id is not a whole number"
    if not isinstance(contract, str) or json_values.address(contract) is None:
        return "the proof's contract is not a contract address"
    return transaction, block, chain_id, contract
