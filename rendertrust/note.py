"""Signed notes (C2SP signed-note): a text with Ed25519 signatures below.

The name of a key is its log's origin, without blanks and plus signs. As text, a key is the
*verifier key* ``{name}+{id}+{base64 of 0x01 and the public key}``; the id is the first four bytes
of SHA-256(name ‖ newline ‖ 0x01 ‖ public key) in hexadecimal.
"""

import base64
import binascii
import hashlib
import re
from typing import Final

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rendertrust.node_key import weakness_of

NOTE_CHARACTERS_MAX: Final = 65_536
_ED25519: Final = b"\x01"
_NAME: Final = re.compile(r"[^\s+]{1,255}")
_SIGNATURE: Final = re.compile(r"— ([^\s+]{1,255}) ([A-Za-z0-9+/]+={0,2})")


@attrs.frozen
class NoteRefused:
    """The reason why a note, or a verifier key, is refused."""

    reason: str


@attrs.frozen
class Verifier:
    """The name and public key of a signer."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that distinguish keys with the same name."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return hashlib.sha256(named).digest()[:4]

    def __str__(self) -> str:
        key = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


def verifier_of(name: str, key: Ed25519PrivateKey) -> Verifier:
    """Return the verifier of a signing key with this name.

    Raises ValueError for an invalid name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid name: it has blanks or a plus sign, or is empty")
    return Verifier(name, key.public_key().public_bytes_raw())


def read_verifier(text: str) -> Verifier | NoteRefused:
    """Parse a verifier key; a NoteRefused says why the key is invalid. Never raises."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _decoded(encoded)
    if not _NAME.fullmatch(name) or raw is None or raw[:1] != _ED25519 or len(raw) != 33:
        return NoteRefused("not a verifier key: expected name+id+key, for Ed25519")
    weakness = weakness_of(raw[1:])
    if weakness is not None:
        return NoteRefused(f"the verifier key is {weakness}")
    verifier = Verifier(name, raw[1:])
    if verifier.key_id.hex() != key_id:
        return NoteRefused("the verifier key's id does not match its name and key")
    return verifier


def sign(text: str, name: str, *keys: Ed25519PrivateKey) -> str:
    """Return the note over ``text``, which must end with a newline, signed by each of the keys.

    Raises ValueError if the text does not end with a newline or has an empty line, or without keys.
    """
    if not text.endswith("\n") or "\n\n" in text:
        raise ValueError("the text of a note must be non-empty lines, each ended by a newline")
    if not keys:
        raise ValueError("a note needs a key to sign it")
    return f"{text}\n" + "".join(_line(text, name, key) for key in keys)


def _line(text: str, name: str, key: Ed25519PrivateKey) -> str:
    signed = verifier_of(name, key).key_id + key.sign(text.encode())
    return f"— {name} {base64.b64encode(signed).decode()}\n"


def read(note: str, verifier: Verifier) -> str | NoteRefused:
    """Return the text that ``verifier`` signed, or why the note is refused. Never raises.

    Signatures by other keys are ignored. An invalid signature by this key refuses the note.
    """
    if len(note) > NOTE_CHARACTERS_MAX:
        return NoteRefused(f"the note is longer than {NOTE_CHARACTERS_MAX} characters")
    text, found, signatures = note.rpartition("\n\n")
    if not found or not signatures.endswith("\n"):
        return NoteRefused("the note has no signatures below an empty line")
    text += "\n"
    lines = [_SIGNATURE.fullmatch(line) for line in signatures.removesuffix("\n").split("\n")]
    if any(line is None for line in lines):
        return NoteRefused("a line below the text is not a signature")
    signed = [_decoded(line[2]) for line in lines if line is not None and line[1] == verifier.name]
    ours = [raw for raw in signed if raw is not None and raw[:4] == verifier.key_id]
    if not ours:
        return NoteRefused(f"the note is not signed by {verifier.name} with this key")
    if not all(_holds(raw[4:], text, verifier) for raw in ours):
        return NoteRefused(f"the signature of {verifier.name} is invalid")
    return text


def is_signed_by(note: str, verifier: str) -> bool:
    """Return True if a signature names this verifier key.

    Only ``read`` checks the signature itself.
    """
    name, key_id, _ = verifier.split("+", 2)
    lines = map(_SIGNATURE.fullmatch, note.rpartition("\n\n")[2].splitlines())
    signed = [_decoded(line[2]) for line in lines if line is not None and line[1] == name]
    return any(raw is not None and raw[:4].hex() == key_id for raw in signed)


def _holds(signature: bytes, text: str, verifier: Verifier) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(encoded: str) -> bytes | None:
    """Decode canonical base64; None for any other encoding of the value."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == encoded else None
