"""Checks page: verdicts on results, with reasons. Operators see the verdicts on their nodes'
results.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from sql.checks import PENDING, CheckFilter, CheckViews
from sql.nodes import NodeViews
from web.console.registry import FLEET, Nav, Pages
from web.console.tables import SORTED_MOST, Column, one_of, order_by, page_of, table
from web.console.view import Shown, View
from web.jobs.check_queue import check_queue_of

pages = Pages()
ROWS: Final = 50
LATELY: Final = timedelta(days=30)
USUAL: Final = "-opened_at"
TABS: Final = (
    ("Pending", PENDING),
    ("Invalid", "invalid"),
    ("Unverifiable", "unverifiable"),
    ("Consistent", "consistent"),
    ("Exact", "exact"),
    ("Sampled out", "sampled-out"),
    ("Unverified", "unverified"),
)
OWN: Final = (
    Column("Work", "job_id"),
    Column("Node", "node_name"),
    Column("Class", "device_class"),
    Column("Verdict", "verdict"),
    Column("Why", "said"),
    Column("Delivered", "opened_at", "time"),
    Column("Decided", "decided_at", "time"),
)
ALL: Final = (
    *OWN[:5],
    Column("Checked by", "verifier_name"),
    *OWN[5:],
)


@attrs.frozen
class ChecksQuery:
    is_: Annotated[str, one_of(*(word for _, word in TABS))] = ""
    q: Annotated[str, Meta(max_length=100)] = ""
    node: UUID | None = None
    sort: Annotated[str, order_by(ALL)] = ""
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@pages.page(
    "/checks",
    "Checks",
    "checks.html",
    nav=Nav("Checks", "v", 25, "check", FLEET, of_nodes=True),
    live=("figures", "verifiers", "tabs", "rows"),
    topics=("jobs",),
    every=5.0,
    rest=1.0,
)
async def checks(view: View[ChecksQuery]) -> Shown:
    """Return the newest matching checks.

    Only admins and auditors see the verifier of a check, the whole queue and the verifiers' load.
    Others see how long their oldest pending result has waited.
    """
    query, views, everybody = view.query, CheckViews(view.gateway.database), view.owner is None
    word = next((word for _, word in TABS if word == query.is_), None)
    wanted = CheckFilter(query.node, word, query.q.strip() or None)
    found = await views.page(view.owner, wanted, SORTED_MOST)
    counts = await views.counts(view.owner, view.now - LATELY)
    fleet = NodeViews(view.gateway.database)
    columns = ALL if everybody else OWN
    shown = page_of(table(found, columns, query.sort, USUAL), query.offset, ROWS)
    jobs = {each.job_id for each in shown.rows} if everybody else set[UUID]()
    return {
        "rows": shown,
        "names": await view.gateway.tables.jobs.names(jobs),
        "counts": counts,
        "waiting": counts.get(PENDING, 0),
        "oldest": await views.oldest(view.owner),
        "queue": await check_queue_of(view.gateway.database) if everybody else None,
        "share": share_of(counts),
        "tabs": tabs_of(counts, word),
        "everybody": everybody,
        "has_none": not everybody and not (await fleet.counts(view.owner, None))[""],
        "enabled": view.gateway.settings.verification.enabled,
        "narrowed": bool(word or query.q or query.node),
    }


def share_of(counts: Mapping[str, int]) -> float | None:
    """Return the fraction of compared results that were valid."""
    good = sum(counts.get(word, 0) for word in ("exact", "consistent"))
    looked = good + counts.get("invalid", 0)
    return good / looked if looked else None


def tabs_of(counts: Mapping[str, int], here: str | None) -> Sequence[tuple[str, str, int, Any]]:
    """Return the tabs: label, word, number of checks, and whether selected. Tabs without checks are
    left out, except ``pending``, ``invalid`` and the selected one.
    """
    always = (here, PENDING, "invalid")
    return [
        ("All", "", sum(counts.values()), here is None),
        *(
            (label, word, counts.get(word, 0), word == here)
            for label, word in TABS
            if counts.get(word) or word in always
        ),
    ]
