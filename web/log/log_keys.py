"""The keys that sign the log's checkpoints: from the settings, or from a file in the data folder.

A key is the 32 bytes of an Ed25519 seed in hexadecimal. The file has the current key and, after a
rotation, the previous one on a second line. Both keys sign until the next rotation: clients that
know only the old key see that its holder also uses the new key. Small secrets in the database are
sealed with keys derived from the log's keys.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.ports import Clock, Random, ReceiptKey
from config.loader import SettingsError
from config.redaction import hide
from config.settings import Proof, Settings
from rendertrust import anchor_note, checkpoint, nonce_note, note, renderer_list
from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import Verifier
from rendertrust.renderer_list import RendererList
from supervisors.engines.secret import write_private
from web.identity.key_file import RotatedFile, made_for

SEED_BYTES: Final = 32
_SEED: Final = re.compile(r"[0-9a-fA-F]{64}")
PURPOSE: Final = b"rendertrust: secrets in the database"
NONCE_BYTES: Final = 12


@attrs.frozen
class LogKeys:
    """The log's keys: the first is the current one; the second also signs, for older clients."""

    all: tuple[Ed25519PrivateKey, ...] = attrs.field(repr=False)

    def verifiers(self, origin: str) -> Sequence[Verifier]:
        return [note.verifier_of(origin, key) for key in self.all]

    def sign(self, made: Checkpoint) -> str:
        return checkpoint.sign(made, *self.all)

    def sign_anchor(self, made: AnchorNote) -> str:
        return anchor_note.sign(made, *self.all)

    def sign_nonce(self, origin: str, nonce: str) -> str:
        return nonce_note.sign(origin, nonce, *self.all)

    def sign_renderers(self, origin: str, listed: RendererList) -> str:
        return renderer_list.sign(listed, origin, *self.all)

    def receipts(self) -> ReceiptKey:
        return ReceiptKey(self.all[0].public_key().public_bytes_raw(), self.all[0].sign)

    def seal(self, secret: bytes, nonce: bytes) -> bytes:
        return seal(self.all[0], secret, nonce)

    def unseal(self, sealed: bytes) -> bytes | None:
        return unseal(self.all, sealed)


class LogKeyFile:
    """Keys in a private file, checked at most once a second for a rotation."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._kept = RotatedFile(path, clock, lambda text: keys_of(text.split()), "the log's key")

    def verifiers(self, origin: str) -> Sequence[Verifier]:
        return self._kept.now().verifiers(origin)

    def sign(self, made: Checkpoint) -> str:
        """Sign with the keys that were read last: those of a call of ``verifiers`` just before."""
        return self._kept.last.sign(made)

    def sign_anchor(self, made: AnchorNote) -> str:
        return self._kept.now().sign_anchor(made)

    def sign_nonce(self, origin: str, nonce: str) -> str:
        return self._kept.now().sign_nonce(origin, nonce)

    def sign_renderers(self, origin: str, listed: RendererList) -> str:
        return self._kept.now().sign_renderers(origin, listed)

    def receipts(self) -> ReceiptKey:
        return self._kept.now().receipts()

    def seal(self, secret: bytes, nonce: bytes) -> bytes:
        return self._kept.now().seal(secret, nonce)

    def unseal(self, sealed: bytes) -> bytes | None:
        return self._kept.now().unseal(sealed)


def log_keys(
    settings: Settings, data: Path, clock: Clock, random: Random
) -> "LogKeys | LogKeyFile":
    """Return the settings' keys, or those in the data folder, which are created if missing.

    Raises SettingsError, and OSError if the file cannot be read.
    """
    if settings.proof.key:
        return given(settings.proof)
    path = key_file(data)
    if made_for(path):
        write_private(path, fresh(random) + "\n")
    try:
        return LogKeyFile(path, clock)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error


def given(proof: Proof) -> LogKeys:
    """Return the keys of the settings."""
    try:
        return keys_of([text for text in (proof.key, proof.previous_key) if text])
    except ValueError as error:
        raise SettingsError(f"proof.key or proof.previous_key: {error}") from error


def key_file(data: Path) -> Path:
    """Return the path of the keys of a gateway without configured ones."""
    return data / "gateway" / "log-key"


def fresh(random: Random) -> str:
    """Return a new key as hexadecimal text."""
    text = random.token(SEED_BYTES).hex()
    hide(text)
    return text


def keys_of(lines: Sequence[str]) -> LogKeys:
    """Return the keys in these texts. Raises ValueError."""
    hide(*lines)
    if not 1 <= len(lines) <= 2 or not all(map(_SEED.fullmatch, lines)):
        raise ValueError("a key has 64 hexadecimal digits, and there are at most two")
    return LogKeys(tuple(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(t)) for t in lines))


def rotate(path: Path, random: Random) -> LogKeys:
    """Create a new key, which signs along with the current one. Raises OSError, ValueError."""
    lines = path.read_text("ascii").split()
    keys_of(lines)
    kept = [fresh(random), lines[0]]
    stat = path.stat()
    write_private(path, "\n".join(kept) + "\n", (stat.st_uid, stat.st_gid))
    return keys_of(kept)


def seal(key: Ed25519PrivateKey, secret: bytes, nonce: bytes) -> bytes:
    """Encrypt and authenticate a secret."""
    return nonce + _cipher(key).encrypt(nonce, secret, PURPOSE)


def unseal(keys: Sequence[Ed25519PrivateKey], sealed: bytes) -> bytes | None:
    """Return the secret; None if none of the keys has sealed it."""
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
