"""Sealing of small secrets with keys that are derived from the log's: pure."""

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PURPOSE: Final = b"rendertrust: secrets in the database"
NONCE_BYTES: Final = 12


def seal(key: Ed25519PrivateKey, secret: bytes, nonce: bytes) -> bytes:
    """Encrypt and authenticate a secret."""
    return nonce + _cipher(key).encrypt(nonce, secret, PURPOSE)


def unseal(keys: Sequence[Ed25519PrivateKey], sealed: bytes) -> bytes | None:
    """Return the secret, or None where none of the keys has sealed it."""
    nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    for key in keys:
        try:
            return _cipher(key).decrypt(nonce, rest, PURPOSE)
        except (InvalidTag, ValueError):
            continue
    return None


def _cipher(key: Ed25519PrivateKey) -> ChaCha20Poly1305:
    derived = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(key.private_bytes_raw())
    return ChaCha20Poly1305(derived)
