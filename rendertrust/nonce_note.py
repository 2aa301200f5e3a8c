"""Proof that a gateway holds its log's key now: a signed note over a nonce of whoever asks.

A checkpoint can be repeated by anybody who has seen it; the answer to a fresh nonce cannot. The
note is a C2SP signed note by the log's key. Its first line keeps it apart from all else that the
key signs.
"""

import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import note
from rendertrust.note import NoteRefused, Verifier

VERSION: Final = "rendertrust-nonce-v1"
NONCE: Final = re.compile("[0-9a-f]{64}", re.ASCII)


def sign(origin: str, nonce: str, *keys: Ed25519PrivateKey) -> str:
    """Return the signed note; the signer's name is the origin, whichever of its keys sign.

    Raises ValueError where the nonce is not 64 hexadecimal digits in lower case.
    """
    if not NONCE.fullmatch(nonce):
        raise ValueError("a nonce has 64 hexadecimal digits")
    return note.sign(_text(origin, nonce), origin, *keys)


def refusal(signed: str, verifier: Verifier, nonce: str) -> str | None:
    """Return why the note does not show that ``verifier`` signed this nonce; None: it does."""
    text = note.read(signed, verifier)
    if isinstance(text, NoteRefused):
        return text.reason
    return None if text == _text(verifier.name, nonce) else "the note is not over this nonce"


def _text(origin: str, nonce: str) -> str:
    return f"{VERSION}\norigin {origin}\nnonce {nonce}\n"
