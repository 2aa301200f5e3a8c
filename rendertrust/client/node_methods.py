"""Methods of ``AsyncClient`` for operators: nodes, earnings and payouts."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Literal

import attrs

from rendertrust import api
from rendertrust.client import paths
from rendertrust.client.api_connection import ClientState, window
from rendertrust.client.arguments import Id, NodeVerb, PayoutSchedule, PayoutTo, given
from rendertrust.client.downloads import save

# Nodes and earnings


async def nodes(client: ClientState, *, limit: int = 50, offset: int = 0) -> api.NodeList:
    """List your nodes, newest first. Admins and auditors see all nodes."""
    return await client.connection.get(api.NodeList, paths.NODES, window(limit, offset))


def each_node(client: ClientState) -> AsyncIterator[api.Node]:
    """Iterate over all your nodes, newest first."""
    return client.connection.each(api.NodeList, paths.NODES, lambda page: page.nodes)


async def node(client: ClientState, node_id: Id) -> api.Node:
    """Return a node. Raises NotFound if the node does not exist or is not yours."""
    return await client.connection.get(api.Node, paths.node(node_id))


async def node_checks(client: ClientState, node_id: Id, *, limit: int = 100) -> api.NodeChecks:
    """List the checks of a node's results and of its reports on scenes, newest first.

    Raises NotFound as ``node`` does.
    """
    path, query = paths.node(node_id, "checks"), {"limit": str(limit)}
    return await client.connection.get(api.NodeChecks, path, query)


async def node_connections(client: ClientState, node_id: Id) -> api.NodeConnections:
    """List a node's recent connections, and how each connection ended."""
    return await client.connection.get(api.NodeConnections, paths.node(node_id, "connections"))


async def check_queue(client: ClientState) -> api.CheckQueue:
    """Return the queue of checks, its age and the verifiers' load, of all gateways.

    Raises Forbidden unless you are an admin or auditor.
    """
    return await client.connection.get(api.CheckQueue, paths.CHECKS)


async def tell_node(client: ClientState, node_id: Id, verb: NodeVerb, reason: str = "") -> api.Node:
    """Drain, quarantine, release or revoke a node. A repeated call changes nothing.

    A quarantine needs a ``reason``. Raises Conflict if the node's standing does not allow this,
    Forbidden if only admins may do it.
    """
    return await client.connection.post(api.Node, paths.node(node_id, verb), {"reason": reason})


async def downloads(client: ClientState) -> api.Downloads:
    """Get which files the gateway hands out: the Python package, its hash, and the line that
    installs it.
    """
    return await client.connection.get(api.Downloads, paths.DOWNLOADS)


async def download_addon(client: ClientState, name: str, path: Path | str) -> Path:
    """Save an add-on of Blender that the gateway offers, by its ``name`` among ``downloads``, and
    return the file's path.
    """
    return await save(client.connection.stream(paths.download(name)), Path(path))


async def make_join_code(client: ClientState) -> api.CreatedJoinCode:
    """Make a code with which one machine joins as your node, within fifteen minutes.

    Raises Conflict if you have too many open codes.
    """
    return await client.connection.post(api.CreatedJoinCode, paths.JOIN_CODES, repeatable=False)


async def join_codes(client: ClientState) -> api.JoinCodes:
    """List your join codes that are open or were used in the last hour, newest first."""
    return await client.connection.get(api.JoinCodes, paths.JOIN_CODES)


async def revoke_join_code(client: ClientState, code_id: Id) -> None:
    """Revoke an open join code. Raises NotFound if the code is not yours, or is not open."""
    path = paths.element(paths.JOIN_CODES, code_id)
    await client.connection.send("DELETE", path, repeatable=False)


async def earnings(
    client: ClientState, state: str | None = None, *, limit: int = 50, offset: int = 0
) -> api.Earnings:
    """List the earnings of your nodes, newest first, optionally only in one ``state``."""
    return await client.connection.get(
        api.Earnings, paths.EARNINGS, window(limit, offset, state=state)
    )


def each_earning(client: ClientState, state: str | None = None) -> AsyncIterator[api.Share]:
    """Iterate over all earnings, newest first, optionally only in one ``state``."""
    return client.connection.each(
        api.Earnings, paths.EARNINGS, lambda page: page.earnings, state=state
    )


async def earning_sums(
    client: ClientState,
    by: Literal["day", "node", "device"] = "day",
    *,
    first: date | None = None,
    last: date | None = None,
) -> api.EarningSums:
    """Return what your nodes earned, by day, by node, or by kind of device.

    The period is from day ``first`` to day ``last`` (UTC), by default the last thirty days. Raises
    Invalid if it is longer than 366 days.
    """
    days = given(**{"from": first, "to": last})
    query = {"by": by, **{name: str(day) for name, day in days.items()}}
    return await client.connection.get(api.EarningSums, paths.EARNING_SUMS, query)


async def unpaid_results(
    client: ClientState,
    *,
    first: date | None = None,
    last: date | None = None,
    node_id: Id | None = None,
    limit: int = 50,
) -> api.UnpaidResults:
    """List results of your nodes that were not paid from day ``first`` to day ``last`` (UTC), and
    why, newest first; ``limit`` is 1 to 1000.

    By default the period is the last thirty days. Raises Invalid if it is longer than 366 days.
    """
    wanted = given(**{"from": first, "to": last, "node": node_id})
    query = {"limit": str(limit), **{name: str(value) for name, value in wanted.items()}}
    return await client.connection.get(api.UnpaidResults, paths.UNPAID, query)


async def download_comparison(
    client: ClientState, job_id: Id, path: Path | str, *, unit: int = 0
) -> Path:
    """Save the side-by-side picture that a creator sent with the dispute of a unit, as PNG, and
    return the file's path.

    The picture is for this creator, and for the operator of the unit's node. Raises NotFound if
    there is none.
    """
    source = paths.unit(job_id, unit, "dispute/picture")
    return await save(client.connection.stream(source), Path(path))


async def payouts(client: ClientState, *, limit: int = 50, offset: int = 0) -> api.Payouts:
    """List your payouts, newest first."""
    return await client.connection.get(api.Payouts, paths.PAYOUTS, window(limit, offset))


def each_payout(client: ClientState) -> AsyncIterator[api.Payout]:
    """Iterate over all your payouts, newest first."""
    return client.connection.each(api.Payouts, paths.PAYOUTS, lambda page: page.payouts)


async def pay_out(
    client: ClientState, to: PayoutTo, *, idempotency_key: str | None = None
) -> api.Payout:
    """Pay out your payable earnings, at most the 5,000 oldest, once per ``idempotency_key``.

    Credits arrive at once; money is requested. Raises Conflict if nothing is payable, Forbidden
    with the code ``recent_factor_needed`` if you must give your second factor again for credits.
    """
    return await client.connection.post_once(api.Payout, paths.PAYOUTS, {"to": to}, idempotency_key)


async def payout_rules(client: ClientState) -> api.PayoutRules:
    """Return when you are paid out without asking, and what a payout has at least."""
    return await client.connection.get(api.PayoutRules, paths.PAYOUT_RULES)


async def set_payout_rules(
    client: ClientState, schedule: PayoutSchedule, to: PayoutTo = "credits", minimum: str = "0"
) -> api.PayoutRules:
    """Set when you are paid out without asking, and what a payout has at least.

    Raises Forbidden if ``to`` is money and your address is not verified, NotFound if the gateway
    pays out no money.
    """
    body = {"schedule": schedule, "to": to, "minimum": minimum}
    return await client.connection.put(api.PayoutRules, paths.PAYOUT_RULES, body)


async def payout_account(client: ClientState) -> api.OwnPayoutAccount:
    """Return your payout account, with only its end. Raises NotFound if you have none."""
    return await client.connection.get(api.OwnPayoutAccount, paths.PAYOUT_ACCOUNT)


async def set_payout_account(
    client: ClientState, method: str, account: str, currency: str, *, password: str = ""
) -> api.OwnPayoutAccount:
    """Set the account to which your money is sent; payouts use it after 72 hours.

    ``method``: such as SEPA; ``account``: such as an IBAN; ``password``: yours, needed if you have
    no second factor. Raises Forbidden with the code ``recent_factor_needed`` or
    ``password_incorrect``.
    """
    body = {"method": method, "account": account, "currency": currency, "password": password}
    return await client.connection.put(api.OwnPayoutAccount, paths.PAYOUT_ACCOUNT, body)


async def stop_payout_change(client: ClientState) -> None:
    """Stop the change of your payout account that waits. Raises NotFound if none does."""
    path = f"{paths.PAYOUT_ACCOUNT}/change"
    await client.connection.send("DELETE", path, repeatable=False)


async def remove_payout_account(client: ClientState) -> None:
    """Remove your payout account, also one that waits. Raises NotFound if you have none, Forbidden
    with the code ``recent_factor_needed`` if you must give your second factor again.
    """
    await client.connection.send("DELETE", paths.PAYOUT_ACCOUNT, repeatable=False)


async def statement(client: ClientState, month: str) -> api.Statement:
    """Return your statement as an operator for a month (``2026-03``, UTC), with all lines."""
    first = page = await _statement_page(client, month, 0)
    lines = [*page.lines]
    while page.next is not None:
        page = await _statement_page(client, month, page.next)
        lines += page.lines
    return attrs.evolve(first, lines=tuple(lines), next=None)


async def statement_document(client: ClientState, month: str, path: Path | str) -> Path:
    """Save your statement as an operator for a month (``2026-03``, UTC) as PDF, and return the
    file's path.
    """
    query = {"month": month, "format": "pdf"}
    return await save(client.connection.stream(paths.STATEMENT, query), Path(path))


async def _statement_page(client: ClientState, month: str, after: int) -> api.Statement:
    query = {"month": month, "after": str(after)}
    return await client.connection.get(api.Statement, paths.STATEMENT, query)
