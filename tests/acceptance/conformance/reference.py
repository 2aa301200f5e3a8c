"""The API reference's examples as shapes, and its close codes."""

from tests.acceptance.conformance.shapes import (
    CREDITS,
    HEX64,
    JWT,
    PRESIGNED,
    TEXT,
    TIME,
    TRANSACTION,
    UUID,
    Shape,
)

ERROR: Shape = {"detail": TEXT}
SHORTFALL: Shape = {"detail": TEXT, "available": CREDITS, "requested": CREDITS}

HEALTH: Shape = {"status": "healthy"}
VERSION: Shape = {"name": TEXT, "version": TEXT, "environment": TEXT}
CONNECTION: Shape = ("connected", "unavailable")
READY: Shape = {
    "status": ("ready", "degraded"),
    "checks": {"database": CONNECTION, "redis": CONNECTION},
}

TOKENS: Shape = {"access_token": JWT, "refresh_token": JWT, "token_type": "bearer"}
LOGGED_OUT: Shape = {"message": "Logged out successfully"}

BALANCE: Shape = {"balance": CREDITS, "user_id": UUID}
ENTRY: Shape = {
    "id": UUID,
    "amount": CREDITS,
    "direction": ("DEBIT", "CREDIT"),
    "source": TEXT,
    "reference_id": TEXT,
    "balance_after": CREDITS,
    "description": TEXT,
    "created_at": TIME,
}
HISTORY: Shape = {"entries": [ENTRY], "count": int}

PROOF: Shape = {
    "entry_id": int,
    "merkle_root": HEX64,
    "proof_hashes": [HEX64],
    "directions": [("left", "right")],
    "anchor_tx_hash": (TRANSACTION, None),  # null before the first anchor
    "block_number": (int, None),
}

JOB: Shape = {
    "id": UUID,
    "node_id": UUID,
    "job_type": TEXT,
    "payload_ref": TEXT,
    "status": TEXT,
    "result_ref": TEXT,
    "error_message": None,
    "retry_count": int,
    "queued_at": TIME,
    "dispatched_at": TIME,
    "completed_at": TIME,
    "created_at": TIME,
    "updated_at": TIME,
}
RESULT: Shape = {"job_id": UUID, "download_url": PRESIGNED, "expires_in": 3600}

NODE: Shape = {"node_id": UUID, "challenge": HEX64, "token": JWT, "status": "REGISTERED"}
ALIVE: Shape = {"node_id": UUID, "status": "HEALTHY", "acknowledged": True}

AUTHENTICATION_FAILED, HEARTBEAT_TIMEOUT = 4001, 4002
NO_NODE = "No healthy nodes with matching capability"


def user(email: str, name: str) -> Shape:
    return {"id": UUID, "email": email, "name": name, "is_active": True}


def frame(job: str, job_type: str, payload_ref: str) -> Shape:
    """Return the shape of a relay frame that dispatches a job."""
    return {
        "type": "job_dispatch",
        "job_id": job,
        "job_type": job_type,
        "payload_ref": payload_ref,
    }
