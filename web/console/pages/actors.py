"""Actors page: the live supervision tree, charts of one actor, and the restart log."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import attrs
from msgspec import Meta

from web.console.console_state import ActorHistory
from web.console.registry import SYSTEM, Nav, Pages
from web.console.tables import Column, order_by, sort_of, sorted_rows, table
from web.console.tree_rows import TreeRow, branches_of, notes_of
from web.console.view import OVERSEERS, Shown, View
from web.http.problem import Problem

pages = Pages()
COLUMNS: Final = (
    Column("Actor", "name"),
    Column("State", "state"),
    Column("Mailbox", "depth", "number"),
    Column("Highest", "peak", "number"),
    Column("Messages/s", "rate", "number"),
    Column("p95", "p95", "number"),
    Column("Restarts", "restarts", "number"),
    Column("Last error", "error"),
)
LOG: Final = (
    Column("When", "at", "time"),
    Column("Actor", "actor"),
    Column("Reason", "reason"),
    Column("Action", "delay", "figure"),
)
IN_ORDER: Final = "tree"  # sort key of the tree's order, which is no column
LOG_LINES: Final = 50
NO_ACTOR: Final = Problem(404, "There is no such actor; it may have ended")


@attrs.frozen
class ActorsQuery:
    actor: Annotated[str, Meta(max_length=200)] = ""
    sort: Annotated[str, order_by(COLUMNS, log=LOG)] = IN_ORDER
    q: Annotated[str, Meta(max_length=100)] = ""


@pages.page(
    "/actors",
    "Actors",
    "actors.html",
    who=OVERSEERS,
    nav=Nav("Actors", "a", 30, "tree", SYSTEM),
    live=("summary", "chosen", "tree", "log"),
    every=2.0,
    inside=True,
)
async def actors(view: View[ActorsQuery]) -> Shown | Problem:
    """Return the tree, the charts of one actor, and the restart log."""
    gateway, query = view.gateway, view.query
    history, log = gateway.console.history, gateway.tree.restarts()
    now = gateway.ports.clock.monotonic()
    branches = branches_of(gateway.tree.snapshot(), history, log, now)
    chosen = next((each for each in branches if each.name == query.actor), None)
    if query.actor and chosen is None:
        return NO_ACTOR
    return {
        "summary": summary_of(branches),
        "columns": COLUMNS,
        "sort": sort_of(query.sort, COLUMNS, IN_ORDER),
        "branches": arranged(branches, query),
        "chosen": chosen,
        "charts": {} if chosen is None else charts_of(history, chosen.name),
        "notes": table(notes_of(log, now, view.now)[:LOG_LINES], LOG, query.sort, "-at", "log"),
    }


def arranged(branches: Sequence[TreeRow], query: ActorsQuery) -> list[TreeRow]:
    """Return the rows with the query's text, in the tree's order or only actors, by a column."""
    sort = sort_of(query.sort, COLUMNS, IN_ORDER)
    text = query.q.casefold()
    found = [b for b in branches if text in f"{b.name} {b.kind} {b.state}".casefold()]
    if sort.key == IN_ORDER:
        return found
    flat = [attrs.evolve(each, level=0) for each in found if not each.supervises or each.living]
    return sorted_rows(flat, sort)


def summary_of(branches: Sequence[TreeRow]) -> Mapping[str, Any]:
    """Return sums over the whole tree."""
    alone = [each for each in branches if not each.supervises]
    sessions = sum(each.living or 0 for each in branches)
    fullest = max(alone, key=lambda each: each.depth or 0, default=None)
    return {
        "living": sum(each.state == "running" for each in alone) + sessions,
        "not_running": sum(each.state != "running" for each in branches),
        "rate": sum(each.rate or 0.0 for each in branches),
        "fullest": fullest,
        "dead_letters": sum(each.dead_letters or 0 for each in branches),
        "restarts": sum(each.restarts for each in branches),
    }


def charts_of(history: ActorHistory, name: str) -> Mapping[str, Any]:
    """Return an actor's messages per second and mailbox depth over the last ten minutes."""
    readings = history.of(name)
    pairs = list(itertools.pairwise(readings))
    at = [int(last.at) for _, last in pairs]
    rates = [
        round(max(0, last.handled - first.handled) / max(last.at - first.at, 0.001), 2)
        for first, last in pairs
    ]
    depths = [last.depth for _, last in pairs]
    return {
        "rate": {"at": at, "kind": "line", "series": [_line("messages/s", rates, "accent")]},
        "depth": {
            "at": at,
            "kind": "line",
            "whole": True,
            "series": [_line("waiting", depths, "run")],
        },
        "rate_said": f"Now {rates[-1]:g}, maximum {max(rates):g} per second." if rates else WAITING,
        "depth_said": f"Now {depths[-1]:,}, maximum {max(depths):,} waiting."
        if depths
        else WAITING,
    }


WAITING: Final = "The first readings arrive in a few seconds."


def _line(label: str, values: Sequence[float], tone: str) -> Mapping[str, Any]:
    return {"label": label, "values": list(values), "tone": tone}
