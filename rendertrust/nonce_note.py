"""Proof that a gateway has its log's key now: a signed note over a nonce of the client.

Anybody who has seen a checkpoint can replay it, but nobody can replay the answer to a fresh nonce.
The proof is a C2SP signed note by the log's key. The note's first line distinguishes it from all
other texts that the key signs.
"""

import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import note
from rendertrust.note import NoteRefused, Verifier

VERSION: Final = "rendertrust-nonce-v1"
NONCE: Final = re.compile("[0-9a-f]{64}", re.ASCII)


def sign(origin: str, nonce: str, *keys: Ed25519PrivateKey) -> str:
    """Return the note signed by ``keys``, each under ``origin`` as its name.

    Raises ValueError if the nonce is not 64 lower-case hexadecimal digits.
    """
    if not NONCE.fullmatch(nonce):
        raise ValueError("a nonce must be 64 hexadecimal digits")
    return note.sign(_text(origin, nonce), origin, *keys)


def refusal(signed: str, verifier: Verifier, nonce: str) -> str | None:
    """Return why the note does not prove that ``verifier`` signed this nonce; None if valid."""
    text = note.read(signed, verifier)
    if isinstance(text, NoteRefused):
        return text.reason
    return None if text == _text(verifier.name, nonce) else "the note is not over this nonce"


def _text(origin: str, nonce: str) -> str:
    return f"{VERSION}\norigin {origin}\nnonce {nonce}\n"
