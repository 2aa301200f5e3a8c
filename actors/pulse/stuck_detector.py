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
    """Detects actors that handle or queue messages, but finish none for ``stuck_seconds``.

    Queued messages alone are no criterion: an actor whose handler hangs may have an empty mailbox.
    """

    def __init__(self, stuck_seconds: float = STUCK_SECONDS) -> None:
        self.stuck_seconds = stuck_seconds
        self._seen: dict[str, tuple[int, float]] = {}  # handled messages, and since when unchanged

    def stuck(self, parts: Iterable[TreePart], now: float) -> list[str]:
        """Return the names of the stuck actors in these parts of the tree, with all descendants."""
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
        assert figures is not None, "only actors are tested"
        handled, since = self._seen.get(part.name, (-1, now))
        idle = figures.depth == 0 and not figures.is_handling
        if figures.handled != handled or idle or part.state is not State.RUNNING:
            handled, since = figures.handled, now
        self._seen[part.name] = handled, since
        return now - since >= self.stuck_seconds
