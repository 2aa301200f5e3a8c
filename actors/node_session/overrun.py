"""Whether a unit takes over three times the work that its price is for.

The time is what the gateway sees, from the first of it that is rendered to the moment at which it
is looked at, less what its files may take, and a minute. What a node says of its speed does not
count: how slow it is follows from how long it took for other jobs.
"""

from collections import OrderedDict
from statistics import median
from typing import Final
from uuid import UUID

import attrs

from actors.scheduler.messages import Assignment
from rendertrust.money import render
from sql.scheduler_rows import PRICED

TIMES: Final = 3
PROGRESS_LEAST: Final = 0.1  # who is not that far tells nothing about the rest
JOBS_LEAST: Final = 3  # with fewer nobody can tell how slow a node is
JOBS_MOST: Final = 20


def quoted_seconds(unit: Assignment) -> float | None:
    """The work that a unit's price pays for, on the machine that measured it; None: its price does
    not follow from work.
    """
    noted = unit.params.get(PRICED)
    if not isinstance(noted, dict) or not noted.get("price") or not unit.price:
        return None
    return unit.price * int(noted["pays_for"]) / int(noted["price"])


@attrs.define
class OverrunTracker:
    """How long nodes took in proportion to what was quoted: of each the newest jobs, the newest
    last. Kept while the gateway runs, over all sessions.
    """

    _known: dict[UUID, OrderedDict[UUID, float]] = attrs.field(
        factory=dict[UUID, OrderedDict[UUID, float]]
    )

    def note(self, node: UUID, job: UUID, share: float) -> None:
        """A unit of a job took ``share`` of its quote, or was stopped then."""
        jobs = self._known.setdefault(node, OrderedDict())
        jobs[job] = share
        jobs.move_to_end(job)
        if len(jobs) > JOBS_MOST:
            jobs.popitem(last=False)

    def slowness(self, node: UUID, job: UUID) -> float:
        """So many times as long as quoted half of its other jobs took at most; at least 1."""
        others = [share for one, share in self._known.get(node, {}).items() if one != job]
        return max(1.0, median(others)) if len(others) >= JOBS_LEAST else 1.0


def share(seconds: float, quoted: float, slots: int) -> float:
    """What of the quote a unit took in so many seconds; several at a time share a machine."""
    return max(seconds, 0.0) / (quoted * max(slots, 1))


def percent(share_of_quote: float, slowness: float, progress: float) -> int:
    """About what of the quoted work the whole takes, as far as the node has come."""
    return round(100 * share_of_quote / slowness / max(progress, PROGRESS_LEAST))


def figures(seconds: float) -> str:
    """So that what is little does not read like nothing: 120, 9.4, 0.032."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def slow_words(quoted: float, seconds: float) -> str:
    """Why an attempt was stopped, which is nobody's fault."""
    return (
        f"at work for {seconds:.0f} s, quoted were {figures(quoted)} s: over {TIMES} times as long;"
        " another node tries it, and nobody is blamed"
    )


def underquoted_words(unit: Assignment, quoted: float, needs: int) -> str:
    """What its creator is told. ``needs``: percent of the quote that it takes."""
    new = -(-unit.price * needs // 100)
    return (
        f"underquoted: nodes of three owners took over {TIMES} times its quote. Quoted were"
        f" {figures(quoted)} s of work for {render(unit.price)} credits, and it takes about"
        f" {figures(quoted * needs / 100)} s; the new quote is about {render(new)} credits. Submit"
        " it again at that price (its estimate says it exactly), or lower its samples or size"
    )
