"""Dead letters page: list, retry and discard."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import attrs
from msgspec import Meta

from web.console.registry import SYSTEM, Nav, Pages
from web.console.tables import SORTED_MOST, Column, Table, order_by, page_of, sort_of, table
from web.console.view import ACCOUNT_GONE, ADMINS, OVERSEERS, Redirect, Shown, View
from web.http.problem import Problem
from web.jobs.dead_letters import AT_ONCE, KINDS, DeadLetterActions, Kind, LettersDone
from web.routes import dead_letters as api

pages = Pages()
ROWS: Final = 50
PATH: Final = "/console/dead-letters"


def _columns(subject: str, place: str, tries: str) -> tuple[Column, ...]:
    return (
        Column(subject, "about"),
        Column("Why", "reason"),
        Column("User", "whose"),
        Column(place, "where"),
        Column(tries, "tried", "number"),
        Column("When", "at", "time"),
    )


COLUMNS: Final[Mapping[Kind, tuple[Column, ...]]] = {
    "jobs": _columns("Job", "Node", "Attempts"),
    "events": _columns("Event", "About", "Read"),
    "webhooks": _columns("Webhook", "To", "Tries"),
    "messages": (
        Column("Message", "about"),
        Column("Why", "reason"),
        Column("To", "where"),
        Column("When", "at", "time"),
    ),
}
LABELS: Final = {
    "jobs": "Jobs",
    "events": "Stripe events",
    "webhooks": "Webhooks",
    "messages": "Actor messages",
}
NOTHING: Final = Problem(422, "No dead letter was selected")
pages.call("/dead-letters/file/{kind}", api.operations, api.index, who=OVERSEERS)


@attrs.frozen
class DeadLettersQuery:
    kind: Kind = "jobs"
    sort: Annotated[str, order_by([each for kind in KINDS for each in COLUMNS[kind]])] = ""
    offset: Annotated[int, Meta(ge=0, le=10**7)] = 0


@pages.page(
    "/dead-letters",
    "Dead letters",
    "dead_letters.html",
    who=OVERSEERS,
    nav=Nav("Dead letters", "d", 70, "mail", SYSTEM),
    live=("tabs", "rows"),
    topics=("jobs",),
    every=5.0,
    rest=1.0,
)
async def dead_letters(view: View[DeadLettersQuery]) -> Shown:
    """Return the dead letters of one kind, and the number of dead letters of each kind."""
    actions, query = _actions(view), view.query
    counts = await actions.counts()
    letters = await _page(actions, query)
    jobs = {each.job for each in letters.rows if each.job is not None}
    return {
        "names": await view.gateway.tables.jobs.names(jobs),
        "letters": letters,
        "total": counts[query.kind],
        "kind": query.kind,
        "label": LABELS[query.kind],
        "tabs": [
            (LABELS[kind], f"{PATH}?kind={kind}", counts[kind], kind == query.kind)
            for kind in KINDS
        ],
    }


async def _page(actions: DeadLetterActions, query: DeadLettersQuery) -> Table:
    """Return a page of dead letters, sorted as the query says.

    The database sorts, except for messages, which are in memory.
    """
    columns, offset, usual = COLUMNS[query.kind], query.offset, "-at"
    if query.kind == "messages":
        found = await actions.page(query.kind, limit=SORTED_MOST)
        whole = table(found.letters, columns, query.sort, usual)
        return page_of(whole, offset, ROWS)
    sort = sort_of(query.sort, columns, usual)
    found = await actions.page(query.kind, limit=ROWS + 1, offset=offset, sort=sort.text)
    before = max(0, offset - ROWS) if offset else None
    after = offset + ROWS if len(found.letters) > ROWS else None
    return Table(columns, sort, found.letters[:ROWS], "", before, after)


@pages.action("/dead-letters/retry", who=ADMINS, within=25.0, rate="dispatch")
async def retry(view: View) -> Redirect | Problem:
    """Retry the selected dead letters, or the newest AT_ONCE of a kind."""
    kind, ids = await _chosen(view)
    if not ids:
        return NOTHING
    done = await _actions(view).retry(kind, ids, _reason(view))
    return await _gone(view, kind, "retried", done)


@pages.action("/dead-letters/discard", who=ADMINS)
async def discard(view: View) -> Redirect | Problem:
    """Discard the selected dead letters, or the newest AT_ONCE of a kind."""
    kind, ids = await _chosen(view)
    if not ids:
        return NOTHING
    done = await _actions(view).discard(kind, ids, _reason(view))
    return ACCOUNT_GONE if done is None else await _gone(view, kind, "discarded", done)


async def _chosen(view: View) -> tuple[Kind, list[str]]:
    """Return at most AT_ONCE ids: those that the form names or, with ``all``, the newest ones."""
    named: list[Kind] = [each for each in KINDS if each == view.fields.get("kind")]
    kind = named[0] if named else KINDS[0]
    if "all" in view.fields:
        page = await _actions(view).page(kind, limit=AT_ONCE)
        return kind, [letter.id for letter in page.letters]
    return kind, list(dict.fromkeys(view.fields.getall("letter", [])))[:AT_ONCE]


async def _gone(view: View, kind: Kind, became: str, done: LettersDone) -> Redirect:
    number = len(done.done)
    words = f"{number} {'is' if number == 1 else 'are'} {became}."
    whys = dict.fromkeys(each.why for each in done.refused)
    if done.refused:
        words += f" {len(done.refused)} were not: {'; '.join(whys)}."
    left = (await _actions(view).counts())[kind] if "all" in view.fields else 0
    if left:
        words += (
            f" {left} {'is' if left == 1 else 'are'} left, because {AT_ONCE} are done at a time."
        )
    return Redirect(f"{PATH}?kind={kind}", words)


def _reason(view: View) -> str:
    return view.fields.get("reason", "").strip()[:500] or "by hand, in the console"


def _actions(view: View[Any]) -> DeadLetterActions:
    return DeadLetterActions(view.doer)
