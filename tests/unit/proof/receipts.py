"""A receipt and its proof, made with test keys, and small pictures."""

import hashlib
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import checkpoint, merkle, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.leaf import leaf_bytes, side_of
from rendertrust.receipt import (
    CompletedWork,
    canonical,
    receipt_document,
    receipt_message,
    sign_work,
    work_document,
)
from rendertrust.receipt_check import FILE
from tests.support.merkle_proofs import inclusion_proof

GATEWAY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NODE = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TIME = datetime(2026, 3, 13, 12, 0, 0, tzinfo=UTC)
ORIGIN = "farm.example/log"
ROWS = [bytes([10, 20, 30, 40, 50, 60]), bytes([11, 22, 33, 200, 100, 5])]  # two by two pixels, RGB


def png(rows: list[bytes], width: int, *, level: int = 9, kind: int = 0) -> bytes:
    """Return an 8-bit RGB PNG whose rows use filter ``kind`` 0 or 2."""
    above, raw = bytes(len(rows[0])), bytearray()
    for row in rows:
        values = row if kind == 0 else bytes((a - b) % 256 for a, b in zip(row, above, strict=True))
        raw += bytes([kind]) + values
        above = row
    head = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(raw), level)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + check


def animated(picture: bytes) -> bytes:
    """Return the RGB or RGBA PNG with a red animation, which browsers show instead of it."""
    width, height, _, color = struct.unpack(">IIBB", picture[16:26])
    row = b"\0" + bytes([200, 0, 0, 255][: 4 if color == 6 else 3]) * width
    plays = chunk(b"acTL", struct.pack(">II", 1, 0))
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 10, 0, 0))
    frame += chunk(b"fdAT", struct.pack(">I", 1) + zlib.compress(row * height))
    first = picture.index(b"IDAT") - 4
    return picture[:first] + plays + picture[first:-12] + frame + picture[-12:]


PICTURE = png(ROWS, 2)
PIXELS = hashlib.sha256(b"rendertrust-pixels-v1 2 2 3 8\n" + b"".join(ROWS)).hexdigest()
DONE = CompletedWork(
    job="0b0e9a8e-8a55-4f8a-9a46-0e2a3b7c9d10",
    unit=0,
    attempt=1,
    job_type="render",
    inputs=(hashlib.sha256(b"scene").hexdigest(),),
    parameters={"frame": 12, "samples": 16, "gain": 0.5},
    renderer={"name": "bpy", "version": "5.2.0", "build": "e13b728c6880"},
    pixels={"sha256": PIXELS, "width": 2, "height": 2, "channels": 3, "bits": 8},
    object={"sha256": hashlib.sha256(PICTURE).hexdigest(), "size": len(PICTURE)},
    begun=TIME,
    ended=TIME + timedelta(seconds=3.5),
    measured={"seconds": 3.25},
)
WORK = work_document(DONE, "7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11", NODE.public_key())
RECEIPT = receipt_document(
    work=WORK,
    node_signature=sign_work(WORK, NODE),
    gateway=GATEWAY.public_key().public_bytes_raw(),
    verdict="sampled-out",
    price=100_000,
    issued=TIME + timedelta(seconds=5),
)


ENTRY = 41  # the debit of transfer 21


def proof_of(
    receipt: dict[str, Any], *, kind: str = "USAGE", amount: int = 100_000, entry: int = ENTRY
) -> Any:
    """Return the inclusion proof of an entry that pays for the receipt, one of three leaves."""
    digest = hashlib.sha256(canonical(receipt)).digest()
    transfer, side = side_of(entry)
    leaf = leaf_bytes(
        *(transfer, TIME, kind, amount),
        debit=hashlib.sha256(b"debit").digest(),
        credit=hashlib.sha256(b"credit").digest(),
        receipt=digest,
    )
    leaves = [b"first", leaf, b"third"]
    root = merkle.root(leaves)
    hashes = inclusion_proof(leaves, 1)
    return {
        "entry_id": entry,
        "side": side,
        "merkle_root": root.hex(),
        "proof_hashes": [part.hex() for part in hashes],
        "directions": ["left", "right"],
        "leaf": leaf.decode(),
        "leaf_hash": merkle.leaf_hash(leaf).hex(),
        "leaf_index": 1,
        "tree_size": 3,
        "checkpoint": checkpoint.sign(Checkpoint(ORIGIN, 3, root, TIME), GATEWAY),
        "verifier": str(note.verifier_of(ORIGIN, GATEWAY)),
    }


def file_of(receipt: dict[str, Any] = RECEIPT, *, proved: bool = True) -> dict[str, Any]:
    """Return a receipt file for the receipt, signed by the gateway."""
    return {
        "format": FILE,
        "receipt": receipt,
        "signature": GATEWAY.sign(receipt_message(receipt)).hex(),
        "entry_id": ENTRY if proved else None,
        "proof": proof_of(receipt) if proved else None,
    }
