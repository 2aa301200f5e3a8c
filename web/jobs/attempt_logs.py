"""Log lines of a job's units: stored ones of attempts that ended, and recent ones of the rest."""

from collections.abc import Sequence
from uuid import UUID

from actors.kernel import AskFailed
from actors.notifier.messages import LogLine, Notifier, TailOf
from rendertrust.api.events import AttemptLog
from sql.attempt_logs import AttemptLog as AttemptLogRow
from web.gateway import Gateway
from web.http.responses import from_row

ASK_SECONDS = 0.5


async def attempts_of(gateway: Gateway, job: UUID, unit: int | None) -> list[AttemptLog]:
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


def _ended(one: AttemptLogRow, told: dict[tuple[int, int], list[str]]) -> AttemptLog:
    lines = one.lines.split("\n") if one.lines else told.get((one.unit, one.attempt), [])
    return from_row(AttemptLog, one, lines=tuple(lines))


def _heard(key: tuple[int, int], lines: list[str]) -> AttemptLog:
    unit, attempt = key
    return AttemptLog(unit, None, attempt, None, None, None, None, tuple(lines))
