"""Node page: state, units, connections and checks of a node, and actions on it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import attrs
import orjson
from msgspec import Meta

from rendertrust import __version__
from rendertrust.program_version import is_older
from sql.nodes import DRAINING, NodeEarnings, NodeShown, NodeViews
from sql.reputation_rules import Record, strikes_of
from web.console.pages.fleet import DAY, LATELY
from web.console.registry import Pages
from web.console.tables import Column, SortQuery, order_by, table
from web.console.value_markup import count, size
from web.console.view import Picture, Redirect, Shown, View
from web.http.problem import Problem
from web.nodes.reputation_level import ReputationLevel, level_of
from web.nodes.standing_change import change_standing
from web.nodes.standing_policy import StandingAction, after
from web.nodes.verifier_coverage import checkable
from web.routes.admin import Because
from web.routes.fleet import NODE_NOT_FOUND

pages = Pages()
UNITS, SHARES, FACTS = 20, 15, 30
# Labels of metadata that the node program sends; other names are shown as they are.
LABELS: Final = {
    "benchmark cpu_msteps": "Benchmark, CPU",
    "benchmark render_samples": "Benchmark, rendering",
    "blender": "Blender",
    "cores": "Cores",
    "cpu_load": "Load",
    "isa": "Processor",
    "ram": "Memory",
    "resting": "Rests because",
    "system": "System",
    "version": "Version",
}
BYTES: Final = ("ram",)  # names of metadata whose values are numbers of bytes
VALUE_CHARACTERS: Final = 200
WORK: Final = (
    Column("Job", "job_type"),
    Column("State", "state"),
    Column("Assigned", "assigned_at", "time"),
    Column("Lease until", "lease_until", "time"),
)
SHARED: Final = (
    Column("Job", "job_type"),
    Column("Earning", "amount", "number"),
    Column("State", "state"),
    Column("Entry", "entry_id"),
    Column("When", "earned_at", "time"),
)
CONNECTIONS: Final = (
    Column("Opened", "opened_at", "time"),
    Column("From", "address"),
    Column("Last answer", "pong_at", "time"),
    Column("Lasted", "took", "number"),
    Column("Ended", "code", "figure"),
    Column("By", "by_us"),
)
Act: TypeAlias = Callable[[View[Any]], Awaitable[Redirect | Problem]]
START: Final = "Start"  # label of the release of a stopped node
# Each button's label, icon and confirmation.
BUTTONS: Final[Mapping[StandingAction, tuple[str, str, str]]] = {
    StandingAction.RELEASE: ("Release", "play", "Give this node work again?"),
    StandingAction.DRAIN: (
        "Stop",
        "pause",
        "Let this node finish its running units and give it no new ones?",
    ),
    StandingAction.QUARANTINE: ("Quarantine", "warn", "Give it only its owner's work?"),
    StandingAction.REVOKE: (
        "Revoke",
        "stop",
        "Revoke this node for good? Its key and its tokens will be refused.",
    ),
}
END_FIRST: Final = "The node gets work again; if it has ended after the drain, start it again."
REASONED: Final = (
    StandingAction.QUARANTINE,
)  # a reason is required, because it is shown to the operator
SAID: Final = {
    StandingAction.DRAIN: "The node finishes its running units and gets no new ones.",
    StandingAction.QUARANTINE: "The node gets only its owner's work.",
    StandingAction.RELEASE: "The node gets work again.",
    StandingAction.REVOKE: "The node is revoked.",
}


@attrs.frozen
class NodeReasonForm:
    reason: Annotated[str, Meta(max_length=500)] = ""


@attrs.frozen
class NodeQuery(SortQuery):
    sort: Annotated[str, order_by(work=WORK, history=CONNECTIONS, earned=SHARED)] = ""


@attrs.frozen
class NodePictureQuery:
    """Query of a node's picture. ``of`` distinguishes versions in browsers' caches."""

    of: Annotated[int, Meta(ge=0)] = 0


@pages.page("/fleet/{id}/picture", "Picture", "", absent=NODE_NOT_FOUND)
async def picture(view: View[NodePictureQuery]) -> Picture | Problem:
    """Return the newest picture that a node rendered, for its owner, admins and auditors.

    It was rendered on the owner's machine, so it is no secret from them. Nothing names the job.
    """
    row = await visible(view)
    if row is None:
        return NODE_NOT_FOUND
    days = await NodeViews(view.gateway.database).activity([row.id], view.now - DAY)
    day, kept = days.get(row.id), view.gateway.tables.thumbnails
    if day is None or day.job_id is None or day.unit is None or day.attempt is None:
        return NODE_NOT_FOUND
    found = await kept.of_attempt(day.job_id, day.unit, day.attempt, day.frame)
    return NODE_NOT_FOUND if found is None else Picture(found.picture, "image/jpeg")


@pages.page(
    "/fleet/{id}",
    "Node",
    "node.html",
    live=("state", "work", "history", "earned"),
    topics=("jobs",),
    every=3.0,
    rest=0.5,
    absent=NODE_NOT_FOUND,
    beginning="nodes_beginning",
)
async def node(view: View[NodeQuery]) -> Shown | Problem:
    """Return everything about a node."""
    row = await visible(view)
    if row is None:
        return NODE_NOT_FOUND
    views, since, owner = NodeViews(view.gateway.database), view.now - LATELY, row.owner_id
    known, sort = await view.gateway.connections.of(row.id), view.query.sort
    buttons = buttons_of(view, row)
    days = await views.activity([row.id], view.now - DAY)
    shares = [] if owner is None else await views.shares(owner, row.id, since, SHARES)
    work = await views.work(row.id, UNITS)
    jobs = {each.job_id for each in work} if view.owner is None else set[UUID]()
    return {
        "title": f"Node {row.name[:60]}",
        "node": row,
        "owner": await views.email(owner),
        "work": table(work, WORK, sort, "", "work"),
        "names": await view.gateway.tables.jobs.names(jobs),
        "socket": next((each for each in known if each.ended_at is None), None),
        "connections": table(known, CONNECTIONS, sort, "-opened_at", "history"),
        "earned": NodeEarnings() if owner is None else await views.earned(owner, row.id, since),
        "shares": table(shares, SHARED, sort, "-earned_at", "earned"),
        "sold": view.gateway.console.prices.of_credits,
        "facts": facts_of(row.metadata),
        "reputation": levels_of(view, await view.gateway.tables.nodes.records([row.id])),
        "day": days.get(row.id),
        "uncheckable": (await checkable(view.gateway, row.id)).get(row.id) is False,
        "newer": newer_of(row.metadata),
        "buttons": buttons,
        "may_quarantine": any(verb == StandingAction.QUARANTINE.value for verb, *_ in buttons),
        "everybody": view.owner is None,
        "is_own": owner == view.who.user,
    }


def levels_of(
    view: View[Any], records: Sequence[Record]
) -> list[tuple[Record, ReputationLevel | None]]:
    """Return the node's records with their levels; without levels if nothing is verified."""
    checks = view.gateway.settings.verification
    strikes = strikes_of(records)
    return [
        (one, level_of(one, strikes, checks.least_odds) if checks.enabled else None)
        for one in records
    ]


async def visible(view: View[Any]) -> NodeShown | None:
    """Return the node if the user may see it; None otherwise."""
    row = await view.gateway.tables.nodes.shown(view.ids["id"])
    return row if row is not None and view.owner in (None, row.owner_id) else None


def buttons_of(view: View[Any], row: NodeShown) -> list[tuple[str, str, str, str]]:
    """Return the available actions: word in the address, label, icon, confirmation."""
    found = []
    for verb, (label, icon, question) in BUTTONS.items():
        standing = after(verb, row.standing.name, is_admin=view.is_admin)
        if not isinstance(standing, Problem) and standing != row.standing.name:
            is_start = verb is StandingAction.RELEASE and row.standing.name == DRAINING
            found.append((verb.value, START if is_start else label, icon, question))
    return found


def newer_of(metadata: Mapping[str, Any]) -> str:
    """Return the gateway's version if the node's program is older; '' otherwise."""
    return __version__ if is_older(str(metadata.get("version", "")), __version__) else ""


def facts_of(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the node's own metadata as names and values; long values are cut."""
    found = [each for name, value in sorted(metadata.items()) for each in _facts(name, value)]
    return [
        (LABELS.get(name, name)[:VALUE_CHARACTERS], text[:VALUE_CHARACTERS])
        for name, text in found[:FACTS]
    ]


def _facts(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        parts: Mapping[str, Any] = value
        return [(f"{name} {part}", _text(parts[part])) for part in sorted(parts)]
    if value is None:  # for example the reason for resting, while the node does not rest
        return []
    return [(name, size(value) if name in BYTES and type(value) is int else _text(value))]


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return count(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _handler_of(verb: StandingAction) -> Act:
    """Return the handler of an action on a node."""

    async def act(view: View[NodeReasonForm] | View[Because]) -> Redirect | Problem:
        row = await visible(view)
        if row is None:
            return NODE_NOT_FOUND
        said = await change_standing(view.doer, view.who.role, row, verb, view.query.reason.strip())
        if isinstance(said, Problem):
            return said
        drained = verb is StandingAction.RELEASE and row.standing.name == "DRAINING"
        return Redirect(f"/console/fleet/{row.id}", END_FIRST if drained else SAID[verb])

    return act


for each in BUTTONS:
    asks = (
        {"form": Because, "form_on": "/fleet/{id}"}
        if each in REASONED
        else {"form": NodeReasonForm}
    )
    pages.action(f"/fleet/{{id}}/{each.value}", absent=NODE_NOT_FOUND, **asks)(_handler_of(each))
