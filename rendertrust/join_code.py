"""Join codes: with one, a machine joins a gateway as the node of the user who made the code.

A code is 48 characters of base32. They encode 16 random bytes, which the gateway recognises, and
the first 14 bytes of the SHA-256 of the gateway's public key and its release key. The machine sends
the code only to a gateway that shows and proves this key, and shows this release key.
"""

import base64
import binascii
import hashlib
from typing import Final

import attrs

SECRET_BYTES: Final = 16
PIN_BYTES: Final = 14
CHARACTERS: Final = (SECRET_BYTES + PIN_BYTES) * 8 // 5
TYPED_MAX: Final = 200  # characters of what somebody typed or pasted


@attrs.frozen
class PinnedCode:
    """A join code. ``pin``: the beginning of the hash of the gateway's keys."""

    text: str = attrs.field(repr=False)
    pin: bytes

    @property
    def sha256(self) -> bytes:
        """Return the hash to store. 128 random bits need no slow hash: they cannot be guessed."""
        return hashlib.sha256(self.text.encode()).digest()

    def is_for(self, public_key: bytes, release_key: str | None) -> bool:
        """Return True if the code is for the gateway with this Ed25519 key and release key."""
        return self.pin == pin_of(public_key, release_key)


def pin_of(public_key: bytes, release_key: str | None) -> bytes:
    """Return the part of a code that names the gateway's keys."""
    return hashlib.sha256(public_key + (release_key or "").encode()).digest()[:PIN_BYTES]


def make(secret: bytes, public_key: bytes, release_key: str | None) -> PinnedCode:
    """Return the code with these 16 random bytes, for the gateway with these keys.

    ``release_key``: the key that signs updates of nodes; None if the gateway has none.
    """
    pin = pin_of(public_key, release_key)
    return PinnedCode(base64.b32encode(secret + pin).decode(), pin)


def read(typed: str) -> PinnedCode | None:
    """Return the code that somebody typed or pasted; None if it cannot be one.

    Small letters, blanks and hyphens are allowed.
    """
    text = "".join(typed[:TYPED_MAX].split()).replace("-", "").upper()
    if len(text) != CHARACTERS or not typed.isascii():
        return None
    try:
        raw = base64.b32decode(text)
    except binascii.Error:
        return None
    return PinnedCode(text, raw[SECRET_BYTES:])


def command(url: str, code: str) -> str:
    """Return the command that joins a gateway with a code."""
    return f"rendertrust node join {url} --code {code}"
