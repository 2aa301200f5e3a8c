"""Requests that succeed: what chance alone would never find."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fuzz.stage import PASSWORD, Json, Stage, numbers
from tests.fuzz.worker import EARNING


@attrs.frozen
class Good:
    """What to put into a request so that it succeeds; None leaves what is there."""

    ids: dict[str, str] = attrs.field(factory=dict[str, str])
    body: Json | None = None
    token: str | None = None
    query: Json | None = None


Recipe: TypeAlias = Callable[[Stage], Good]
BECAUSE = {"reason": "a made-up request"}
# Whatever is sent there, somebody else's session must bear it.
PRIVATE = frozenset({"auth_logout"})
# Open to every user, and only an admin can do it.
OF_ADMINS = frozenset({"fleet_quarantine", "operators_pay_out"})


def login(stage: Stage) -> Good:
    return Good(body={"email": stage.register()["email"], "password": PASSWORD})


def refresh(stage: Stage) -> Good:
    return Good(body={"refresh_token": stage.register()["tokens"]["refresh_token"]})


def logout(stage: Stage) -> Good:
    return Good(token=stage.register()["tokens"]["access_token"])


def change_password(stage: Stage) -> Good:
    body = {"old_password": PASSWORD, "new_password": PASSWORD[::-1]}
    return attrs.evolve(logout(stage), body=body)


def end_session(stage: Stage) -> Good:
    token = stage.register()["tokens"]["access_token"]
    (session,) = stage.call("GET", "/auth/sessions", None, token)["sessions"]
    return Good({"sid": session["sid"]}, token=token)


def create_key(stage: Stage) -> Good:
    return attrs.evolve(logout(stage), body={"name": "fuzz", "scopes": ["jobs:read"]})


def revoke_key(stage: Stage) -> Good:
    made = create_key(stage)
    key = stage.post("/auth/keys", made.body, made.token)
    return Good({"key_id": key["id"]}, token=made.token)


def deduct(stage: Stage) -> Good:
    reference = f"fuzz-{stage.run}-{next(numbers)}"
    return Good(body={"amount": "0.0001", "reference_id": reference, "description": "Fuzz"})


def entry(stage: Stage) -> Good:
    deducted = stage.post("/credits/deduct", deduct(stage).body, stage.user)
    return Good({"entry_id": str(deducted["entry_id"])})


def consistency(stage: Stage) -> Good:
    stage.call("GET", f"/ledger/{entry(stage).ids['entry_id']}/proof", None, stage.user)
    return Good(query={"from": 1})


def say(*, admin: bool = False) -> Recipe:
    """Something to a node of one's own, or as an admin."""
    return lambda stage: Good(
        {"node_id": stage.verified()}, BECAUSE, stage.tokens.get("admin") if admin else None
    )


def about_user(**body: str) -> Recipe:
    """Something that an admin does to somebody."""
    return lambda stage: Good({"user_id": stage.register()["user"]["id"]}, {**BECAUSE, **body})


def activate(stage: Stage) -> Good:
    user = stage.register()["user"]["id"]
    stage.post(f"/admin/users/{user}/deactivate", BECAUSE, stage.tokens["admin"])
    return Good({"user_id": user}, BECAUSE)


def price(stage: Stage) -> Good:
    return Good({"job_type": "fuzz"}, {"price": f"{next(numbers)}.5", **BECAUSE})


def credit(amount: str) -> Recipe:
    """Credits for somebody, by an admin."""
    return lambda stage: Good(
        body={"user_id": stage.register()["user"]["id"], "amount": amount, **BECAUSE}
    )


def refund(stage: Stage) -> Good:
    """Of a job that cost something."""
    change = {"price": "0.0001", **BECAUSE}
    stage.call("PUT", "/admin/prices/echo", change, stage.tokens["admin"])
    return Good(body={"job_id": stage.finished(), **BECAUSE})


def dispute(stage: Stage) -> Good:
    """Of a job that earned somebody something."""
    return Good({"job_id": stage.finished(EARNING), "unit": "0"}, {"reason": "made up"})


def pay_out(stage: Stage) -> Good:
    stage.payable()
    return Good(body={"to": "credits"}, token=stage.operator)


# What stands in these paths whatever was made up: another word would concern everybody.
WORDS: Mapping[str, Mapping[str, str]] = {"prices_change": {"job_type": "fuzz"}}
RECIPES: Mapping[str, Recipe] = {
    "auth_register": lambda stage: Good(body=stage.person()),
    "auth_login": login,
    "auth_refresh": refresh,
    "auth_logout": logout,
    "auth_change_password": change_password,
    "sessions_end": end_session,
    "keys_create": create_key,
    "keys_revoke": revoke_key,
    "credits_deduct": deduct,
    "ledger_proof": entry,
    "ledger_consistency": consistency,
    "uploads_show": lambda stage: Good({"upload_id": stage.upload()["id"]}),
    "uploads_parts": lambda stage: Good({"upload_id": stage.large()["id"]}),
    "uploads_complete": lambda stage: Good({"upload_id": stage.upload()["id"]}),
    "jobs_dispatch": lambda stage: Good(body=stage.order("echo")),
    "jobs_show": lambda stage: Good({"job_id": stage.job(queue=True)}),
    "jobs_cancel": lambda stage: Good({"job_id": stage.job(queue=True)}),
    "jobs_result": lambda stage: Good({"job_id": stage.finished()}),
    "nodes_register": lambda stage: Good(body=stage.described(Ed25519PrivateKey.generate())),
    "nodes_verify": lambda stage: Good(body=stage.proof()),
    "fleet_drain": say(),
    "fleet_release": say(),
    "fleet_revoke": say(),
    "fleet_quarantine": say(admin=True),
    "prices_change": price,
    "admin_credits_grant": credit("1.5"),
    "admin_credits_adjust": credit("1.5"),
    "admin_credits_refund": refund,
    "disputes_open_dispute": dispute,
    "disputes_uphold": lambda stage: Good({"dispute_id": stage.disputed()}, BECAUSE),
    "disputes_reject": lambda stage: Good({"dispute_id": stage.disputed()}, BECAUSE),
    "operators_pay_out": pay_out,
    "payouts_approve": lambda stage: Good(body={"payouts": [stage.requested()], **BECAUSE}),
    "payouts_reject": lambda stage: Good({"payout_id": stage.requested()}, BECAUSE),
    "payouts_batch": lambda stage: Good({"batch_id": stage.approved()}),
    "payouts_paid": lambda stage: Good(
        {"batch_id": stage.approved()}, {"reference": "wire", **BECAUSE}
    ),
    "admin_deactivate": about_user(),
    "admin_activate": activate,
    "admin_role": about_user(role="operator"),
    "admin_password": about_user(password=PASSWORD[::-1]),
}
