"""Keys of nodes: which keys are accepted, and the proof of possession."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from rendertrust import node_key
from rendertrust.node_key import KeyRefused

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826


def encoded(y: int, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def pem_of(raw: bytes) -> str:
    """Return the PEM of any 32 bytes, which the loader does not check."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_good_key_is_read_back() -> None:
    key = node_key.generate_key()
    read = node_key.read_public_key(node_key.public_pem(key))
    assert isinstance(read, ed25519.Ed25519PublicKey)
    assert read.public_bytes_raw() == key.public_key().public_bytes_raw()


SMALL = {
    "identity": encoded(1),
    "order 2": encoded(P - 1),
    "order 4": encoded(0),
    "order 4, sign": encoded(0, 1),
    "order 8": encoded(ORDER_8),
    "order 8, sign": encoded(ORDER_8, 1),
    "order 8, other": encoded(P - ORDER_8),
    "order 8, other, sign": encoded(P - ORDER_8, 1),
}


@pytest.mark.parametrize("raw", SMALL.values(), ids=SMALL.keys())
def test_key_of_small_order_is_refused(raw: bytes) -> None:
    assert node_key.read_public_key(pem_of(raw)) == KeyRefused("a point of small order")


def added(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    """Return the sum of two points on the curve -x² + y² = 1 + d·x²·y² (RFC 8032 §5.1.4)."""
    (x1, y1), (x2, y2) = one, two
    both = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + both, P - 2, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - both, P - 2, P)
    return x % P, y % P


def torsion() -> list[tuple[int, int]]:
    """Return the eight points whose order divides 8, as multiples of a point of order 8."""
    square = (ORDER_8**2 - 1) * pow(D * ORDER_8**2 + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    points = [(0, 1)]
    while len(points) < 8:
        points.append(added(points[-1], (x, ORDER_8)))
    assert added(points[-1], points[1]) == (0, 1), "the eighth multiple is the identity"
    return points


def test_the_eight_points_are_those_that_are_refused_by_name() -> None:
    found = {encoded(y, x & 1) for x, y in torsion()}
    assert found == set(SMALL.values())
    assert len(found) == 8


NOT_CANONICAL = {
    "p, which is 0": encoded(P),
    "p with sign": encoded(P, 1),
    "p + 1, which is the identity": encoded(P + 1),
    "p + 1 with sign": encoded(P + 1, 1),
    "p + 3, a point of the curve": encoded(P + 3),
    "the greatest y": encoded(2**255 - 1),
    "all ones": b"\xff" * 32,
    "identity with sign": encoded(1, 1),
    "order 2 with sign": encoded(P - 1, 1),
}


@pytest.mark.parametrize("raw", NOT_CANONICAL.values(), ids=NOT_CANONICAL.keys())
def test_key_that_is_not_canonical_is_refused(raw: bytes) -> None:
    refused = node_key.read_public_key(pem_of(raw))
    assert isinstance(refused, KeyRefused)
    assert "not canonical" in refused.reason


def test_key_off_the_curve_is_refused() -> None:
    refused = node_key.read_public_key(pem_of(encoded(2)))
    assert refused == KeyRefused("not a point on the curve")


def test_one_signature_would_fit_every_message_under_the_identity_key() -> None:
    """Under a key of small order, R = the identity and s = 0 would verify for any message."""
    forged = (encoded(1) + bytes(32)).hex()
    assert not node_key.proof_holds(pem_of(encoded(1)), "n", "c", forged)


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN PUBLIC KEY-----\nMCow...", "ü" * 10, "x" * 9999]
)
def test_text_that_is_no_key_is_refused(text: str) -> None:
    assert isinstance(node_key.read_public_key(text), KeyRefused)


FOREIGN = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "X25519": x25519.X25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
    "RSA": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("key", FOREIGN.values(), ids=FOREIGN.keys())
def test_key_of_another_kind_is_refused(key: Any) -> None:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert node_key.read_public_key(pem.decode()) == KeyRefused("not an Ed25519 key")


def test_private_key_is_no_public_key() -> None:
    key = node_key.generate_key()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert node_key.read_public_key(pem) == KeyRefused("not a PEM public key")


DER = (
    node_key.generate_key()
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
BROKEN = {
    "a byte more": DER + b"\0",
    "a byte less": DER[:-1],
    "parameters": bytes.fromhex("302c300706032b65700500032100") + DER[12:],
    "a length in long form": b"\x30\x81\x2a" + DER[2:],
    "unused bits": DER[:11] + b"\x01" + DER[12:],
    "raw bytes alone": DER[12:],
}


@pytest.mark.parametrize("der", BROKEN.values(), ids=BROKEN.keys())
def test_key_in_another_encoding_is_refused(der: bytes) -> None:
    body = base64.b64encode(der).decode()
    pem = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    assert node_key.read_public_key(pem) == KeyRefused("not a PEM public key")


def test_proof_holds_for_its_own_node_challenge_and_key_alone() -> None:
    key, other = node_key.generate_key(), node_key.generate_key()
    pem, proof = node_key.public_pem(key), node_key.sign_proof(key, "n", "c")
    assert node_key.proof_holds(pem, "n", "c", proof)
    assert not node_key.proof_holds(pem, "m", "c", proof)
    assert not node_key.proof_holds(pem, "n", "d", proof)
    assert not node_key.proof_holds(node_key.public_pem(other), "n", "c", proof)
    for broken in ("", "zz" * 64, proof[:-2], proof + "00"):
        assert not node_key.proof_holds(pem, "n", "c", broken)
    assert not node_key.proof_holds(pem, "ü", "c", proof)


def test_signature_has_one_form_only() -> None:
    """Without the bound of RFC 8032 §5.1.7, s and s + L would both verify."""
    key = node_key.generate_key()
    pem, proof = node_key.public_pem(key), bytes.fromhex(node_key.sign_proof(key, "n", "c"))
    s = int.from_bytes(proof[32:], "little")
    assert s < L
    for other in (s + L, s + 2 * L, s | 1 << 255, 2**256 - 1):
        forged = proof[:32] + other.to_bytes(32, "little")
        assert not node_key.proof_holds(pem, "n", "c", forged.hex())
    assert node_key.proof_holds(pem, "n", "c", proof.hex())


@pytest.mark.parametrize("raw", SMALL.values(), ids=SMALL.keys())
def test_proof_under_a_key_of_small_order_never_holds(raw: bytes) -> None:
    for r in SMALL.values():
        assert not node_key.proof_holds(pem_of(raw), "n", "c", (r + bytes(32)).hex())


def test_signed_message_is_the_one_agreed() -> None:
    assert node_key.proof_message("n", "c") == b"rendertrust-node-v1\nn\nc"
    assert node_key.proof_message("n", "c", "a:1") == b"rendertrust-node-v2\nn\nc\na:1"


def test_a_proof_is_for_one_gateway_alone() -> None:
    key = node_key.generate_key()
    pem, proof = node_key.public_pem(key), node_key.sign_proof(key, "n", "c", "farm.example")
    assert node_key.proof_holds(pem, "n", "c", proof, "farm.example")
    assert not node_key.proof_holds(pem, "n", "c", proof, "other.example")
    assert not node_key.proof_holds(pem, "n", "c", proof)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://Farm.Example/", "farm.example"),
        ("https://farm.example:443/sub", "farm.example"),
        ("http://farm.example:443", "farm.example:443"),
        ("http://user@127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:80", "[::1]"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("ftp://farm.example", None),
        ("http://farm.example:99999999", None),
        ("nothing", None),
    ],
)
def test_host_and_port_of_a_gateway(url: str, authority: str | None) -> None:
    assert node_key.authority_of(url) == authority


def test_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.pem"
    first = node_key.load_or_create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = node_key.load_or_create_key(path)
    assert again.private_bytes_raw() == first.private_bytes_raw()


def test_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    node_key.load_or_create_key(path)
    path.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        node_key.load_or_create_key(path)


@pytest.mark.parametrize(
    "around", ["{pem}and more\n", "{pem}{pem}", "before\n{pem}", "{pem}\x0b", "Key: value\n{pem}"]
)
def test_text_around_the_key_is_refused(around: str) -> None:
    pem = node_key.public_pem(node_key.generate_key())
    assert node_key.read_public_key(around.format(pem=pem)) == KeyRefused("not a PEM public key")


def test_blanks_and_any_line_ends_around_the_key_are_no_matter() -> None:
    key = node_key.generate_key()
    pem = node_key.public_pem(key)
    for written in (pem.strip(), f"\n {pem}\n\n", pem.replace("\n", "\r\n")):
        read = node_key.read_public_key(written)
        assert isinstance(read, ed25519.Ed25519PublicKey), written
