"""Keys that identify a node, keys that do not, and the proof."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rendertrust import identity
from rendertrust.identity import KeyRefused

P = 2**255 - 19
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826


def encoded(y: int, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def pem_of(raw: bytes) -> str:
    """The PEM of any 32 bytes: the loader does not look at them."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_good_key_is_read_back() -> None:
    key = identity.generate_key()
    read = identity.read_public_key(identity.public_pem(key))
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
    assert identity.read_public_key(pem_of(raw)) == KeyRefused("a point of small order")


NOT_CANONICAL = {
    "p": encoded(P),
    "p + 1": encoded(P + 1),
    "all ones": b"\xff" * 32,
    "identity with sign": encoded(1, 1),
    "order 2 with sign": encoded(P - 1, 1),
}


@pytest.mark.parametrize("raw", NOT_CANONICAL.values(), ids=NOT_CANONICAL.keys())
def test_key_that_is_not_canonical_is_refused(raw: bytes) -> None:
    refused = identity.read_public_key(pem_of(raw))
    assert isinstance(refused, KeyRefused)
    assert "not canonical" in refused.reason


def test_key_off_the_curve_is_refused() -> None:
    refused = identity.read_public_key(pem_of(encoded(2)))
    assert refused == KeyRefused("not a point on the curve")


def test_one_signature_would_fit_every_message_under_the_identity_key() -> None:
    """Why it matters: R = the identity, s = 0 verifies under a key of small order."""
    forged = (encoded(1) + bytes(32)).hex()
    assert not identity.proof_holds(pem_of(encoded(1)), "n", "c", forged)


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN PUBLIC KEY-----\nMCow...", "ü" * 10, "x" * 9999]
)
def test_text_that_is_no_key_is_refused(text: str) -> None:
    assert isinstance(identity.read_public_key(text), KeyRefused)


def test_key_of_another_kind_is_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP256R1()), x25519.X25519PrivateKey.generate()):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        assert identity.read_public_key(pem.decode()) == KeyRefused("not an Ed25519 key")


def test_proof_holds_for_its_own_node_challenge_and_key_alone() -> None:
    key, other = identity.generate_key(), identity.generate_key()
    pem, proof = identity.public_pem(key), identity.sign_proof(key, "n", "c")
    assert identity.proof_holds(pem, "n", "c", proof)
    assert not identity.proof_holds(pem, "m", "c", proof)
    assert not identity.proof_holds(pem, "n", "d", proof)
    assert not identity.proof_holds(identity.public_pem(other), "n", "c", proof)
    for broken in ("", "zz" * 64, proof[:-2], proof + "00"):
        assert not identity.proof_holds(pem, "n", "c", broken)
    assert not identity.proof_holds(pem, "ü", "c", proof)


def test_signed_message_is_the_one_agreed() -> None:
    assert identity.proof_message("n", "c") == b"rendertrust-node-v1\nn\nc"


def test_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.pem"
    first = identity.load_or_create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = identity.load_or_create_key(path)
    assert again.private_bytes_raw() == first.private_bytes_raw()


def test_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    identity.load_or_create_key(path)
    path.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        identity.load_or_create_key(path)


@pytest.mark.parametrize(
    "around", ["{pem}and more\n", "{pem}{pem}", "before\n{pem}", "{pem}\x0b", "Key: value\n{pem}"]
)
def test_text_around_the_key_is_refused(around: str) -> None:
    pem = identity.public_pem(identity.generate_key())
    assert identity.read_public_key(around.format(pem=pem)) == KeyRefused("not a PEM public key")


def test_blanks_and_any_line_ends_around_the_key_are_no_matter() -> None:
    key = identity.generate_key()
    pem = identity.public_pem(key)
    for written in (pem.strip(), f"\n {pem}\n\n", pem.replace("\n", "\r\n")):
        read = identity.read_public_key(written)
        assert isinstance(read, ed25519.Ed25519PublicKey), written
