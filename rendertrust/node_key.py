"""A node's identity: an Ed25519 key, its text form, and the proof of possession.

The proof is a signature over ASCII ``rendertrust-node-v2\\n{node_id}\\n{challenge}\\n{authority}``.
The authority is the gateway's host and port; no gateway can therefore relay another gateway's
challenge. Some 32-byte strings load as public keys but identify no one: under a key of small order,
one signature is valid for every message. A public key is therefore accepted only if it is the
canonical encoding of a curve point whose order is not small (RFC 8032 §5.1.3; Chalkias et al.,
"Taming the many EdDSAs", 2020, §2).
"""

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

PEM_CHARACTERS_MAX: Final = 4096
USUAL_PORTS: Final = {"http": 80, "https": 443}
# The PEM loader ignores text around the key, so the text is checked to be exactly one key.
_ONE_KEY: Final = re.compile(
    r"\s*-----BEGIN PUBLIC KEY-----[\r\n]+[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----[ \t\r\n]*",
    re.ASCII,
)
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, _P - 2, _P) % _P
# Canonical y coordinates of the eight points whose order divides 8. The y coordinates of points of
# order 8 are roots of d·y⁴ + 2·y² - 1.
_Y_OF_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,  # order 4
        1,  # the identity
        _P - 1,  # order 2
        _Y_OF_ORDER_8,
        _P - _Y_OF_ORDER_8,
    }
)


@attrs.frozen
class KeyRefused:
    """The reason why a public key may not identify a node."""

    reason: str


def read_public_key(pem: str) -> Ed25519PublicKey | KeyRefused:
    """Return the key in a PEM ``SubjectPublicKeyInfo``, or why the key is refused. Never raises."""
    if len(pem) > PEM_CHARACTERS_MAX:
        return KeyRefused(f"longer than {PEM_CHARACTERS_MAX} characters")
    if not _ONE_KEY.fullmatch(pem):
        return KeyRefused("not a PEM public key")
    try:
        key = load_pem_public_key(pem.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        return KeyRefused("not a PEM public key")
    if not isinstance(key, Ed25519PublicKey):
        return KeyRefused("not an Ed25519 key")
    weakness = weakness_of(key.public_bytes_raw())
    return key if weakness is None else KeyRefused(weakness)


def weakness_of(encoded: bytes) -> str | None:
    """Return why ``encoded`` is not a safe public key; return None for a safe key."""
    if len(encoded) != 32:
        return "not 32 bytes"
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= _P:
        return "not canonical: y is not below 2^255 - 19"
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0 and sign:
        return "not canonical: x is zero with its sign set"
    if square != 0 and pow(square, (_P - 1) // 2, _P) != 1:
        return "not a point on the curve"
    if y in _SMALL_ORDER_Y:
        return "a point of small order"
    return None


def generate_key() -> Ed25519PrivateKey:
    """Return a new private key."""
    return Ed25519PrivateKey.generate()


def public_pem(key: Ed25519PrivateKey) -> str:
    """Return the public key in PEM ``SubjectPublicKeyInfo``, for ``POST /nodes/register``."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def proof_message(node_id: str, challenge: str, authority: str | None = None) -> bytes:
    """Return the bytes that prove possession of a node's key to the gateway at ``authority``.

    Without an authority, the bytes have the older format v1, and the proof is valid at any gateway.
    Raises UnicodeError on non-ASCII.
    """
    if authority is None:
        return f"rendertrust-node-v1\n{node_id}\n{challenge}".encode("ascii")
    return f"rendertrust-node-v2\n{node_id}\n{challenge}\n{authority}".encode("ascii")


def sign_proof(
    key: Ed25519PrivateKey, node_id: str, challenge: str, authority: str | None = None
) -> str:
    """Return the proof of possession as 128 lower-case hexadecimal digits."""
    return key.sign(proof_message(node_id, challenge, authority)).hex()


def authority_of(url: str) -> str | None:
    """Return host and port of an http(s) URL as a proof contains them; None if the URL has no host.

    The host is in lower case, and the scheme's default port is omitted.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in USUAL_PORTS:
        return None
    try:
        name = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return name if port in (None, USUAL_PORTS[parts.scheme]) else f"{name}:{port}"


def proof_holds(
    pem: str, node_id: str, challenge: str, signature: str, authority: str | None = None
) -> bool:
    """Return True if ``signature`` (hex) proves possession of the key in ``pem``. Never raises."""
    key = read_public_key(pem)
    if isinstance(key, KeyRefused) or len(signature) != 128:
        return False
    try:
        key.verify(bytes.fromhex(signature), proof_message(node_id, challenge, authority))
    except (InvalidSignature, ValueError):
        return False
    return True


def load_or_create_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key at ``path``; create it on first use, with mode 0600.

    Raises ValueError if the file is readable by others or does not contain an Ed25519 key.
    """
    if path.exists():
        return load_key(path)
    key = generate_key()
    save_key(path, key)
    return key


def save_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Write the key to ``path`` (mode 0600), replacing the file that is there."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key at ``path``. Raises ValueError as ``load_or_create_key`` does."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ValueError(f"{path} is readable by others; run: chmod 600 {path}")
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} does not contain an Ed25519 key")
    return key
