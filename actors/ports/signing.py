"""Ports of signers: of node tokens, of the log's checkpoints, of receipts."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from attrs import field, frozen

from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import Verifier
from rendertrust.renderer_list import RendererList


@frozen
class NodeToken:
    """The token for a node's next connection, and its validity in seconds."""

    text: str = field(repr=False)
    seconds: float


class NodeTokens(Protocol):
    """Signer of node tokens."""

    def issue(self, node: UUID) -> NodeToken:
        """Issue a new token for a node that is connected with an earlier token."""
        ...


@frozen
class ReceiptKey:
    """The current key for receipts: the public key and the signing function."""

    public: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)


class ReceiptSigner(Protocol):
    """Signer of receipts, by the log's key."""

    def receipts(self) -> ReceiptKey:
        """Return the current key; during a rotation, the new key."""
        ...


class CheckpointSigner(Protocol):
    """Signer of checkpoints by the log's key; during a rotation also by the previous key.

    It also encrypts secrets for the database, by a key derived from the log's key.
    """

    def verifiers(self, origin: str) -> Sequence[Verifier]:
        """Return the current public keys; during a rotation, the new key comes first."""
        ...

    def sign(self, made: Checkpoint) -> str:
        """Return the note of a checkpoint with a signature by each key."""
        ...

    def sign_anchor(self, made: AnchorNote) -> str:
        """Return the note of an anchor with a signature by each key."""
        ...

    def seal(self, secret: bytes, nonce: bytes) -> bytes:
        """Encrypt with the current key; ``nonce``: 12 bytes that were never used before."""
        ...

    def unseal(self, sealed: bytes) -> bytes | None:
        """Decrypt a secret; None if its key no longer exists."""
        ...


class LogSigner(CheckpointSigner, ReceiptSigner, Protocol):
    """Everything that the log's key signs."""

    def sign_nonce(self, origin: str, nonce: str) -> str:
        """Return the note over a nonce of 64 hexadecimal digits, with a signature by each key."""
        ...

    def sign_renderers(self, origin: str, listed: RendererList) -> str:
        """Return the note of a list of renderers, with a signature by each key."""
        ...
