"""Estimate of when a job's units are delivered, from how long its own units took.

The only unit of a job is estimated from the preflight of its scene. The shown time does not rise
without a reason (``next_shown``): people plan by it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from rendertrust.api.jobs import EtaReason
from sql.jobs import PaceRow

ENOUGH: Final = 3  # completed units that are needed for an estimate
SLOWER: Final = 1.1  # units take longer if their mean duration has grown by this factor
JOBS_MOST: Final = 10_000  # jobs whose shown times are remembered


def seconds_left(
    done: int, mean: float | None, at_work: Sequence[float], waiting: int
) -> float | None:
    """Return the seconds until all units are delivered; None while there is no estimate.

    ``done`` units are complete, and took ``mean`` seconds each, including the wait before each
    began. ``at_work`` lists the seconds since each running unit began; as many units are assumed to
    run in parallel. ``waiting`` units have not begun, including those in a node's backlog. A unit
    that runs longer than the mean is assumed to end now. The time for verdicts is not included.
    """
    if done < ENOUGH or mean is None or not at_work:
        return None
    ahead = [max(0.0, mean - seconds) for seconds in at_work]
    shared = (sum(ahead) + waiting * mean) / len(ahead)
    return max(shared, *ahead)


def pace_of_one(pace: PaceRow, total: float, progress: float | None) -> PaceRow:
    """Return the pace of a job's only unit, which was estimated to take ``total`` seconds.

    ``progress``: the part of the unit that is done, 0 to 1, if its node reports it. The rest takes
    its part of the estimate.
    """
    if not pace.at_work:
        return pace
    (gone, *_) = pace.at_work
    left = max(0.0, total - gone) if progress is None else (1.0 - progress) * total
    return PaceRow(done=ENOUGH, mean=gone + left, at_work=[gone], waiting=0)


@attrs.frozen
class ShownEta:
    """The time at which a job's units are expected to be delivered, as pages show it.

    ``nodes``: the most units that were at work since; ``left``: the fewest units that were not
    delivered; ``mean``: the mean duration of a unit. ``is_idle``: no node has worked since.
    ``reason``: why ``at`` is later than ``earlier``, which was shown before; both are None if the
    time did not rise.
    """

    at: datetime
    nodes: int
    left: int
    mean: float
    is_idle: bool = False
    reason: EtaReason | None = None
    earlier: datetime | None = None


def next_shown(before: ShownEta | None, pace: PaceRow, now: datetime) -> ShownEta | None:
    """Return the time to show now, after ``before`` was shown; None before the first estimate.

    An earlier time is shown at once. A later time is shown only for a reason: fewer nodes work,
    more units are left than before, units take longer, no node worked for a while, or the shown
    time has passed. Without a reason, the shown time stays.
    """
    seconds = seconds_left(pace.done, pace.mean, pace.at_work, pace.waiting)
    if seconds is None or pace.mean is None:
        is_idle = not pace.at_work and pace.waiting > 0
        return before and attrs.evolve(before, is_idle=before.is_idle or is_idle)
    at, nodes = now + timedelta(seconds=seconds), len(pace.at_work)
    new = ShownEta(at, nodes, nodes + pace.waiting, pace.mean)
    if before is None:
        return new
    if at <= before.at:
        is_late = before.earlier is not None and at > before.earlier
        return attrs.evolve(new, reason=before.reason, earlier=before.earlier) if is_late else new
    if (reason := reason_to_rise(before, new, pace.waiting, now)) is not None:
        return attrs.evolve(new, reason=reason, earlier=before.earlier or before.at)
    most, least = max(before.nodes, nodes), min(before.left, new.left)
    return attrs.evolve(before, nodes=most, left=least)


def reason_to_rise(
    before: ShownEta, new: ShownEta, waiting: int, now: datetime
) -> EtaReason | None:
    """Return why a later time may be shown; None: there is no reason.

    Nodes without work are no reason: at the end of a job there are more nodes than units.
    """
    if before.is_idle:
        return "no_node"
    if new.left > before.left:
        return "more_work"
    if waiting and new.nodes < before.nodes:
        return "fewer_nodes"
    if new.mean > before.mean * SLOWER or now >= before.at:
        return "slower"
    return None


@attrs.define
class ShownEtas:
    """The times that this gateway showed for jobs; the least recently shown ones are forgotten."""

    _shown: OrderedDict[UUID, ShownEta] = attrs.field(factory=OrderedDict[UUID, ShownEta])

    def next(self, job: UUID, pace: PaceRow, now: datetime) -> ShownEta | None:
        """Return the time to show for a job now, or None while there is none."""
        shown = next_shown(self._shown.pop(job, None), pace, now)
        if shown is not None:
            self._shown[job] = shown
            while len(self._shown) > JOBS_MOST:
                self._shown.popitem(last=False)
        return None if shown is None or shown.is_idle or not pace.at_work else shown

    def pause(self, job: UUID) -> None:
        """Note that no node works on the job for now."""
        if job in self._shown:
            self._shown[job] = attrs.evolve(self._shown[job], is_idle=True)
