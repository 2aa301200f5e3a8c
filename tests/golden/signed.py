"""Golden receipts, leaves, notes and other signed bytes, made with fixed keys and times."""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.courier.actor import letter
from rendertrust import anchor_note, checkpoint, node_key, nonce_note, note
from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.epoch import EpochLeaf, origin_of
from rendertrust.leaf import commitment, leaf_bytes, private_bytes
from rendertrust.manifest import Manifest, ManifestEntry
from rendertrust.receipt import canonical, receipt_document
from sql.events import EventRow
from sql.webhooks import DueDelivery
from tests.unit.proof.receipts import GATEWAY, NODE, ORIGIN, RECEIPT, TIME, WORK, file_of

JOB: Final = UUID("0b0e9a8e-8a55-4f8a-9a46-0e2a3b7c9d10")
NODE_ID: Final = UUID("7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11")
USER: Final = UUID("550e8400-e29b-41d4-a716-446655440000")
OLD_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
CONTRACT: Final = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SALTS: Final = bytes(range(64))
SHARED: Final[dict[str, Any]] = {
    "reference": f"job:{JOB}:0",
    "description": 'Rendering "Wald & Wiese", \u00fcber Nacht\n',
}
DEBIT: Final = private_bytes(f"user:{USER}", 3, 1_000_000, 900_000, **SHARED)
CREDIT: Final = private_bytes("revenue:7", 41, 5_000_000, 5_100_000, **SHARED)
LEAF: Final[dict[str, Any]] = {
    "transfer": 21,
    "time": datetime(2026, 3, 13, 12, 0, 0, 5, UTC),
    "kind": "USAGE",
    "amount": 100_000,
    "debit": commitment(SALTS[:32], DEBIT),
    "credit": commitment(SALTS[32:], CREDIT),
}
EPOCH: Final = EpochLeaf(2, TIME, "farm.example/log", 7, "0x" + "ab" * 20, 9, b"\7" * 32)
EVENT: Final = EventRow(
    number=7,
    type="unit.completed",
    job_name="scene",
    at=TIME,
    unit=0,
    state="COMPLETED",
    attempt=1,
    node_id=NODE_ID,
    money="charged",
    amount=100_000,
    frame=12,
)


def receipts() -> dict[str, bytes]:
    """Return the node's work, the gateway's receipt, and the receipt file with its proof."""

    def unchecked(verdict: str, reason: str) -> dict[str, Any]:
        return receipt_document(
            work=WORK,
            node_signature=RECEIPT["node_signature"],
            gateway=GATEWAY.public_key().public_bytes_raw(),
            verdict=verdict,
            price=0,
            issued=TIME,
            reason=reason,
        )

    return {
        "work.json": canonical(WORK),
        "receipt.json": canonical(RECEIPT),
        "receipt-file.json": canonical(file_of()),
        "receipt-with-reason.json": canonical(unchecked("unverified", "no-verifier")),
        "receipt-unverifiable.json": canonical(unchecked("unverifiable", "no-build")),
    }


def leaves() -> dict[str, bytes]:
    """Return a transfer with and without a receipt, the private parts of its sides, and an epoch's
    first leaf.
    """
    receipt = bytes(range(32, 64))
    return {
        "private-debit.txt": DEBIT,
        "private-credit.txt": CREDIT,
        "transfer.txt": leaf_bytes(**LEAF),
        "transfer-with-receipt.txt": leaf_bytes(**LEAF, receipt=receipt),
        "epoch.txt": EPOCH.canonical,
    }


def checkpoints() -> dict[str, bytes]:
    """Return notes signed with the log's key, its verifier keys, and proofs of a node's key."""
    made = Checkpoint(ORIGIN, 42, bytes(range(64, 96)), TIME)
    transaction = "0x" + "cd" * 32
    anchor = AnchorNote(ORIGIN, 11_155_111, CONTRACT, 42, made.root, transaction, 12_345)
    origins = (ORIGIN, origin_of(EPOCH))
    nonce, challenge = "5e" * 32, "a1" * 32
    proofs = [
        node_key.sign_proof(NODE, str(NODE_ID), challenge, to) for to in (None, "farm.example")
    ]
    texts = {
        "checkpoint.txt": checkpoint.sign(made, GATEWAY),
        "checkpoint-of-two-keys.txt": checkpoint.sign(made, GATEWAY, OLD_KEY),
        "anchor-note.txt": anchor_note.sign(anchor, GATEWAY),
        "nonce.txt": nonce_note.sign(ORIGIN, nonce, GATEWAY),
        "verifiers.txt": "".join(f"{note.verifier_of(one, GATEWAY)}\n" for one in origins),
        "node-proofs.txt": "".join(f"{proof}\n" for proof in proofs),
    }
    return {name: text.encode() for name, text in texts.items()}


def deliveries() -> dict[str, bytes]:
    """Return a webhook with its signed headers, and the manifest of a job."""
    due = DueDelivery(
        id=UUID(int=1),
        endpoint=UUID(int=2),
        user=USER,
        url="https://example.com/hooks",
        secrets=(bytes(range(24)), bytes(range(24, 48))),
        job=JOB,
        type=EVENT.type,
        tries=1,
        failing_since=None,
        event=EVENT,
    )
    made = letter(due, EVENT, 1_773_403_200)
    files = tuple(
        ManifestEntry(path, hashlib.sha256(path.encode()).hexdigest(), size, str(UUID(int=size)))
        for path, size in (("shots/a.blend", 3), ("textures/wood.png", 4))
    )
    manifest = Manifest("shots/a.blend", files)
    return {
        "webhook.json": made.body,
        "webhook-headers.json": orjson.dumps(dict(made.headers), option=orjson.OPT_INDENT_2),
        "manifest.json": manifest.written("upload"),
        "manifest-of-the-gateway.json": manifest.written("key"),
    }
