"""Recipes for requests that succeed, which random generation alone would not find."""

import base64
from collections.abc import Callable, Mapping
from typing import TypeAlias
from uuid import uuid4

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fuzz.stage import PASSWORD, Json, Stage, numbers
from tests.fuzz.worker import EARNING, FAILING


@attrs.frozen
class Good:
    """The parts of a request that make it succeed; None keeps the generated part."""

    ids: dict[str, str] = attrs.field(factory=dict[str, str])
    body: Json | None = None
    token: str | None = None
    query: Json | None = None


Recipe: TypeAlias = Callable[[Stage], Good]
PAYOUT_ACCOUNT = {
    "method": "SEPA",
    "account": "DE02 1203 0000 0000 2020 51",
    "currency": "eur",
    "password": PASSWORD,
}
BECAUSE = {"reason": "a made-up request"}
# Operations that end the session of the request, so each request is sent by a new user.
PRIVATE = frozenset({"auth_logout", "account_delete"})
# Operations that every user may do, but whose recipes need an admin. The recipes of two quarantine
# a node, after which new nodes of its owner start in quarantine.
OF_ADMINS = frozenset(
    {"fleet_quarantine", "fleet_release", "operators_pay_out", "password_resets_reset"}
)


def login(stage: Stage) -> Good:
    return Good(body={"email": stage.register()["email"], "password": PASSWORD})


def refresh(stage: Stage) -> Good:
    return Good(body={"refresh_token": stage.register()["tokens"]["refresh_token"]})


def logout(stage: Stage) -> Good:
    return Good(token=stage.register()["tokens"]["access_token"])


def change_password(stage: Stage) -> Good:
    body = {"old_password": PASSWORD, "new_password": PASSWORD[::-1]}
    return attrs.evolve(logout(stage), body=body)


def delete_account(stage: Stage) -> Good:
    return attrs.evolve(logout(stage), body={"password": PASSWORD})


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


def revoke_join_code(stage: Stage) -> Good:
    made = logout(stage)
    code = stage.post("/nodes/join-codes", None, made.token)
    return Good({"code_id": code["id"]}, token=made.token)


def download(stage: Stage) -> Good:
    return Good({"name": stage.call("GET", "/downloads", None, None)["wheel"]["name"]})


def join_with_code(stage: Stage) -> Good:
    code = stage.post("/nodes/join-codes", None, logout(stage).token)
    return Good(body={**stage.described(Ed25519PrivateKey.generate()), "code": code["code"]})


def check_join_code(stage: Stage) -> Good:
    code = stage.post("/nodes/join-codes", None, logout(stage).token)
    return Good(body={"code": code["code"]})


def deduct(stage: Stage) -> Good:
    reference = f"fuzz-{stage.run}-{next(numbers)}"
    return Good(body={"amount": "0.0001", "reference_id": reference, "description": "Fuzz"})


def cancelled_job(stage: Stage, body: Json | None = None) -> Good:
    """Return a cancelled job, which can be retried."""
    job = stage.job(queue=True)
    stage.post(f"/jobs/{job}/cancel", None, stage.user)
    return Good({"job_id": job}, body)


def waiting_job(stage: Stage) -> Good:
    """Return a waiting job, which can be paused, changed and stopped."""
    return Good({"job_id": stage.job(queue=True)})


def video(stage: Stage) -> Good:
    """Return a finished job; the body has a frame rate, as no upload of a scene exists to read it
    from.
    """
    return Good({"job_id": stage.finished(EARNING)}, body={"fps": 24, "queue": True})


def failed_unit(stage: Stage) -> Good:
    return Good({"job_id": stage.finished(FAILING, "FAILED"), "number": "0"})


def entry(stage: Stage) -> Good:
    deducted = stage.post("/credits/deduct", deduct(stage).body, stage.user)
    return Good({"entry_id": str(deducted["entry_id"])})


def consistency(stage: Stage) -> Good:
    stage.call("GET", f"/ledger/{entry(stage).ids['entry_id']}/proof", None, stage.user)
    return Good(query={"from": 1})


def change_standing(*, admin: bool = False) -> Recipe:
    """Return a recipe that changes the standing of a node, as its owner or as an admin."""
    return lambda stage: Good(
        {"node_id": stage.verified()}, BECAUSE, stage.tokens.get("admin") if admin else None
    )


def about_user(**body: str) -> Recipe:
    """Return a recipe for an admin's act on a new user."""
    return lambda stage: Good({"user_id": stage.register()["user"]["id"]}, {**BECAUSE, **body})


def activate(stage: Stage) -> Good:
    user = stage.register()["user"]["id"]
    stage.post(f"/admin/users/{user}/deactivate", BECAUSE, stage.tokens["admin"])
    return Good({"user_id": user}, BECAUSE)


def invitation(stage: Stage) -> Good:
    """Return an open invitation, for an admin to revoke."""
    made = stage.post("/admin/invitations", BECAUSE, stage.tokens["admin"])
    return Good({"invitation_id": made["id"]}, BECAUSE)


def reset_password(stage: Stage) -> Good:
    user = stage.register()["user"]["id"]
    made = stage.post(f"/admin/users/{user}/reset-link", BECAUSE, stage.tokens["admin"])
    token = made["link"].partition("#token=")[2]
    return Good(body={"token": token, "new_password": PASSWORD[::-1]})


def price(stage: Stage) -> Good:
    return Good({"job_type": "fuzz"}, {"price": f"{next(numbers)}.5", **BECAUSE})


def sku(stage: Stage) -> Good:
    terms = {"title": "Fuzz", "credits": f"{next(numbers)}.5", "amount": 7, **BECAUSE}
    return Good({"sku": "fuzz"}, terms)


def credit(amount: str) -> Recipe:
    """Return a recipe with which an admin gives a new user credits."""
    return lambda stage: Good(
        body={"user_id": stage.register()["user"]["id"], "amount": amount, **BECAUSE}
    )


def refund(stage: Stage) -> Good:
    """Return a job that was charged, for a refund."""
    change = {"price": "0.0001", **BECAUSE}
    stage.call("PUT", "/admin/prices/echo", change, stage.tokens["admin"])
    return Good(body={"job_id": stage.finished(), **BECAUSE})


def dispute(stage: Stage) -> Good:
    """Return a unit with an earning, for a dispute."""
    return Good({"job_id": stage.finished(EARNING), "unit": "0"}, {"reason": "made up"})


def dispute_picture(stage: Stage) -> Good:
    """Return a unit whose dispute had a comparison and is decided, as few disputes may be open."""
    job, png = stage.finished(EARNING), base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    found = {"verdict": "different", "reason": "made up", "picture": png}
    body = {"reason": "made up", "comparison": found}
    opened = stage.post(f"/jobs/{job}/units/0/dispute", body, stage.user)
    path = f"/admin/disputes/{opened['id']}/reject"
    stage.post(path, {"reason": "made up"}, stage.tokens["admin"])
    return Good({"job_id": job, "unit": "0"})


def pay_out(stage: Stage) -> Good:
    stage.payable()
    return Good(body={"to": "credits"}, token=stage.operator)


def payout_account(stage: Stage) -> Good:
    """Return a new user with a payout account."""
    token = logout(stage).token
    stage.call("PUT", "/auth/payout-account", PAYOUT_ACCOUNT, token)
    return Good(token=token)


def create_hook(stage: Stage) -> Good:
    """Create a webhook endpoint as a new user, as each user may have only a few."""
    return attrs.evolve(logout(stage), body={"url": "https://farm.example.com/hooks"})


def with_endpoint(body: Json | None = None) -> Recipe:
    """Return a recipe with a webhook endpoint of a new user."""

    def recipe(stage: Stage) -> Good:
        made = create_hook(stage)
        endpoint = stage.post("/webhooks/endpoints", made.body, made.token)
        return Good({"endpoint_id": endpoint["id"]}, body, token=made.token)

    return recipe


def replay_delivery(stage: Stage) -> Good:
    """Return a delivery of a webhook about a new job."""
    made = with_endpoint()(stage)
    stage.post("/jobs/dispatch", stage.order("echo", queue=True), made.token)
    path = f"/webhooks/endpoints/{made.ids['endpoint_id']}/deliveries"
    [*_, first] = stage.call("GET", path, None, made.token)["deliveries"]
    return Good({"delivery_id": first["id"]}, token=made.token)


def organisation(stage: Stage, body: Json | None = None) -> Good:
    """Return an organisation that a new user has founded."""
    token = logout(stage).token
    made = stage.post("/organisations", {"name": "Fuzz"}, token)
    return Good({"organisation_id": made["id"]}, body, token)


def invite(stage: Stage) -> Good:
    return organisation(stage, {"email": stage.register()["email"], "role": "member"})


def invited(stage: Stage) -> tuple[Good, Json]:
    """Return an organisation and a user who was invited to it."""
    found, person = organisation(stage), stage.register()
    path = f"/organisations/{found.ids['organisation_id']}/members"
    stage.post(path, {"email": person["email"], "role": "member"}, found.token)
    return found, person


def accept(stage: Stage) -> Good:
    found, person = invited(stage)
    return attrs.evolve(found, token=person["tokens"]["access_token"])


def member(body: Json | None = None) -> Recipe:
    """Return a recipe with a member who accepted an invitation."""

    def recipe(stage: Stage) -> Good:
        found, person = invited(stage)
        path = f"/organisations/{found.ids['organisation_id']}/accept"
        stage.post(path, None, person["tokens"]["access_token"])
        return Good({**found.ids, "user_id": person["user"]["id"]}, body, found.token)

    return recipe


def own_organisation(stage: Stage) -> Good:
    """Return the user's organisation and one of the user's nodes."""
    return Good({"organisation_id": stage.ids["organisation_id"], "node_id": stage.verified()})


def lent_node(stage: Stage) -> Good:
    found = own_organisation(stage)
    path = f"/organisations/{found.ids['organisation_id']}/nodes/{found.ids['node_id']}"
    stage.call("PUT", path, None, stage.user)
    return found


def trust(stage: Stage) -> Good:
    return attrs.evolve(logout(stage), body={"email": stage.register()["email"]})


def distrust(stage: Stage) -> Good:
    token, person = logout(stage).token, stage.register()
    stage.post("/trusted", {"email": person["email"]}, token)
    (entry,) = stage.call("GET", "/trusted", None, token)["trusted"]
    return Good({"user_id": entry["user_id"]}, token=token)


def preflight(stage: Stage) -> Good:
    upload = stage.upload()
    stage.post(f"/uploads/{upload['id']}/complete", {"parts": []}, stage.user)
    return Good(body={"payload_ref": upload["payload_ref"]})


def remove_upload(stage: Stage) -> Good:
    return Good({"upload_id": stage.upload()["id"]})


# Fixed path parameters: with other values a request would change prices or SKUs for all users.
WORDS: Mapping[str, Mapping[str, str]] = {
    "prices_change": {"job_type": "fuzz"},
    "skus_put": {"sku": "fuzz"},
}
# Operations that cannot succeed here: they need Stripe's secret, a paid purchase, a mail server, an
# authenticator app, evidence, pictures of checked results that may be shared, or a job of several
# files.
UNMET = frozenset(
    {
        "POST /api/v1/auth/password/forgot",
        "POST /api/v1/admin/users/{user_id}/reset-mail",
        "POST /api/v1/auth/second-factor",
        "POST /api/v1/auth/verify",
        "POST /api/v1/auth/verify/send",
        "POST /api/v1/webhooks/stripe",
        "GET /api/v1/credits/purchases/{purchase_id}/invoice",
        "GET /api/v1/credits/purchases/{purchase_id}/credit-notes/{number}",
        "GET /api/v1/jobs/{job_id}/units/{number}/evidence",
        "GET /api/v1/jobs/{job_id}/units/{unit}/check/picture",
        "GET /api/v1/jobs/{job_id}/units/{unit}/dispute/check/picture",
        "GET /api/v1/jobs/{job_id}/manifest",
        "POST /api/v1/jobs/{job_id}/units/{number}/share-links",
        "DELETE /api/v1/share-links/{link_id}",
    }
)
RECIPES: Mapping[str, Recipe] = {
    "auth_register": lambda stage: Good(body=stage.person()),
    "auth_login": login,
    "auth_refresh": refresh,
    "device_logins_token": lambda stage: Good(body={"device_code": stage.confirmed_login()}),
    "auth_logout": logout,
    "auth_change_password": change_password,
    "account_delete": delete_account,
    "password_resets_reset": reset_password,
    "password_resets_admin_link": about_user(),
    "password_resets_admin_mail": about_user(),
    "sessions_end": end_session,
    "keys_create": create_key,
    "keys_revoke": revoke_key,
    "credits_deduct": deduct,
    "account_statements_statement": lambda _: Good(query={}),
    "ledger_proof": entry,
    "anchors_verify": entry,
    "ledger_consistency": consistency,
    "uploads_show": lambda stage: Good({"upload_id": stage.upload()["id"]}),
    "uploads_parts": lambda stage: Good({"upload_id": stage.large()["id"]}),
    "uploads_complete": lambda stage: Good({"upload_id": stage.upload()["id"]}, {"parts": []}),
    "jobs_dispatch": lambda stage: Good(body=stage.order("echo")),
    "jobs_show": lambda stage: Good({"job_id": stage.job(queue=True)}),
    "admin_jobs_retry": lambda stage: cancelled_job(stage, {"reason": "The node was mended"}),
    "jobs_retry": cancelled_job,
    "jobs_cancel": lambda stage: Good({"job_id": stage.job(queue=True)}),
    "units_units": waiting_job,
    "events_events": waiting_job,
    "endpoints_create": create_hook,
    "endpoints_change": with_endpoint({"enabled": False}),
    "endpoints_rotate": with_endpoint(),
    "endpoints_deliveries": with_endpoint(),
    "endpoints_delete": with_endpoint(),
    "endpoints_replay": replay_delivery,
    "videos_video": video,
    "archives_archive": lambda stage: Good({"job_id": stage.finished(EARNING, frames="1-2")}),
    "units_retry": failed_unit,
    "control_pause": waiting_job,
    "control_resume": waiting_job,
    "control_stop": waiting_job,
    "control_change": lambda stage: attrs.evolve(waiting_job(stage), body={"priority": "high"}),
    "jobs_result": lambda stage: Good({"job_id": stage.finished()}),
    "preflights_preflight": preflight,
    "thumbnails_preview": lambda stage: Good({"job_id": stage.finished(EARNING)}, query={}),
    "invoices_credit_note": lambda stage: Good(
        {"purchase_id": stage.ids["purchase_id"], "number": "1"}
    ),
    "evidence_of_unit": lambda stage: Good({"job_id": stage.finished(EARNING), "number": "0"}),
    "receipts_of_unit": lambda stage: Good({"job_id": stage.finished(EARNING), "number": "0"}),
    "receipts_manifest": lambda stage: Good({"job_id": stage.finished(EARNING)}),
    "receipts_of_job": lambda stage: Good({"job_id": stage.finished(EARNING)}),
    "share_links_create": lambda stage: Good(
        {"job_id": stage.finished(EARNING), "number": "0"}, {"days": 7}
    ),
    "share_links_index": lambda _: Good(query={}),
    "share_links_revoke": lambda _: Good({"link_id": str(uuid4())}),
    "storage_remove": remove_upload,
    "organisations_found": lambda stage: attrs.evolve(logout(stage), body={"name": "Fuzz"}),
    "organisations_show": organisation,
    "organisations_end": organisation,
    "organisations_invite": invite,
    "organisations_accept": accept,
    "organisations_set_role": member({"role": "owner"}),
    "organisations_leave": member(),
    "organisations_lend": own_organisation,
    "organisations_unlend": lent_node,
    "trusted_trust": trust,
    "trusted_distrust": distrust,
    "nodes_register": lambda stage: Good(body=stage.described(Ed25519PrivateKey.generate())),
    "nodes_verify": lambda stage: Good(body=stage.proof()),
    "join_codes_create": logout,
    "downloads_download": download,
    "join_codes_revoke": revoke_join_code,
    "join_codes_check": check_join_code,
    "join_codes_join": join_with_code,
    "fleet_drain": change_standing(),
    "fleet_release": change_standing(admin=True),
    "fleet_revoke": change_standing(),
    "fleet_quarantine": change_standing(admin=True),
    "prices_change": price,
    "skus_put": sku,
    "admin_credits_grant": credit("1.5"),
    "admin_credits_adjust": credit("1.5"),
    "admin_credits_refund": refund,
    "disputes_open_dispute": dispute,
    "disputes_picture": dispute_picture,
    "disputes_check_picture": dispute_picture,
    "operators_comparison": lambda stage: Good(
        {"job_id": stage.finished(EARNING), "unit": "0"}, token=stage.operator
    ),
    "dispute_answers_answer": lambda stage: Good(
        {"dispute_id": stage.disputed()}, {"text": "made up"}, stage.operator
    ),
    "payout_rules_put": lambda stage: Good(body={"schedule": "by_hand"}, token=stage.operator),
    "disputes_uphold": lambda stage: Good({"dispute_id": stage.disputed()}, BECAUSE),
    "disputes_reject": lambda stage: Good({"dispute_id": stage.disputed()}, BECAUSE),
    "operators_pay_out": pay_out,
    "payout_accounts_put": lambda stage: attrs.evolve(logout(stage), body=PAYOUT_ACCOUNT),
    "payout_accounts_show": payout_account,
    "payout_accounts_remove": payout_account,
    "payout_accounts_stop": payout_account,
    "payouts_approve": lambda stage: Good(body={"payouts": [stage.requested()], **BECAUSE}),
    "payouts_reject": lambda stage: Good({"payout_id": stage.requested()}, BECAUSE),
    "payouts_batch": lambda stage: Good({"batch_id": stage.approved()}),
    "payouts_paid": lambda stage: Good(
        {"batch_id": stage.approved()}, {"reference": "wire", **BECAUSE}
    ),
    "invitations_create": lambda stage: Good(body=BECAUSE),
    "invitations_revoke": invitation,
    "new_users_create": lambda stage: Good(
        body={"email": stage.person()["email"], "name": "Fuzz", **BECAUSE}
    ),
    "admin_deactivate": about_user(),
    "admin_activate": activate,
    "admin_role": about_user(role="operator"),
    "admin_password": about_user(password=PASSWORD[::-1]),
}
