"""Examples of earnings, payouts, purchases, disputes and statements."""

from typing import Final

from web.openapi.examples.reference import JOB_ID, NODE_ID, USER_ID, Example

SHARE_ID: Final = "1c2d3e4f-5a6b-4c7d-8e9f-a0b1c2d3e4f5"
PAYOUT_ID: Final = "2d3e4f5a-6b7c-4d8e-9fa0-b1c2d3e4f5a6"
BATCH_ID: Final = "3e4f5a6b-7c8d-4e9f-a0b1-c2d3e4f5a6b7"
PURCHASE_ID: Final = "5a6b7c8d-9eaf-4b1c-82d3-e4f5a6b7c8d9"
DISPUTE_ID: Final = "4f5a6b7c-8d9e-4fa0-b1c2-d3e4f5a6b7c8"

EARNINGS: Final[Example] = {
    "earnings": [
        {
            "id": SHARE_ID,
            "job_id": JOB_ID,
            "unit": 0,
            "node_id": NODE_ID,
            "amount": "7.0000",
            "state": "pending",
            "work": "render",
            "disputed": False,
            "earned_at": "2026-03-13T12:05:00Z",
            "payable_at": "2026-03-20T12:05:00Z",
            "payout_id": None,
            "entry_id": 44,
            "proof_path": "/api/v1/ledger/44/proof",
            "receipt_path": f"/api/v1/jobs/{JOB_ID}/units/0/receipt",
            "why": None,
        }
    ],
    "count": 31,
    "next": SHARE_ID,
    "totals": {
        "pending": "7.0000",
        "payable": "140.0000",
        "requested": "0.0000",
        "paid": "70.0000",
        "reversed": "0.0000",
        "forfeited": "0.0000",
    },
}
_EARNING_SUM: Final[Example] = {
    "day": "2026-03-13",
    "node_id": None,
    "node_name": None,
    "earned": "7.0000",
    "lost": "0.0000",
    "units": 1,
    "frames": 1,
    "seconds": 300.0,
    "per_hour": "84.0000",
    "device_class": None,
    "speed": None,
}
EARNING_SUMS: Final[Example] = {
    "first": "2026-02-13",
    "last": "2026-03-14",
    "by": "day",
    "sums": [_EARNING_SUM],
    "nodes": 1,
    "total": {**_EARNING_SUM, "day": None},
}
UNPAID_RESULTS: Final[Example] = {
    "first": "2026-02-13",
    "last": "2026-03-14",
    "results": [
        {
            "job_id": JOB_ID,
            "unit": 0,
            "node_id": NODE_ID,
            "node_name": "workstation",
            "at": "2026-03-13T12:05:00Z",
            "amount": "7.0000",
            "reason": "refunded",
            "why": "Its creator got the charge back: a dispute was upheld.",
            "dispute_id": DISPUTE_ID,
            "picture_path": f"/api/v1/jobs/{JOB_ID}/units/0/dispute/picture",
            "comparison_path": None,
        }
    ],
    "has_more": False,
}
NEW_PAYOUT: Final[Example] = {"to": "credits"}
PAYOUT: Final[Example] = {
    "id": PAYOUT_ID,
    "to": "credits",
    "amount": "140.0000",
    "units": 20,
    "state": "paid",
    "batch_id": None,
    "reference": "",
    "requested_at": "2026-03-21T09:00:00Z",
    "closed_at": "2026-03-21T09:00:00Z",
}
NEW_PAYOUT_RULES: Final[Example] = {"schedule": "monthly", "to": "credits", "minimum": "25"}
PAYOUT_RULES: Final[Example] = {
    "schedule": "monthly",
    "to": "credits",
    "minimum": "25.0000",
    "least": "25.0000",
    "next_at": "2026-04-01T06:00:00Z",
}
_ACCOUNT: Final[Example] = {
    "method": "SEPA",
    "account": "DE02 1203 0000 0000 2020 51",
    "currency": "eur",
}
PAYOUT_ACCOUNT_ORDER: Final[Example] = {**_ACCOUNT, "password": "securepassword123"}
PAYOUT_ACCOUNT: Final[Example] = {**_ACCOUNT, "changed_at": "2026-03-01T09:00:00Z"}
OWN_PAYOUT_ACCOUNT: Final[Example] = {
    **PAYOUT_ACCOUNT,
    "account": "…2051",
    "usable_at": "2026-03-04T09:00:00Z",
    "until_then": None,
}
PAYOUT_ACCOUNT_STOPPED: Final[Example] = {"message": "The change of the payout account was stopped"}
PAYOUT_ACCOUNT_REMOVED: Final[Example] = {"message": "The payout account was removed"}
PURCHASES: Final[Example] = {
    "purchases": [
        {
            "id": PURCHASE_ID,
            "sku": "cred10",
            "credits": "100.0000",
            "amount": 1000,
            "currency": "usd",
            "state": "paid",
            "refunded": "0.0000",
            "created_at": "2026-03-13T12:00:00Z",
            "paid_at": "2026-03-13T12:02:00Z",
            "credit_notes": [],
        }
    ],
    "count": 1,
}
PAYOUTS: Final[Example] = {"payouts": [PAYOUT], "count": 1, "next": None}
STATEMENT: Final[Example] = {
    "month": "2026-03",
    "operator_id": USER_ID,
    "opening": "0.0000",
    "earned": "7.0000",
    "checked": "0.0000",
    "claimed": "0.0000",
    "reversed": "0.0000",
    "fined": "0.0000",
    "paid": "0.0000",
    "closing": "7.0000",
    "lines": [
        {
            "entry_id": 44,
            "at": "2026-03-13T12:05:00Z",
            "kind": "earned",
            "amount": "7.0000",
            "balance": "7.0000",
            "job_id": JOB_ID,
            "unit": 0,
            "node_id": NODE_ID,
            "payout_id": None,
            "description": "Job execution: render",
        }
    ],
    "next": None,
}

OPERATORS_PAYOUT: Final[Example] = {
    **PAYOUT,
    "to": "money",
    "state": "requested",
    "closed_at": None,
    "operator_id": USER_ID,
    "email": "user@example.com",
    "name": "Jane Smith",
    "account": PAYOUT_ACCOUNT,
}
OPERATORS_PAYOUTS: Final[Example] = {"payouts": [OPERATORS_PAYOUT], "count": 1, "next": None}
APPROVED_PAYOUT: Final[Example] = {
    **OPERATORS_PAYOUT,
    "state": "approved",
    "batch_id": BATCH_ID,
}
APPROVAL: Final[Example] = {"payouts": [PAYOUT_ID], "reason": "Checked for March"}
BATCH: Final[Example] = {
    "batch_id": BATCH_ID,
    "amount": "140.0000",
    "left": 1,
    "payouts": [APPROVED_PAYOUT],
}
REJECTION: Final[Example] = {"reason": "The account does not exist", "not_paid": True}
SENT: Final[Example] = {"reference": "SEPA 2026-03-21/1", "reason": "Sent by the bank"}
PAID_BATCH: Final[Example] = {
    **BATCH,
    "left": 0,
    "payouts": [
        {
            **APPROVED_PAYOUT,
            "state": "paid",
            "reference": "SEPA 2026-03-21/1",
            "closed_at": "2026-03-22T10:00:00Z",
        }
    ],
}
REJECTED_PAYOUT: Final[Example] = {
    **OPERATORS_PAYOUT,
    "state": "rejected",
    "closed_at": "2026-03-22T10:00:00Z",
}

COMPLAINT: Final[Example] = {
    "reason": "The left half is black",
    "problem": "black",
    "region": {"x": 0, "y": 0, "width": 0.5, "height": 1},
}
DISPUTE: Final[Example] = {
    "id": DISPUTE_ID,
    "job_id": JOB_ID,
    "unit": 0,
    "reason": "The left half is black",
    "charge": "10.0000",
    "state": "open",
    "decision": "",
    "opened_at": "2026-03-14T08:00:00Z",
    "decided_at": None,
    "by_gateway": False,
    "problem": "black",
    "region": {"x": 0.0, "y": 0.0, "width": 0.5, "height": 1.0},
    "answer": None,
}
NEW_ANSWER: Final[Example] = {
    "text": "The scene has no light on the left: the lamp is hidden",
    "region": {"x": 0, "y": 0, "width": 0.5, "height": 1},
}
WORK_DISPUTE: Final[Example] = {
    **{name: DISPUTE[name] for name in DISPUTE if name not in ("reason", "charge")},
    "share": "7.0000",
    "answer": {
        "text": "The scene has no light on the left: the lamp is hidden",
        "region": {"x": 0.0, "y": 0.0, "width": 0.5, "height": 1.0},
        "answered_at": "2026-03-14T09:00:00Z",
    },
}
WORK_DISPUTES: Final[Example] = {"disputes": [WORK_DISPUTE], "count": 1, "next": None}
DISPUTES: Final[Example] = {"disputes": [DISPUTE], "count": 1, "next": None}
DECISION: Final[Example] = {"reason": "It is black indeed"}
OPEN_DISPUTE: Final[Example] = {
    **DISPUTE,
    "user_id": USER_ID,
    "operator_id": "5a6b7c8d-9eaf-4b0c-81d2-e3f4a5b6c7d8",
    "share": "7.0000",
    "withheld_until": None,
}
OPEN_DISPUTES: Final[Example] = {"disputes": [OPEN_DISPUTE], "count": 1, "next": None}
UPHELD_DISPUTE: Final[Example] = {
    **OPEN_DISPUTE,
    "state": "upheld",
    "decision": "It is black indeed",
    "decided_at": "2026-03-15T08:00:00Z",
}
REJECTED_DISPUTE: Final[Example] = {**UPHELD_DISPUTE, "state": "rejected", "decision": "It is not"}
