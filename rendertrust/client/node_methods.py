"""Methods of ``AsyncClient`` for operators: nodes, earnings and payouts."""

from collections.abc import AsyncIterator

import attrs

from rendertrust import api
from rendertrust.client import paths
from rendertrust.client.api_connection import ClientState, window
from rendertrust.client.arguments import Id, NodeVerb, PayoutTo

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

    Credits arrive at once; money is requested. Raises Conflict if nothing is payable.
    """
    return await client.connection.post_once(api.Payout, paths.PAYOUTS, {"to": to}, idempotency_key)


async def statement(client: ClientState, month: str) -> api.Statement:
    """Return your statement as an operator for a month (``2026-03``, UTC), with all lines."""
    first = page = await _statement_page(client, month, 0)
    lines = [*page.lines]
    while page.next is not None:
        page = await _statement_page(client, month, page.next)
        lines += page.lines
    return attrs.evolve(first, lines=tuple(lines), next=None)


async def _statement_page(client: ClientState, month: str, after: int) -> api.Statement:
    query = {"month": month, "after": str(after)}
    return await client.connection.get(api.Statement, paths.STATEMENT, query)
