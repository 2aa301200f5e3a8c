"""Log lines of a job's units: stored ones of attempts that ended, and recent ones of the rest."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from actors.kernel import AskFailed
from actors.notifier.messages import LogLine, Notifier, TailOf
from sql.attempt_logs import AttemptLog
from web.gateway import Gateway

ASK_SECONDS = 0.5


@attrs.frozen
class Attempt:
    """``lines`` of the attempt, the oldest first; ``completed``: whether it ended well or failed.

    ``ended_at`` is null while it is not known to have ended; the lines are then the last that
    gateways received.
    """

    unit: int
    frames: str | None
    attempt: int
    node_id: UUID | None
    ended_at: datetime | None
    error_class: str | None
    error: str | None
    lines: list[str] = attrs.field(repr=False)
    completed: bool = False


async def attempts_of(gateway: Gateway, job: UUID, unit: int | None) -> list[Attempt]:
    """Return the attempts that ended, the oldest first, and then those with recent lines.

    Raises Unavailable.
    """
    kept = await gateway.tables.attempt_logs.of_job(job, unit)
    heard = [line for line in await tail_of(gateway, job) if unit in (None, line.unit)]
    told = lines_of(heard)
    ended = [_ended(one, told) for one in reversed(kept)]
    known = {(one.unit, one.attempt) for one in ended}
    return ended + [_heard(key, told[key]) for key in sorted(told.keys() - known)]


async def tail_of(gateway: Gateway, job: UUID) -> tuple[LogLine, ...]:
    """Return the last lines of the job's nodes; nothing while the Notifier is unavailable."""
    try:
        return await gateway.registry.ref(Notifier).ask(TailOf(job), within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return ()


def lines_of(heard: Sequence[LogLine]) -> dict[tuple[int, int], list[str]]:
    """Group the lines by unit and attempt."""
    told: dict[tuple[int, int], list[str]] = {}
    for line in heard:
        told.setdefault((line.unit, line.attempt), []).append(line.text)
    return told


def _ended(one: AttemptLog, told: dict[tuple[int, int], list[str]]) -> Attempt:
    lines = one.lines.split("\n") if one.lines else told.get((one.unit, one.attempt), [])
    known = attrs.asdict(one, filter=attrs.filters.exclude("lines"))
    return Attempt(**known, lines=lines)


def _heard(key: tuple[int, int], lines: list[str]) -> Attempt:
    unit, attempt = key
    return Attempt(unit, None, attempt, None, None, None, None, lines)
