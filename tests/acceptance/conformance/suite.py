"""All checks, ordered so that each check finds the users, nodes and jobs that it needs."""

import aiohttp

from tests.acceptance.conformance.asker import Asker, Stuck
from tests.acceptance.conformance.people import (
    API,
    check_accounts,
    check_credits,
    check_system,
    check_tokens,
)
from tests.acceptance.conformance.reference import ERROR, HEARTBEAT_TIMEOUT
from tests.acceptance.conformance.work import (
    Node,
    check_audiences,
    check_cancel,
    check_close_codes,
    check_job,
    connect,
    register_node,
)

# Prefixes of paths that may be missing: the table names a missing path, but as no fault.
LATER = (f"{API}/ledger/",)
LOGINS_MOST = 100
TIMEOUT_SECONDS = 130.0


async def run(asker: Asker, *, slow: bool = False, limits: bool = False) -> None:
    """Run all checks; if a needed request fails, record that the remaining checks were
    not reached.
    """
    try:
        await _run(asker, slow=slow)
    except (Stuck, aiohttp.ClientError, TimeoutError) as failure:
        asker.note("the rest was not reached", [f"{type(failure).__name__} {failure}"])
    if limits:
        await check_limits(asker)


async def _run(asker: Asker, *, slow: bool) -> None:
    await check_system(asker)
    await check_later(asker)
    tokens = await check_accounts(asker)
    token = tokens["access_token"]
    node = await register_node(asker)
    await check_audiences(asker, token, node)
    await check_job(asker, token, node)
    await check_cancel(asker, token, node)
    await check_credits(asker, token)
    await check_close_codes(asker, tokens, node)
    await check_unknown(asker)
    if slow:
        await check_timeout(asker, node)
    await check_tokens(asker, tokens)


async def check_later(asker: Asker) -> None:
    """Check that webhooks need a signature, and proofs of the ledger a token."""
    await asker.ask("POST", f"{API}/webhooks/stripe", 400, ERROR, {}, as_="without a signature")
    for path in ("anchors", "42/proof", "42/verify"):
        await asker.ask("GET", f"{API}/ledger/{path}", 401, ERROR, as_="without a token")


async def check_unknown(asker: Asker) -> None:
    """Check that errors for unknown paths and methods have the usual form."""
    await asker.ask("GET", "/nothing", 404, ERROR)
    await asker.ask("GET", f"{API}/nothing", 404, ERROR)
    await asker.ask("DELETE", f"{API}/jobs", 405, ERROR)


async def check_timeout(asker: Asker, node: Node) -> None:
    """Check that a socket whose pings get no answer is closed with 4002."""
    async with connect(asker, node.id, node.token, autoping=False) as socket:
        message = await socket.receive(timeout=TIMEOUT_SECONDS)
        while message.type is aiohttp.WSMsgType.PING:
            message = await socket.receive(timeout=TIMEOUT_SECONDS)
        right = message.type is aiohttp.WSMsgType.CLOSE and message.data == HEARTBEAT_TIMEOUT
        asker.note("relay closes with 4002: no pong", [] if right else [f"{message}"])


async def check_limits(asker: Asker) -> None:
    """Check that repeated logins are refused in the end, and that the answer has the time
    to wait.
    """
    body = {"email": "nobody@example.com", "password": "whatever it is"}
    for _ in range(LOGINS_MOST):
        async with asker.http.post(f"{asker.url}{API}/auth/login", json=body) as answer:
            if answer.status == 429:
                told = answer.headers.get("Retry-After", "").isdigit()
                asker.note("too many logins → 429", [] if told else ["no Retry-After"])
                return
    asker.note("too many logins → 429", [f"not after {LOGINS_MOST}"])
