"""How far nodes get with their units: whoever gets no further is not to hold one for hours.

A node renews its leases by speaking. What it says besides, how far it is, must grow; beside that
files that it fetches and sends take time, by their length on a slow line. What is kept here
outlives a session: to connect anew is no progress.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from actors.node_session.held_units import HeldUnit, Phase
from sql.unit_durations import UnitDurations

Attempt: TypeAlias = tuple[UUID, int, int]
STEP: Final = 0.01  # less is no progress
LINE_BYTES: Final = 256 << 10  # a second, of a slow line
KEPT_MOST: Final = 10_000
DONE_LEAST: Final = 3  # units of a job; with fewer nobody can tell how long they take


@attrs.define
class AttemptProgress:
    """Of one attempt: how far it is, and since when (monotonic seconds); ``first_at`` it had got
    anywhere, ``since``: when this gateway first knew that it was sent. ``files`` are the seconds
    that its files may take, since then and in all; ``named`` are those that were counted.
    """

    at: float
    best: float = 0.0
    first_at: float | None = None
    files: float = 0.0
    all_files: float = 0.0
    is_told: bool = False  # how far it is, whatever that was
    named: set[object] = attrs.field(factory=set[object])
    since: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.since = self.at

    def tell(self, progress: float, now: float) -> None:
        """The node says how far it is."""
        self.is_told = True
        if progress >= self.best + STEP or progress == 1.0 > self.best:
            self.best, self.at, self.files = progress, now, 0.0
            self.first_at = now if self.first_at is None else self.first_at

    def fetch(self, files: Iterable[tuple[object, int]]) -> None:
        """Files, each by its name and length in bytes, are on their way; each counts once."""
        for name, size in files:
            if name not in self.named:
                self.named.add(name)
                self.files += size / LINE_BYTES
                self.all_files += size / LINE_BYTES


class ProgressTracker:
    """Of the attempts of all sessions, the newest of them."""

    def __init__(self) -> None:
        self._known: OrderedDict[Attempt, AttemptProgress] = OrderedDict()

    def of(self, held: HeldUnit, now: float) -> AttemptProgress:
        """That of a unit; it begins now where nothing is known of it."""
        name = _name(held)
        move = self._known.setdefault(name, AttemptProgress(now))
        self._known.move_to_end(name)
        if len(self._known) > KEPT_MOST:
            self._known.popitem(last=False)
        return move

    def forget(self, held: HeldUnit) -> None:
        """It has ended."""
        self._known.pop(_name(held), None)


def _name(held: HeldUnit) -> Attempt:
    return (*held.key, held.attempt)


def inputs(params: Mapping[str, Any], parts: Iterable[int | None]) -> list[tuple[object, int]]:
    """What a unit's node fetches, as far as its parameters tell: names and bytes."""
    noted = params.get("_input")
    own = [("_input", int(noted["size"]))] if isinstance(noted, dict) else []
    return [*own, *((f"part {number}", size or 0) for number, size in enumerate(parts))]


def stands_still(move: AttemptProgress, now: float, seconds: float) -> str | None:
    """Why a unit is taken back whose node gets no further; None: it gets on.

    Before its first step it fetches, after its last it sends: that may take twice as long.
    """
    limit = seconds if STEP <= move.best < 1.0 else 2 * seconds
    still = now - move.at
    if still <= limit + move.files:
        return None
    return f"no progress for {still / 60:.0f} minutes: it stood at {move.best * 100:.0f} %"


def far_too_long(
    seconds: float, frames: int, pace: UnitDurations | None, times: float
) -> str | None:
    """Why a unit is taken back that takes so many times what the others of its job took."""
    if pace is None or pace.done < DONE_LEAST or not times:
        return None
    usual = pace.seconds * frames
    if seconds <= times * usual:
        return None
    took = f"half of its job's others took {usual:.0f} at most"
    return f"at work for {seconds:.0f} s, {took}: over {times:g} times as long"


def may_stand(held: HeldUnit) -> bool:
    """Whether a unit's node has it, and has begun it as far as we know."""
    return held.phase in (Phase.SENT, Phase.RUNNING) and held.begun_at is not None
