"""Releases: the statement, signed by a release key, that a wheel is a version of the program.

The statement is a signed note (``rendertrust.note``) of five lines: the format, the version, the
wheel's name, its SHA-256 in hexadecimal, and its size in bytes. A release key is an Ed25519 key
with the name ``rendertrust-release``. Its private half stays with the people who make releases: a
gateway has only statements.
"""

import re
from typing import Final

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import note
from rendertrust.note import NoteRefused

KEY_NAME: Final = "rendertrust-release"
KEY_CHARACTERS_MAX: Final = 256
STATEMENT_CHARACTERS_MAX: Final = 4096
WHEEL_BYTES_MAX: Final = 64 * 2**20
_FORMAT: Final = "rendertrust-release-v1"
_VERSION: Final = re.compile(
    r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})(?:rc([1-9][0-9]{0,3}))?",
    re.ASCII,
)
_TEXT: Final = re.compile(
    rf"{_FORMAT}\n(?P<version>[0-9.rc]{{5,32}})\n(?P<wheel>[0-9A-Za-z._-]{{1,150}})\n"
    r"(?P<sha256>[0-9a-f]{64})\n(?P<size>[1-9][0-9]{0,8})\n",
    re.ASCII,
)
_FINAL: Final = 10_000  # a version without rc comes after all of its release candidates


@attrs.frozen
class ReleaseStatement:
    """A wheel by its version, name, SHA-256 in hexadecimal, and size in bytes."""

    version: str
    wheel: str
    sha256: str
    size: int

    @property
    def text(self) -> str:
        """Return the text that a release key signs."""
        return "".join(
            f"{line}\n" for line in (_FORMAT, self.version, self.wheel, self.sha256, self.size)
        )


def order_of(version: str) -> tuple[int, ...] | None:
    """Return the place of a version among all; None if it is not like 1.2.3 or 1.2.3rc1."""
    found = _VERSION.fullmatch(version)
    return None if found is None else tuple(int(part or _FINAL) for part in found.groups())


def wheel_name(version: str) -> str:
    """Return the name of the wheel of a version."""
    return f"rendertrust-{version}-py3-none-any.whl"


def key_text(key: Ed25519PrivateKey) -> str:
    """Return the public half of a release key as nodes store it."""
    return str(note.verifier_of(KEY_NAME, key))


def why_no_key(text: str) -> str | None:
    """Return why a text is not a release key; None if it is one."""
    key = note.read_verifier(text) if len(text) <= KEY_CHARACTERS_MAX else None
    if isinstance(key, NoteRefused):
        return key.reason
    if key is None or key.name != KEY_NAME:
        return f"not a release key: expected {KEY_NAME}+id+key"
    return None


def sign(statement: ReleaseStatement, *keys: Ed25519PrivateKey) -> str:
    """Return the statement as a note, signed by each of the keys.

    Raises ValueError if the statement could not be read again, or without keys.
    """
    if isinstance(refused := _statement(statement.text), NoteRefused):
        raise ValueError(refused.reason)
    return note.sign(statement.text, KEY_NAME, *keys)


def read(signed: str, key: str) -> ReleaseStatement | NoteRefused:
    """Return the statement that the release key signed, or why it is refused. Never raises."""
    if (fault := why_no_key(key)) is not None:
        return NoteRefused(fault)
    verifier = note.read_verifier(key)
    if isinstance(verifier, NoteRefused):
        return verifier
    if len(signed) > STATEMENT_CHARACTERS_MAX:
        return NoteRefused(f"the statement is longer than {STATEMENT_CHARACTERS_MAX} characters")
    text = note.read(signed, verifier)
    return text if isinstance(text, NoteRefused) else _statement(text)


def _statement(text: str) -> ReleaseStatement | NoteRefused:
    found = _TEXT.fullmatch(text)
    if found is None:
        return NoteRefused("the signed text is not the statement of a release")
    version, size = found["version"], int(found["size"])
    if order_of(version) is None or found["wheel"] != wheel_name(version):
        return NoteRefused(f"the signed text names no wheel of a version: {found['wheel']}")
    if size > WHEEL_BYTES_MAX:
        return NoteRefused(f"the signed wheel is larger than {WHEEL_BYTES_MAX} bytes")
    return ReleaseStatement(version, found["wheel"], found["sha256"], size)
