"""Examples of accounts, credits, uploads, nodes and webhooks, and the ids that all examples share.

A test checks each example against the schema of its operation. Tokens, ids and addresses are made
up.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import rendertrust
from rendertrust.program_version import join_line

Example: TypeAlias = Mapping[str, Any]

USER_ID: Final = "550e8400-e29b-41d4-a716-446655440000"
ADMIN_ID: Final = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9"
SESSION_ID: Final = "c0ffee00-1234-4abc-9def-0123456789ab"
INVITATION_ID: Final = "1a2b3c4d-5e6f-4708-9a0b-c1d2e3f40516"
KEY_ID: Final = "d00dfeed-4321-4cba-8fed-ba9876543210"
JOB_ID: Final = "3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52"
NODE_ID: Final = "8c6f1d2e-7b3a-4f95-b1c0-2e9d4a6b8f10"
UPLOAD_ID: Final = "b1a7c0de-1f2e-4d3c-8b9a-0123456789ab"
HOLD_ID: Final = "0a9b8c7d-6e5f-4a3b-8c2d-1e0f9a8b7c6d"
ENTRY_ID: Final = "6d0f4c1b-92ae-4b7d-8c35-f1e2d3c4b5a6"
TOKEN: Final = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl"  # noqa: S105 - made up
PUBLIC_KEY: Final = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n"
)
SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
UPLOADED: Final = f"s3://rendertrust/uploads/{USER_ID}/{SHA256}.blend"

HEALTH: Final[Example] = {"status": "healthy"}
VERSION: Final[Example] = {
    "name": "RenderTrust",
    "version": rendertrust.__version__,
    "environment": "production",
}
READINESS: Final[Example] = {
    "status": "ready",
    "checks": dict.fromkeys(
        ("database", "redis", "objects", "scheduler", "ledger", "log"), "connected"
    ),
    "log": {
        "leaves": 120,
        "unanchored": 4,
        "unanchored_since": "2026-03-13T12:00:01Z",
        "halted": None,
    },
}

CREDENTIALS: Final[Example] = {"email": "user@example.com", "password": "securepassword123"}
REGISTRATION: Final[Example] = {**CREDENTIALS, "name": "Jane Smith"}
TOKENS: Final[Example] = {
    "access_token": TOKEN,
    "refresh_token": TOKEN,
    "token_type": "bearer",
}
REGISTERED: Final[Example] = {
    "user": {
        "id": USER_ID,
        "email": "user@example.com",
        "name": "Jane Smith",
        "is_active": True,
    },
    "tokens": TOKENS,
}

REFRESH: Final[Example] = {"refresh_token": TOKEN}
DEVICE_LOGIN: Final[Example] = {
    "device_code": "9f86d081884c7d659a2feaa0c55ad015",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://farm.example.org/console/device",
    "verification_uri_complete": "https://farm.example.org/console/device?code=BCDF-GHJK",
    "expires_in": 600,
    "interval": 5,
}
DEVICE_CODE: Final[Example] = {"device_code": "9f86d081884c7d659a2feaa0c55ad015"}
FACTOR_CODE: Final[Example] = {"otp": "492039"}
FACTOR_GIVEN: Final[Example] = {"message": "Your second factor counts for ten minutes"}
LOGGED_OUT: Final[Example] = {"message": "Logged out successfully"}
PASSWORD_CHANGE: Final[Example] = {
    "old_password": "securepassword123",
    "new_password": "correct horse battery staple",
}
PASSWORD_CHANGED: Final[Example] = {"message": "Password changed; all other sessions have ended"}
FORGOTTEN_PASSWORD: Final[Example] = {"email": "user@example.com"}
RESET_REQUESTED: Final[Example] = {
    "message": "If an account has this address, a link for a new password is on its way to it"
}
RESET_TOKEN: Final = "rtr_0123456789abcdef0123456789abcdef"  # noqa: S105 - made up
PASSWORD_RESET: Final[Example] = {
    "token": RESET_TOKEN,
    "new_password": "correct horse battery staple",
}
PASSWORD_RESET_DONE: Final[Example] = {"message": "Password changed; all sessions have ended"}
RESET_LINK: Final[Example] = {
    "link": f"https://farm.example/console/reset-password#token={RESET_TOKEN}",
    "expires_at": "2026-03-13T12:30:00Z",
}
ADDRESS_VERIFICATION: Final[Example] = {"token": "rtv_0123456789abcdef0123456789abcdef"}
ADDRESS_VERIFIED: Final[Example] = {"message": "The address is verified"}
VERIFICATION_SENT: Final[Example] = {
    "message": "A link is on its way to your address, unless it is verified already"
}
SESSIONS: Final[Example] = {
    "sessions": [
        {
            "sid": SESSION_ID,
            "client": f"rendertrust/{rendertrust.__version__}",
            "current": True,
            "created_at": "2026-03-13T12:00:00Z",
            "refreshed_at": "2026-03-13T12:25:00Z",
            "expires_at": "2026-03-20T12:25:00Z",
        }
    ],
    "count": 1,
}
SESSION_ENDED: Final[Example] = {"message": "The session has ended"}
NEW_KEY: Final[Example] = {
    "name": "render farm",
    "scopes": ["jobs:read", "jobs:write", "uploads:write"],
    "expires_at": "2027-03-13T12:00:00Z",
}
KEY: Final[Example] = {
    **NEW_KEY,
    "id": KEY_ID,
    "hint": "q1Zc",
    "created_at": "2026-03-13T12:00:00Z",
    "last_used_at": None,
}
CREATED_KEY: Final[Example] = {
    **KEY,
    "key": "rtk_5mJ0Vd8RkQ2sT4uW6yA8cE0gI2kM4oQ6sU8wY0aC2eGaq1Zcb",
}
KEYS: Final[Example] = {"keys": [KEY], "count": 1}
KEY_REVOKED: Final[Example] = {"message": "The key was revoked"}
ACCOUNT: Final[Example] = {
    "id": USER_ID,
    "email": "user@example.com",
    "name": "Jane Smith",
    "role": "user",
    "is_active": True,
    "created_at": "2026-03-13T12:00:00Z",
}
USER_TO_CREATE: Final[Example] = {
    "email": "user@example.com",
    "name": "Jane Smith",
    "role": "user",
    "reason": "Starts on Monday",
}
CREATED_USER: Final[Example] = {
    "user": ACCOUNT,
    "mailed": False,
    "link": f"https://farm.example/console/reset-password#token={RESET_TOKEN}",
    "expires_at": "2026-03-16T12:00:00Z",
}
RESET_MAILED: Final[Example] = {"message": "A link for a new password is on its way to the user"}
OWN_ACCOUNT: Final[Example] = {
    "id": USER_ID,
    "email": "user@example.com",
    "name": "Jane Smith",
    "role": "user",
    "created_at": "2026-03-13T12:00:00Z",
    "verified_at": "2026-03-13T12:05:00Z",
    "mails": ["job.completed", "job.failed", "job.paused", "node.offline"],
    "invoice_to": "Studio Smith Ltd\n1 High Street\nLondon",
}
ACCOUNT_EXPORT: Final[Example] = {
    "exported_at": "2026-03-13T12:00:00Z",
    "gateway": "https://farm.example.org",
    "account": OWN_ACCOUNT,
    "payout_account": None,
    "sessions": [],
    "factors": [],
    "keys": [
        {
            "id": KEY_ID,
            "name": "render farm",
            "hint": "q1Zc",
            "scopes": ["jobs:read"],
            "created_at": "2026-03-13T12:00:00Z",
            "expires_at": None,
            "last_used_at": None,
            "revoked_at": None,
        }
    ],
    **{
        name: []
        for name in (
            "identities",
            *("mails", "organisations", "trusted", "webhooks", "nodes", "uploads", "preflights"),
            *(
                "jobs",
                "presets",
                "share_links",
                "disputes",
                "dispute_answers",
                "purchases",
                "credits",
                "earnings",
                "payout_rules",
                "payouts",
            ),
            "audit",
        )
    },
}
ACCOUNT_DELETION: Final[Example] = {"password": "securepassword123"}
ACCOUNT_DELETED: Final[Example] = {"message": "The account was deleted"}
ACCOUNT_CHANGE: Final[Example] = {
    "mails": ["job.completed", "job.failed", "job.paused", "node.offline"],
    "invoice_to": "Studio Smith Ltd\n1 High Street\nLondon",
}
ACCOUNTS: Final[Example] = {"users": [ACCOUNT], "count": 1, "next": None}
BECAUSE: Final[Example] = {"reason": "Asked for it by telephone"}
NEW_ROLE: Final[Example] = {**BECAUSE, "role": "operator"}
NEW_PASSWORD: Final[Example] = {**BECAUSE, "password": "correct horse battery staple"}
INVITATION_ORDER: Final[Example] = {
    "email": "user@example.com",
    "days": 7,
    "reason": "Starts on Monday",
}
INVITATION: Final[Example] = {
    "id": INVITATION_ID,
    "email": "user@example.com",
    "created_at": "2026-03-13T12:00:00Z",
    "created_by": "ann@example.com",
    "expires_at": "2026-03-20T12:00:00Z",
}
CREATED_INVITATION: Final[Example] = {
    **INVITATION,
    "token": "rti_9f86d081884c7d659a2feaa0c55ad015",
    "link": (
        "https://farm.example/console/sign-up#invitation=rti_9f86d081884c7d659a2feaa0c55ad015"
    ),
}
INVITATIONS: Final[Example] = {"invitations": [INVITATION], "count": 1}
INVITATION_REVOKED: Final[Example] = {"message": "The invitation was revoked"}
AUDIT: Final[Example] = {
    "records": [
        {
            "number": 7,
            "at": "2026-03-13T12:00:00Z",
            "actor_id": ADMIN_ID,
            "actor": "ann@example.com",
            "act": "user.role",
            "target": f"user:{USER_ID}",
            "reason": "Asked for it by telephone",
            "request_id": "a1b2c3d4e5f60718",
            "details": {"role": "operator"},
        }
    ],
    "next": None,
}

NEW_PRICE: Final[Example] = {"price": "12.5", "reason": "Dearer electricity"}
PRICE_CHANGE: Final[Example] = {
    "number": 6,
    "job_type": "render",
    "price": "12.5000",
    "since": "2026-03-13T12:00:00Z",
    "changed_by": "ann@example.com",
    "reason": "Dearer electricity",
}
PRICES: Final[Example] = {
    "prices": [
        {
            "job_type": "render",
            "price": "12.5000",
            "since": "2026-03-13T12:00:00Z",
            "number": 6,
        }
    ],
    "history": [PRICE_CHANGE],
    "next": None,
}

BALANCE: Final[Example] = {
    "balance": "1000.0000",
    "user_id": USER_ID,
    "held": "10.0000",
    "available": "990.0000",
}
ENTRY: Final[Example] = {
    "id": ENTRY_ID,
    "entry_id": 42,
    "amount": "10.0000",
    "direction": "DEBIT",
    "source": "USAGE",
    "reference_id": "job-abc123",
    "balance_after": "990.0000",
    "description": "Job execution: render",
    "created_at": "2026-03-13T12:00:00Z",
}
HISTORY: Final[Example] = {"entries": [ENTRY], "count": 42, "next": ENTRY_ID}
DEDUCTION: Final[Example] = {
    "amount": "10.0000",
    "reference_id": "manual-001",
    "description": "Manual adjustment",
}
DEDUCTED: Final[Example] = {
    **ENTRY,
    "source": "ADJUSTMENT",
    "reference_id": "manual-001",
    "description": "Manual adjustment",
}
GRANT: Final[Example] = {
    "user_id": USER_ID,
    "amount": "50",
    "reason": "The node failed all weekend",
    "description": "With our apologies",
}
GRANTED: Final[Example] = {
    **ENTRY,
    "amount": "50.0000",
    "direction": "CREDIT",
    "source": "ADJUSTMENT",
    "reference_id": f"grant:{HOLD_ID}",
    "description": "With our apologies",
}
ADJUSTMENT: Final[Example] = {
    "user_id": USER_ID,
    "amount": "-2.5",
    "reason": "Granted twice by mistake",
}
ADJUSTED: Final[Example] = {
    **ENTRY,
    "amount": "2.5000",
    "source": "ADJUSTMENT",
    "reference_id": f"adjust:{HOLD_ID}",
    "description": "Adjusted",
}
REFUND: Final[Example] = {"job_id": JOB_ID, "reason": "The picture was black"}
REFUNDED: Final[Example] = {
    **ENTRY,
    "direction": "CREDIT",
    "source": "REFUND",
    "reference_id": f"job:{JOB_ID}:0",
    "description": "Refund: render",
}
HOLDS: Final[Example] = {
    "holds": [
        {
            "id": HOLD_ID,
            "amount": "10.0000",
            "job_id": JOB_ID,
            "job_type": "render",
            "job_status": "RUNNING",
            "reference_id": f"job:{JOB_ID}:0",
            "created_at": "2026-03-13T12:00:00Z",
        }
    ],
    "count": 1,
    "held": "10.0000",
}
USAGE: Final[Example] = {
    "days": [
        {"day": "2026-03-12", "charged": "0.0000", "jobs": 0},
        {"day": "2026-03-13", "charged": "30.0000", "jobs": 3},
    ],
    "charged": "30.0000",
}

NEW_PURCHASE: Final[Example] = {"sku": "cred10"}
CHECKOUT: Final[Example] = {"url": "https://checkout.stripe.com/c/pay/cs_live_a1b2c3d4e5f6"}
OFFER: Final[Example] = {
    "sku": "cred10",
    "title": "100 credits",
    "credits": "100.0000",
    "amount": 1000,
    "currency": "usd",
}
OFFERS: Final[Example] = {"skus": [OFFER], "cheapest": "cred10"}
SKU: Final[Example] = {**OFFER, "on_sale": True, "changed_at": "2026-03-13T12:00:00Z"}
SKUS: Final[Example] = {"skus": [SKU]}
TERMS: Final[Example] = {
    "title": "100 credits",
    "credits": "100",
    "amount": 1000,
    "currency": "usd",
    "reason": "A new price",
}
STRIPE_EVENT: Final[Example] = {
    "id": "evt_1SxA2bC3dE4fG5hI6jK7lM8n",
    "object": "event",
    "type": "checkout.session.completed",
    "data": {
        "object": {
            "id": "cs_live_a1b2c3d4e5f6",
            "object": "checkout.session",
            "client_reference_id": JOB_ID,
            "payment_status": "paid",
            "amount_total": 1000,
            "currency": "usd",
            "payment_intent": "pi_3SxA2bC3dE4fG5hI",
        }
    },
}
RECEIVED: Final[Example] = {"received": True}

NEW_UPLOAD: Final[Example] = {"sha256": SHA256, "size": 1048576, "filename": "scene.blend"}
UPLOAD: Final[Example] = {
    "id": UPLOAD_ID,
    "payload_ref": UPLOADED,
    "sha256": SHA256,
    "size": 1048576,
    "filename": "scene.blend",
    "status": "PENDING",
    "created_at": "2026-03-13T12:00:00Z",
    "completed_at": None,
    "put": {
        "url": "https://storage.example.com/bucket/key?X-Amz-Signature=0123abcd",
        "headers": {"Content-Length": "1048576"},
        "expires_in": 3600,
    },
    "parts": None,
}
WANTED_PARTS: Final[Example] = {"parts": [{"number": 2, "sha256": SHA256}]}
PART_URLS: Final[Example] = {
    "parts": [
        {
            "number": 2,
            "size": 67108864,
            "url": "https://storage.example.com/bucket/key?partNumber=2&uploadId=0123abcd",
            "headers": {"Content-Length": "67108864"},
        }
    ],
    "expires_in": 3600,
}
SENT: Final[Example] = {"parts": [SHA256, SHA256]}
COMPLETED_UPLOAD: Final[Example] = {
    **UPLOAD,
    "status": "COMPLETED",
    "completed_at": "2026-03-13T12:01:00Z",
    "put": None,
}
STORAGE: Final[Example] = {
    "uploads": [
        {
            "id": UPLOAD_ID,
            "filename": "scene.blend",
            "size": 1048576,
            "sha256": SHA256,
            "created_at": "2026-03-13T12:00:00Z",
            "expires_at": "2026-04-12T12:00:00Z",
            "jobs": 1,
        }
    ],
    "count": 1,
    "used": 1048576,
    "quota": 107374182400,
}
UPLOAD_REMOVED: Final[Example] = {"message": "The upload was removed"}

NEW_NODE: Final[Example] = {
    "name": "gpu-node-east-1",
    "public_key": PUBLIC_KEY,
    "capabilities": ["render", "inference"],
    "metadata": {"gpu": "RTX 4090"},
}
REGISTERED_NODE: Final[Example] = {
    "node_id": NODE_ID,
    "challenge": SHA256,
    "token": TOKEN,
    "status": "REGISTERED",
}
JOIN_CODE_TEXT: Final = "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43UOV3HO6DZPIYTEMZU"
JOIN_CODE: Final[Example] = {
    "id": "7d1f3c5a-9b2e-4a6d-8c0f-1e3d5b7a9c2f",
    "created_at": "2026-03-13T12:00:00Z",
    "expires_at": "2026-03-13T12:15:00Z",
    "used_at": None,
    "node_id": None,
}
CREATED_JOIN_CODE: Final[Example] = {
    **JOIN_CODE,
    "code": JOIN_CODE_TEXT,
    "command": f"rendertrust node join https://farm.example --code {JOIN_CODE_TEXT}",
    "install_command": join_line("https://farm.example", JOIN_CODE_TEXT),
}
JOIN_CODES: Final[Example] = {"codes": [JOIN_CODE]}
JOIN_CODE_REVOKED: Final[Example] = {"message": "The join code was revoked"}
JOINING_NODE: Final[Example] = {**NEW_NODE, "code": JOIN_CODE_TEXT}
GIVEN_JOIN_CODE: Final[Example] = {"code": JOIN_CODE_TEXT}
JOIN_CODE_VALID: Final[Example] = {"message": "The join code is valid"}
JOINED_NODE: Final[Example] = {**REGISTERED_NODE, "owner_id": USER_ID}
PROOF: Final[Example] = {
    "node_id": NODE_ID,
    "challenge": SHA256,
    "signature": SHA256 * 2,
    "authority": "farm.example",
}
VERIFIED_NODE: Final[Example] = {
    "node_id": NODE_ID,
    "token": TOKEN,
    "status": "HEALTHY",
    "owner_id": USER_ID,
}
HEARTBEAT: Final[Example] = {"current_load": 0.45, "metadata": {"gpu_temp": 72}}
HEARTBEAT_SEEN: Final[Example] = {
    "node_id": NODE_ID,
    "status": "HEALTHY",
    "acknowledged": True,
}
NODE: Final[Example] = {
    "id": NODE_ID,
    "owner_id": USER_ID,
    "name": "gpu-node-east-1",
    "capabilities": ["render", "inference"],
    "metadata": {"gpu": "RTX 4090", "gpu_temp": 72},
    "status": "HEALTHY",
    "standing": "ACTIVE",
    "standing_reason": "",
    "standing_at": None,
    "standing_by": None,
    "failing_since": None,
    "failing_reason": "",
    "current_load": 0.45,
    "verified_at": "2026-03-13T12:00:00Z",
    "seen_at": "2026-03-13T12:05:00Z",
    "created_at": "2026-03-13T11:59:58Z",
    "reputation": [
        {
            "device_class": "cpu/avx2/5.2",
            "valid": 41,
            "invalid": 0,
            "valid_in_row": 41,
            "strikes": 0,
            "score": 0.9767,
        }
    ],
    "checkable": True,
}
NODES: Final[Example] = {"nodes": [NODE], "count": 1, "next": None}
REASON: Final[Example] = {"reason": "a new graphics card"}
SPOKEN: Final[Example] = {
    **NODE,
    "standing_reason": "a new graphics card",
    "standing_at": "2026-03-13T12:06:00Z",
    "standing_by": "owner",
}
DRAINING_NODE: Final[Example] = {**SPOKEN, "standing": "DRAINING"}
QUARANTINED_NODE: Final[Example] = {**SPOKEN, "standing": "QUARANTINED", "standing_by": "admin"}
REVOKED_NODE: Final[Example] = {**SPOKEN, "standing": "REVOKED"}
NODE_CHECKS: Final[Example] = {
    "checks": [
        {
            "job_id": JOB_ID,
            "unit": 3,
            "attempt": 1,
            "device_class": "cpu/avx2/5.2",
            "verdict": "invalid",
            "said": "5.21 times the noise; of the whole frame 5.18 times the noise",
            "strike": True,
            "opened_at": "2026-03-13T12:04:00Z",
            "decided_at": "2026-03-13T12:05:00Z",
            "reason": None,
        }
    ]
}
CHECK_QUEUE: Final[Example] = {
    "waiting": 3,
    "oldest_seconds": 12.4,
    "overdue": 0,
    "checking": 1,
    "verifiers": [
        {
            "node_id": NODE_ID,
            "name": "embedded verifier on gw-1",
            "device_class": "cpu/x86_64/avx2/5.2.0",
            "build": "5.2.0",
            "cores": 4,
            "checking": 1,
            "load": 0.27,
            "seen_at": "2026-03-13T12:05:00Z",
        }
    ],
}
NODE_CONNECTIONS: Final[Example] = {
    "connections": [
        {
            "address": "203.0.113.7",
            "opened_at": "2026-03-13T12:00:00Z",
            "pong_at": "2026-03-13T12:05:00Z",
            "ended_at": "2026-03-13T12:05:09Z",
            "code": 4003,
            "why": "Replaced by a newer connection",
            "by_us": True,
        }
    ]
}
NEW_ENDPOINT: Final[Example] = {"url": "https://farm.example.com/hooks", "types": ["job.*"]}
ENDPOINT: Final[Example] = {
    **NEW_ENDPOINT,
    "id": KEY_ID,
    "enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "failing_since": None,
    "created_at": "2026-03-13T12:00:00Z",
}
CREATED_ENDPOINT: Final[Example] = {
    **ENDPOINT,
    "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}
ENDPOINTS: Final[Example] = {"endpoints": [ENDPOINT]}
ENDPOINT_CHANGE: Final[Example] = {"types": ["job.completed", "job.failed"], "enabled": True}
ENDPOINT_DELETED: Final[Example] = {"message": "The endpoint was deleted"}
DELIVERY: Final[Example] = {
    "id": KEY_ID,
    "endpoint_id": KEY_ID,
    "job_id": JOB_ID,
    "number": 7,
    "type": "job.completed",
    "state": "DELIVERED",
    "tries": 2,
    "due_at": "2026-03-13T12:06:00Z",
    "tried_at": "2026-03-13T12:05:00Z",
    "status": 204,
    "error": None,
    "created_at": "2026-03-13T12:05:00Z",
    "ended_at": "2026-03-13T12:05:00Z",
    "answers": [
        {"at": "2026-03-13T12:04:55Z", "status": 503, "error": None},
        {"at": "2026-03-13T12:05:00Z", "status": 204, "error": None},
    ],
}
DELIVERIES: Final[Example] = {"deliveries": [DELIVERY], "next": None}
