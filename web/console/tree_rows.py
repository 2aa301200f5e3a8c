"""The supervision tree as rows: each supervisor is followed by its children."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import attrs

from actors.kernel import Restart
from supervisors.snapshot import Snapshot
from web.console.console_state import ActorHistory


@attrs.frozen
class TreeRow:
    """A supervisor or actor; ``level`` is its depth in the tree. Times are in seconds.

    Unknown values are None: a supervisor has no mailbox, and ten thousand sessions have no common
    p95.
    """

    name: str
    kind: str
    level: int
    state: str
    supervises: bool
    living: int | None
    depth: int | None
    capacity: int | None
    peak: int | None
    handled: int | None
    rate: float | None
    p95: float | None
    dead_letters: int | None
    restarts: int
    recent: int  # restarts within the supervisor's window
    allowed: int | None
    within: float | None
    error: str | None


@attrs.frozen
class RestartRow:
    """A line of the restart log, with wall-clock time."""

    at: datetime
    supervisor: str
    actor: str
    reason: str
    delay: float | None


def branches_of(
    root: Snapshot, history: ActorHistory, log: Sequence[Restart], now: float
) -> list[TreeRow]:
    """Return all parts in the tree's order. ``now``: the loop's time."""

    def walk(part: Snapshot, level: int, within: float) -> Iterator[TreeRow]:
        own = part.allowance
        recent = sum(1 for each in log if each.actor == part.name and each.at > now - within)
        yield _branch(part, level, recent if own is None else own.used, history)
        for child in part.children:
            yield from walk(child, level + 1, within if own is None else own.within)

    return list(walk(root, 0, 0.0))


def _branch(part: Snapshot, level: int, recent: int, history: ActorHistory) -> TreeRow:
    figures, totals, own = part.statistics, part.totals, part.allowance
    several = totals is not None and bool(totals.kind)
    kind = totals.kind if totals is not None and totals.kind else part.kind
    return TreeRow(
        name=part.name,
        kind=kind.removesuffix("Actor").replace("_", " "),
        level=level,
        state=part.state.value,
        supervises=figures is None,
        living=totals.living if totals is not None else None,
        depth=figures.depth if figures else totals.depth if totals and several else None,
        capacity=figures.capacity if figures else None,
        peak=figures.peak if figures else None,
        handled=figures.handled if figures else totals.handled if totals else None,
        rate=history.rate(part.name),
        p95=figures.handle_seconds_p95 if figures and figures.handled else None,
        dead_letters=figures.dead_letters if figures else totals.dead_letters if totals else None,
        restarts=part.restarts,
        recent=recent,
        allowed=None if own is None else own.restarts,
        within=None if own is None else own.within,
        error=part.last_error,
    )


def notes_of(log: Sequence[Restart], now: float, at: datetime) -> list[RestartRow]:
    """Return the restart log, newest first.

    ``now`` (loop) and ``at`` (wall clock) are the same moment.
    """
    return [
        RestartRow(
            at - timedelta(seconds=now - each.at),
            each.supervisor,
            each.actor,
            each.reason,
            each.delay,
        )
        for each in reversed(log)
    ]
