"""Checks of health, accounts, tokens and credits."""

import uuid

from tests.acceptance.conformance import reference
from tests.acceptance.conformance.asker import Asker, Json
from tests.acceptance.conformance.reference import ERROR
from tests.acceptance.conformance.shapes import TEXT

API = "/api/v1"
PASSWORD = "securepassword123"
NAME = "Jane Smith"


def person() -> Json:
    email = f"conformance-{uuid.uuid4().hex[:12]}@example.com"
    return {"email": email, "name": NAME, "password": PASSWORD}


async def check_system(asker: Asker) -> None:
    """Check health, version and metrics, and the two pages of documentation."""
    await asker.ask("GET", "/health", 200, reference.HEALTH)
    await asker.ask("GET", f"{API}/health", 200, reference.HEALTH)
    await asker.ask("GET", "/version", 200, reference.VERSION)
    await asker.ask("GET", f"{API}/health/ready", 200, reference.READY)
    metrics = await asker.ask("GET", "/metrics", 200, TEXT)
    asker.note("/metrics is Prometheus's text", [] if "# HELP" in str(metrics) else ["no # HELP"])
    for page in ("/docs", "/redoc"):
        await asker.ask("GET", page, 200, TEXT)


async def check_accounts(asker: Asker) -> Json:
    """Check registration and login, and return the tokens of a user."""
    who, path = person(), f"{API}/auth/register"
    shape = {"user": reference.user(who["email"], NAME), "tokens": reference.TOKENS}
    await asker.need("POST", path, 201, shape, who)
    await asker.ask("POST", path, 409, ERROR, who, as_="the e-mail again")
    for as_, changes in (
        ("no e-mail address", {"email": "nobody"}),
        ("a password of 7 characters", {"password": "1234567"}),
    ):
        await asker.ask("POST", path, 422, ERROR, {**person(), **changes}, as_=as_)
    await asker.ask("POST", path, 422, ERROR, {}, as_="an empty body")
    path, known = f"{API}/auth/login", {"email": who["email"], "password": PASSWORD}
    tokens = await asker.need("POST", path, 200, reference.TOKENS, known)
    wrong, unknown = {**known, "password": "wrong password"}, {**known, "email": person()["email"]}
    first = await asker.ask("POST", path, 401, ERROR, wrong, as_="a wrong password")
    second = await asker.ask("POST", path, 401, ERROR, unknown, as_="an unknown e-mail")
    same = isinstance(first, dict) and first.get("detail") == second.get("detail")
    asker.note("both refusals of a login say the same", [] if same else ["they differ"])
    return tokens


async def check_tokens(asker: Asker, tokens: Json) -> None:
    """Check refresh and logout, which ends these tokens."""
    path, refresh = f"{API}/auth/refresh", {"refresh_token": tokens["refresh_token"]}
    renewed = await asker.ask("POST", path, 200, reference.TOKENS, refresh)
    if renewed:
        differ = renewed.get("refresh_token") != tokens["refresh_token"]
        asker.note("a refresh gives another refresh token", [] if differ else ["it is the same"])
    await asker.ask("POST", path, 401, ERROR, refresh, as_="the same token again")
    access = {"refresh_token": tokens["access_token"]}
    await asker.ask("POST", path, 401, ERROR, access, as_="an access token")
    path, token = f"{API}/auth/logout", (renewed or tokens).get("access_token", "")
    await asker.ask("POST", path, 401, ERROR, as_="without a token")
    gone = await asker.ask("POST", path, 200, reference.LOGGED_OUT, token=token)
    if gone:
        balance = f"{API}/credits/balance"
        await asker.ask("GET", balance, 401, ERROR, token=token, as_="after the logout")


async def check_credits(asker: Asker, token: str) -> None:
    """Check balance, history and deductions of a user with credits."""
    balance, history = f"{API}/credits/balance", f"{API}/credits/history"
    await asker.ask("GET", balance, 200, reference.BALANCE, token=token)
    window = f"{history}?limit=50&offset=0"
    found = await asker.ask("GET", window, 200, reference.HISTORY, token=token)
    whole = isinstance(found, dict) and found.get("count") == len(found.get("entries", ())) > 0
    asker.note("the history counts all entries", [] if whole else [f"{found}"[:200]])
    for entry in found["entries"][:1] if whole else ():
        proof = f"{API}/ledger/{entry['entry_id']}/proof"
        shape = {**reference.PROOF, "entry_id": entry["entry_id"]}
        await asker.ask("GET", proof, 200, shape, token=token)
        await asker.ask("GET", f"{API}/ledger/0/proof", 404, ERROR, token=token)
    for query in ("limit=0", "limit=101", "offset=-1", "limit=x"):
        path = f"{history}?{query}"
        await asker.ask("GET", path, 422, ERROR, token=token, as_=query)
    await _deduct(asker, token)


async def _deduct(asker: Asker, token: str) -> None:
    path, reference_id = f"{API}/credits/deduct", f"manual-{uuid.uuid4().hex[:8]}"
    body = {"amount": "10.0000", "reference_id": reference_id, "description": "Manual adjustment"}
    shape = {
        **reference.ENTRY,
        "amount": "10.0000",
        "direction": "DEBIT",
        "reference_id": reference_id,
        "description": "Manual adjustment",
    }
    await asker.ask("POST", path, 200, shape, body, token=token)
    much = {**body, "amount": "99999999.0000", "reference_id": f"{reference_id}-2"}
    await asker.ask("POST", path, 402, reference.SHORTFALL, much, token=token)
    for amount in ("-1.0000", "0", "1e3", "ten", 10):
        wrong = {**body, "amount": amount}
        await asker.ask("POST", path, 422, ERROR, wrong, token=token, as_=f"amount {amount!r}")
    await asker.ask("POST", path, 401, ERROR, body, as_="without a token")
