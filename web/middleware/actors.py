"""What is shown of the actors: how many there are, what waits for them, what they have done.

It is read when somebody asks: nothing is counted twice, and nothing while messages are handled.
"""

from collections import Counter as Sums
from collections.abc import Iterator
from typing import Final

import attrs
from prometheus_client import Counter, Gauge

from supervisors.snapshot import Snapshot

LIVING: Final = Gauge("rendertrust_actors", "Actors by kind.", ["actor"])
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
    "rendertrust_dead_letters", "Messages that reached nobody, by the addressee's kind.", ["actor"]
)
ENGINE_RESTARTS: Final = Counter(
    "rendertrust_engine_restarts", "Restarts of engines that the gateway runs.", ["engine"]
)


@attrs.frozen
class Done:
    """What an actor had done at a reading."""

    handled: int = 0
    busy: float = 0.0
    restarts: int = 0
    dead_letters: int = 0


class ActorFigures:
    """Of one tree. Actors come and go: what they did since the last reading is added to sums."""

    def __init__(self) -> None:
        self._seen: dict[str, Done] = {}

    def show(self, tree: Snapshot) -> None:
        """Take over a reading of the tree."""
        living, depth, deepest = Sums[str](), Sums[str](), Sums[str]()
        seen: dict[str, Done] = {}
        for name, part in parts_of(tree):
            kind = kind_of(part)
            seen[name] = now = done_by(part)
            self._add(kind, self._seen.get(name, Done()), now)
            if part.statistics is None:
                continue
            living[kind] += 1
            depth[kind] += part.statistics.depth
            deepest[kind] = max(deepest[kind], part.statistics.depth)
            if kind == "Engine":
                was = self._seen.get(name, Done()).restarts
                ENGINE_RESTARTS.labels(part.name).inc(max(0, now.restarts - was))
        self._seen = seen
        for gauge, figures in ((LIVING, living), (DEPTH, depth), (DEEPEST, deepest)):
            gauge.clear()  # kinds of which there are none any more
            for kind, figure in figures.items():
                gauge.labels(kind).set(figure)

    def _add(self, kind: str, was: Done, now: Done) -> None:
        RESTARTS.labels(kind).inc(max(0, now.restarts - was.restarts))
        if now.handled > was.handled:
            HANDLED.labels(kind).inc(now.handled - was.handled)
            BUSY.labels(kind).inc(max(0.0, now.busy - was.busy))
        if now.dead_letters > was.dead_letters:
            DEAD_LETTERS.labels(kind).inc(now.dead_letters - was.dead_letters)


def parts_of(tree: Snapshot) -> Iterator[tuple[str, Snapshot]]:
    """Every supervisor and actor, by its name and its parents'."""
    ahead = [(tree.name, tree)]
    while ahead:
        name, part = ahead.pop()
        yield name, part
        ahead += [(f"{name}/{child.name}", child) for child in part.children]


def kind_of(part: Snapshot) -> str:
    """An actor's class; of a supervisor, its name."""
    return part.name if part.statistics is None else part.kind.removesuffix("Actor")


def done_by(part: Snapshot) -> Done:
    """What this part has done since it is there."""
    figures = part.statistics
    if figures is None:
        return Done(restarts=part.restarts)
    return Done(figures.handled, figures.handle_seconds, part.restarts, figures.dead_letters)
