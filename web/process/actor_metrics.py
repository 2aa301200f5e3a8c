"""Metrics of the actors: number of actors, queued messages, handled messages and time.

The metrics are read from the tree at each scrape, so handling a message costs nothing extra.
"""

from collections import Counter as Sums
from collections.abc import Iterator
from typing import Final

import attrs
from prometheus_client import Counter, Gauge

from actors.kernel import State
from supervisors.snapshot import ChildTotals, Snapshot

LIVING: Final = Gauge("rendertrust_actors", "Running actors by kind.", ["actor"])
DEPTH: Final = Gauge(
    "rendertrust_mailbox_depth", "Messages queued for all actors of a kind.", ["actor"]
)
DEEPEST: Final = Gauge(
    "rendertrust_mailbox_depth_max", "Messages queued for the busiest actor of a kind.", ["actor"]
)
HANDLED: Final = Counter("rendertrust_actor_messages", "Messages handled, by kind.", ["actor"])
BUSY: Final = Counter(
    "rendertrust_actor_handle_seconds", "Time in handlers, waiting included, by kind.", ["actor"]
)
RESTARTS: Final = Counter(
    "rendertrust_actor_restarts", "Restarts of actors and supervisors.", ["actor"]
)
DEAD_LETTERS: Final = Counter(
    "rendertrust_dead_letters",
    "Messages that reached no actor, by the addressee's kind.",
    ["actor"],
)
ENGINE_RESTARTS: Final = Counter(
    "rendertrust_engine_restarts", "Restarts of engines that the gateway runs.", ["engine"]
)


@attrs.frozen
class ActorTotals:
    """An actor's counters at the last reading."""

    handled: int = 0
    busy: float = 0.0
    restarts: int = 0
    dead_letters: int = 0


class ActorMetrics:
    """Metrics of the actors in one supervision tree.

    Actors come and go, so the increase since the last reading is added to sums.
    """

    def __init__(self) -> None:
        self._seen: dict[str, ActorTotals] = {}

    def show(self, tree: Snapshot) -> None:
        """Read the tree's figures; a snapshot without details suffices."""
        living, depth, deepest = Sums[str](), Sums[str](), Sums[str]()
        for name, part in parts_of(tree):
            there = totals_of(part)
            if there.kind:
                living[there.kind] += there.living
                depth[there.kind] += there.depth
                deepest[there.kind] = max(deepest[there.kind], there.deepest)
            self._add(name, part, there)
        for gauge, figures in ((LIVING, living), (DEPTH, depth), (DEEPEST, deepest)):
            gauge.clear()  # forget kinds without any actor
            for kind, figure in figures.items():
                gauge.labels(kind).set(figure)

    def _add(self, name: str, part: Snapshot, there: ChildTotals) -> None:
        was = self._seen.get(name, ActorTotals())
        now = ActorTotals(there.handled, there.busy, part.restarts, there.dead_letters)
        self._seen[name] = now
        kind = there.kind or part.name
        again = max(0, now.restarts - was.restarts)
        RESTARTS.labels(part.name if part.totals else kind).inc(again)
        if kind == "Engine":
            ENGINE_RESTARTS.labels(part.name).inc(again)
        if there.kind:
            HANDLED.labels(kind).inc(max(0, now.handled - was.handled))
            BUSY.labels(kind).inc(max(0.0, now.busy - was.busy))
            DEAD_LETTERS.labels(kind).inc(max(0, now.dead_letters - was.dead_letters))


def parts_of(tree: Snapshot) -> Iterator[tuple[str, Snapshot]]:
    """Yield every supervisor and actor, with its name and those of its parents."""
    ahead = [(tree.name, tree)]
    while ahead:
        name, part = ahead.pop()
        yield name, part
        ahead += [(f"{name}/{child.name}", child) for child in part.children]


def totals_of(part: Snapshot) -> ChildTotals:
    """Return an actor's figures.

    The figures of a dynamic supervisor's children are summed under their kind.
    """
    if part.totals is not None:
        return attrs.evolve(part.totals, kind=part.totals.kind.removesuffix("Actor"))
    figures = part.statistics
    if figures is None:
        return ChildTotals()
    return ChildTotals(
        kind=part.kind.removesuffix("Actor"),
        living=int(figures.state is State.RUNNING),
        depth=figures.depth,
        deepest=figures.depth,
        handled=figures.handled,
        busy=figures.handle_seconds,
        dead_letters=figures.dead_letters,
    )
