"""Detection of actors that are stuck (pure; takes the current time)."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from actors.kernel import State, Statistics

STUCK_SECONDS: Final = 60.0  # no handler of the checked actors may take this long


class TreePart(Protocol):
    """An actor or a supervisor in a snapshot of the tree."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> State: ...

    @property
    def statistics(self) -> Statistics | None:
        """Figures of an actor; None for a supervisor."""
        ...

    @property
    def children(self) -> "Sequence[TreePart]": ...


class StuckDetector:
    """Remembers the progress of actors: an actor that works, or has messages, but makes no progress
    is stuck.

    An actor whose only message is that of its own timer has an empty mailbox while its handler
    hangs.
    """

    def __init__(self, stuck_seconds: float = STUCK_SECONDS) -> None:
        self.stuck_seconds = stuck_seconds
        self._seen: dict[str, tuple[int, float]] = {}  # number of messages handled, and since when

    def stuck(self, parts: Iterable[TreePart], now: float) -> list[str]:
        """Return the names of the stuck actors among the parts and all below them."""
        found: list[str] = []
        ahead = list(parts)
        while ahead:
            part = ahead.pop()
            ahead += part.children
            if part.statistics is not None and self._is_stuck(part, now):
                found.append(part.name)
        return found

    def _is_stuck(self, part: TreePart, now: float) -> bool:
        figures = part.statistics
        assert figures is not None, "it is an actor's"
        handled, since = self._seen.get(part.name, (-1, now))
        idle = figures.depth == 0 and not figures.is_handling
        if figures.handled != handled or idle or part.state is not State.RUNNING:
            handled, since = figures.handled, now
        self._seen[part.name] = handled, since
        return now - since >= self.stuck_seconds
