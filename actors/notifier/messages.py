"""Messages of the Notifier. All of these messages are hints; only the database is authoritative."""

from collections.abc import Hashable, Mapping
from typing import ClassVar
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow, Ref
from actors.ledger.messages import UnitState
from actors.notifier.log_tails import LogLine as LogLine  # noqa: PLC0414 - part of what this module offers
from actors.scheduler.messages import Hint, Scheduler, UnitsChanged


class Notifier:
    """Marker type for the address of the notifier actor."""


@attrs.frozen
class UnitsMoved(Message[Notifier, None]):
    """From the Scheduler, and by ``announce``: units have changed their state."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    units: tuple[UnitState, ...]


def announce(
    units: tuple[UnitState, ...], scheduler: Ref[Scheduler], notifier: Ref[Notifier]
) -> None:
    """Tell the Scheduler and the Notifier the states of units after a commit changed them."""
    scheduler.tell(UnitsChanged(units))
    notifier.tell(UnitsMoved(units))


@attrs.frozen
class ToOthers(Message[Notifier, None]):
    """From the Scheduler, and the web: a hint for the Schedulers of all other gateways."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    hint: Hint


@attrs.frozen
class Progress(Message[Notifier, None]):
    """From a NodeSession: progress of a unit, from 0 to 1. Only the newest report matters."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    job: UUID
    unit: int
    attempt: int
    value: float
    detail: str = ""

    def coalesce_key(self) -> Hashable:
        return (self.job, self.unit)


@attrs.frozen
class Publish(Message[Notifier, None]):
    """From the Notifier's own timer: publish progress to the other gateways."""


@attrs.frozen
class PublishMoved(Message[Notifier, None]):
    """From the Notifier's own timer: publish the jobs that changed since the last publication."""


@attrs.frozen
class ProgressOf(Message[Notifier, "Progress | None"]):
    """From the web: return the newest progress of a job, if any was reported since the start."""

    job: UUID


@attrs.frozen
class ProgressOfJobs(Message[Notifier, Mapping[UUID, float]]):
    """From the web: return the sum of the progress of the units of each of these jobs, if any was
    reported.
    """

    jobs: tuple[UUID, ...]


@attrs.frozen
class ProgressOfUnits(Message[Notifier, "tuple[Progress, ...]"]):
    """From the web: return the newest progress of each running unit of a job, by attempt."""

    job: UUID


@attrs.frozen
class UnitLogLines(Message[Notifier, None]):
    """From a NodeSession: new lines of a unit's log, or of the details of its failure."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    job: UUID
    unit: int
    attempt: int
    text: str = attrs.field(repr=False)


@attrs.frozen
class AskOthers(Message[Notifier, None]):
    """From the Notifier's own timer: ask the other gateways for log lines from before this
    gateway's start.
    """


@attrs.frozen
class AnnounceGateway(Message[Notifier, None]):
    """From the Notifier's own timer: announce this gateway to the other gateways."""


@attrs.frozen
class TellOthers(Message[Notifier, None]):
    """From the Notifier's own timer: publish log lines to the other gateways."""


@attrs.frozen
class LogHintReceived(Message[Notifier, None]):
    """From the bus: another gateway's log lines, request for log lines, or announcement."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    payload: bytes = attrs.field(repr=False)


@attrs.frozen
class TailOf(Message[Notifier, "tuple[LogLine, ...]"]):
    """From the web: return the last lines of a job's log, oldest first, as far as they are kept."""

    job: UUID
