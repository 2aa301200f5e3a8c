"""Nodes as their owners and admins see them: list, show, drain, quarantine, release, revoke."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust.api.nodes import (
    Node,
    NodeCheck,
    NodeChecks,
    NodeConnection,
    NodeConnections,
    NodeList,
    Reputation,
)
from rendertrust.api.refusal_code import RefusalCode
from sql.nodes import CheckShown, NodeShown
from web.http.operations import Call, Handler, Operations, Scope
from web.http.pagination import NOT_THERE, Cursor, next_of, span_of
from web.http.problem import Problem
from web.http.responses import from_row
from web.identity.roles import UserRole
from web.nodes.connections import OpenConnection
from web.nodes.standing_change import change_standing
from web.nodes.standing_policy import StandingAction
from web.nodes.verifier_coverage import checkable
from web.openapi.examples import reference as examples
from web.routes.admin import Because, doer_of

NODE_NOT_FOUND = Problem(404, "Node not found", code=RefusalCode.NODE_NOT_FOUND)
operations = Operations(absent=NODE_NOT_FOUND)
REFUSALS = {
    403: "Not allowed for your role",
    409: "Not possible in the node's present standing",
}


@attrs.frozen
class Newest:
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


@attrs.frozen
class Said:
    """A short reason, shown with the node."""

    reason: Annotated[str, Meta(max_length=500)] = ""


@operations.get(
    "/api/v1/nodes",
    scope=Scope.NODES_READ,
    example=examples.NODES,
)
async def index(call: Call[None, Cursor]) -> NodeList | Problem:
    """List your nodes, newest first; admins and auditors see all nodes."""
    page, kept = call.query, call.gateway.tables.nodes
    if page.after is not None and await _visible(call, page.after) is None:
        return NOT_THERE
    owner = None if _sees_all(call) else call.caller
    rows = await kept.page(owner, span_of(page))
    listed = rows[: page.limit]
    known = await _known(call, *(row.id for row in listed))
    able = await checkable(call.gateway, *(row.id for row in listed))
    nodes = tuple(shown(row, known, able) for row in listed)
    return NodeList(nodes, await kept.count(owner), next_of(rows, page.limit))


@operations.get(
    "/api/v1/nodes/{node_id}",
    scope=Scope.NODES_READ,
    example=examples.NODE,
)
async def show(call: Call) -> Node | Problem:
    """Get one of your nodes; admins and auditors can get any node."""
    row = await _visible(call, call.ids["node_id"])
    return NODE_NOT_FOUND if row is None else await _shown(call, row)


@operations.get(
    "/api/v1/nodes/{node_id}/checks",
    scope=Scope.NODES_READ,
    example=examples.NODE_CHECKS,
)
async def checks(call: Call[None, Newest]) -> NodeChecks | Problem:
    """List the checks of your node's results and of its reports on scenes, with the reasons."""
    row = await _visible(call, call.ids["node_id"])
    if row is None:
        return NODE_NOT_FOUND
    found = await call.gateway.tables.nodes.checks(row.id, call.query.limit)
    return NodeChecks(tuple(_check(one) for one in found))


@operations.get(
    "/api/v1/nodes/{node_id}/connections",
    scope=Scope.NODES_READ,
    example=examples.NODE_CONNECTIONS,
)
async def connections(call: Call) -> NodeConnections | Problem:
    """List a node's last 20 connections, with the close code of each that ended."""
    row = await _visible(call, call.ids["node_id"])
    if row is None:
        return NODE_NOT_FOUND
    found = await call.gateway.connections.of(row.id)
    return NodeConnections(tuple(_connection(one) for one in found))


def _check(one: CheckShown) -> NodeCheck:
    return from_row(NodeCheck, one)


def _connection(one: OpenConnection) -> NodeConnection:
    return from_row(NodeConnection, one, why=one.why or None)


def _verb(verb: StandingAction, example: examples.Example) -> Callable[[Handler], Handler]:
    """Register an action on a node."""
    return operations.post(
        f"/api/v1/nodes/{{node_id}}/{verb.name.lower()}",
        scope=Scope.NODES_WRITE,
        request_example=examples.REASON,
        example=example,
        refusals=REFUSALS,
    )


@_verb(StandingAction.DRAIN, examples.DRAINING_NODE)
async def drain(call: Call[Said]) -> Node | Problem:
    """Drain a node: the node finishes its running units and gets no new ones."""
    return await _say(call, StandingAction.DRAIN)


@_verb(StandingAction.QUARANTINE, examples.QUARANTINED_NODE)
async def quarantine(call: Call[Because]) -> Node | Problem:
    """Quarantine a node (admins): the node gets only its owner's work.

    The operator is shown the reason.
    """
    return await _say(call, StandingAction.QUARANTINE)


@_verb(StandingAction.RELEASE, examples.SPOKEN)
async def release(call: Call[Said]) -> Node | Problem:
    """Release a node, so that it gets work again.

    Only an admin can release a node from quarantine by request.
    """
    return await _say(call, StandingAction.RELEASE)


@_verb(StandingAction.REVOKE, examples.REVOKED_NODE)
async def revoke(call: Call[Said]) -> Node | Problem:
    """Revoke a node for good: its socket is closed, its tokens and its key are refused."""
    return await _say(call, StandingAction.REVOKE)


def shown(
    row: NodeShown, known: Mapping[UUID, list[Reputation]], able: Mapping[UUID, bool]
) -> Node:
    """Return the row as the API shows it, with its reputation and whether it is checkable."""
    reputation = tuple(known.get(row.id, ()))
    standing, checkable = row.standing.name, able.get(row.id)
    by = None if row.standing_by is None else row.standing_by.lower()
    return from_row(
        Node, row, standing=standing, standing_by=by, reputation=reputation, checkable=checkable
    )


async def _known(call: Call[Any, Any], *nodes: UUID) -> Mapping[UUID, list[Reputation]]:
    found: dict[UUID, list[Reputation]] = {}
    for record in await call.gateway.tables.nodes.records(nodes):
        known = record.reputation
        reputation = Reputation(
            record.device_class,
            valid=known.valid,
            invalid=known.invalid,
            valid_in_row=known.valid_in_row,
            strikes=known.strikes,
            score=round(known.score, 4),
        )
        found.setdefault(record.node, []).append(reputation)
    return found


async def _say(call: Call[Said] | Call[Because], verb: StandingAction) -> Node | Problem:
    row = await _visible(call, call.ids["node_id"])
    if row is None:
        return NODE_NOT_FOUND
    said = await change_standing(doer_of(call), _role(call), row, verb, call.body.reason)
    return said if isinstance(said, Problem) else await _shown(call, said)


async def _shown(call: Call[Any, Any], row: NodeShown) -> Node:
    return shown(row, await _known(call, row.id), await checkable(call.gateway, row.id))


async def _visible(call: Call[Any, Any], node: UUID) -> NodeShown | None:
    """Return the node if the caller may see it; None for another user's node."""
    row = await call.gateway.tables.nodes.shown(node)
    if row is None or not (_sees_all(call) or row.owner_id == call.caller):
        return None
    return row


def _role(call: Call[Any, Any]) -> UserRole:
    return UserRole.USER if call.claims is None else call.claims.role


def _sees_all(call: Call[Any, Any]) -> bool:
    return _role(call) in (UserRole.ADMIN, UserRole.AUDITOR)
