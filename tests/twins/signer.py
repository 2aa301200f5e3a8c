"""In-memory signing keys of the log, which are the same in every run."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.ports import ReceiptKey
from rendertrust import anchor_note, checkpoint, nonce_note, note, renderer_list
from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import Verifier
from rendertrust.renderer_list import RendererList
from web.log.log_keys import seal, unseal


class TwinSigner:
    """A Signer; all ``keys`` sign the log's notes, the first signs receipts and seals secrets."""

    def __init__(self, *numbers: int) -> None:
        self.keys = [signing_key(number) for number in numbers or (1,)]

    def verifiers(self, origin: str) -> Sequence[Verifier]:
        return [note.verifier_of(origin, key) for key in self.keys]

    def sign(self, made: Checkpoint) -> str:
        return checkpoint.sign(made, *self.keys)

    def sign_anchor(self, made: AnchorNote) -> str:
        return anchor_note.sign(made, *self.keys)

    def sign_nonce(self, origin: str, nonce: str) -> str:
        return nonce_note.sign(origin, nonce, *self.keys)

    def sign_renderers(self, origin: str, listed: RendererList) -> str:
        return renderer_list.sign(listed, origin, *self.keys)

    def receipts(self) -> ReceiptKey:
        return ReceiptKey(self.keys[0].public_key().public_bytes_raw(), self.keys[0].sign)

    def seal(self, secret: bytes, nonce: bytes) -> bytes:
        return seal(self.keys[0], secret, nonce)

    def unseal(self, sealed: bytes) -> bytes | None:
        return unseal(self.keys, sealed)


def signing_key(number: int) -> Ed25519PrivateKey:
    """Return the key that belongs to a number."""
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
