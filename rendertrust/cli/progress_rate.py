"""Estimates of the remaining time of a job: from its progress so far, or the gateway's."""

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from rendertrust.client import Job


@attrs.define
class ProgressRate:
    """Progress over time since the first report.

    A decrease starts the measurement again, because a new attempt has begun.
    """

    _first: tuple[float, float] | None = None
    _last: tuple[float, float] | None = None

    def add(self, now: float, progress: float | None) -> float | None:
        """Return the remaining seconds at ``progress`` (0 to 1).

        Return None while the rate is unknown.
        """
        if progress is None or (self._last is not None and progress < self._last[1]):
            self._first = self._last = None
        if progress is None:
            return None
        self._first = self._first or (now, progress)
        self._last = (now, progress)
        gone, done = now - self._first[0], progress - self._first[1]
        return (1 - progress) * gone / done if done > 0 and gone > 0 else None


@attrs.define
class GatewayEstimate:
    """The gateway's estimate of when a job is done; it becomes later only for a reason."""

    _job: "Job | None" = None
    _since: float = 0.0

    def left(self, now: float, job: "Job") -> float | None:
        """Return the seconds that are left at ``now``; None while there is no estimate.

        Between two answers of the gateway the same ``job`` is given again.
        """
        if job is not self._job:
            self._job, self._since = job, now
        if job.eta_seconds is None or job.ended:
            return None
        return max(0.0, job.eta_seconds - (now - self._since))


@attrs.define
class EstimateOfOne:
    """The time left of a job of one unit: the gateway's estimate, or by its rate without one.

    The rate is counted down between two reports.
    """

    _gateway: GatewayEstimate = attrs.field(factory=GatewayEstimate)
    _rate: ProgressRate = attrs.field(factory=ProgressRate)
    _job: "Job | None" = None
    _since: float = 0.0
    _left: float | None = None

    def left(self, now: float, job: "Job") -> float | None:
        """Return the seconds that are left at ``now``; None while the rate is unknown.

        Between two reports the same ``job`` is given again.
        """
        if job is not self._job:
            self._job, self._since = job, now
            self._left = self._rate.add(now, None if job.ended else job.progress)
        if (told := self._gateway.left(now, job)) is not None:
            return told
        return None if self._left is None else max(0.0, self._left - (now - self._since))
