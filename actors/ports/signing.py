"""Who signs: the tokens of nodes, the checkpoints of the log, receipts."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from attrs import field, frozen

from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import Verifier


@frozen
class NodeToken:
    """What a node shows from its next connection on, and for how many seconds it is good."""

    text: str = field(repr=False)
    seconds: float


class NodeTokens(Protocol):
    """Who signs the tokens of nodes."""

    def issue(self, node: UUID) -> NodeToken:
        """A fresh token for a node whose socket is open: it was let in by one."""
        ...


@frozen
class ReceiptKey:
    """What signs receipts now: the public key, and what makes a signature by it."""

    public: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)


class ReceiptSigner(Protocol):
    """Who signs receipts: with the log's key."""

    def receipts(self) -> ReceiptKey:
        """The key of now, the one that stays during a rotation."""
        ...


class Sealer(Protocol):
    """Seals secrets that the database keeps, with the log's key."""

    def seal(self, secret: bytes, nonce: bytes) -> bytes:
        """Sealed with the key of now; ``nonce``: 12 bytes, never used before."""
        ...

    def unseal(self, sealed: bytes) -> bytes | None:
        """The secret; None: it was sealed with a key that is not there any more."""
        ...


class CheckpointSigner(Sealer, Protocol):
    """Who signs checkpoints, with the log's key, in a rotation also with the one before."""

    def verifiers(self, origin: str) -> Sequence[Verifier]:
        """The public halves of the keys of now; the first is the one that stays."""
        ...

    def sign(self, made: Checkpoint) -> str:
        """The note, with a signature by each of them."""
        ...

    def sign_anchor(self, made: AnchorNote) -> str:
        """What an anchor is, signed likewise."""
        ...


class NonceSigner(Protocol):
    """Signer of nonces, by the keys that sign checkpoints."""

    def sign_nonce(self, origin: str, nonce: str) -> str:
        """The note over a nonce of 64 hexadecimal digits, with a signature by each of them."""
        ...


class LogSigner(CheckpointSigner, ReceiptSigner, NonceSigner, Protocol):
    """All that the log's key signs."""
