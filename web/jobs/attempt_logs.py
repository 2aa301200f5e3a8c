"""Log lines of a job's units: stored lines of ended attempts, recent lines of running ones."""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from actors.kernel import AskFailed
from actors.notifier.messages import LogLine, Notifier, TailOf
from rendertrust.api.events import AttemptLog
from sql.attempt_logs import AttemptLog as AttemptLogRow
from web.gateway import Gateway
from web.http.responses import from_row

ASK_SECONDS = 0.5
# Blender's line about a file in a node's work folder, which means nothing to people.
INTERNAL: Final = re.compile(r"Saved: \W?/job/out/")


async def attempts_of(gateway: Gateway, job: UUID, unit: int | None) -> list[AttemptLog]:
    """Return logs of the ended attempts, the oldest first, then those of running attempts.

    Raises Unavailable.
    """
    stored = await gateway.tables.attempt_logs.of_job(job, unit)
    tail = [line for line in await tail_of(gateway, job) if unit in (None, line.unit)]
    recent = lines_of(tail)
    ended = [_ended(one, recent) for one in reversed(stored)]
    known = {(one.unit, one.attempt) for one in ended}
    return ended + [_running(key, recent[key]) for key in sorted(recent.keys() - known)]


async def tail_of(gateway: Gateway, job: UUID) -> tuple[LogLine, ...]:
    """Return recent log lines of the job's units; none while the Notifier is unavailable."""
    try:
        tail = await gateway.registry.ref(Notifier).ask(TailOf(job), within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return ()
    return tuple(line for line in tail if not INTERNAL.search(line.text))


def lines_of(tail: Sequence[LogLine]) -> dict[tuple[int, int], list[str]]:
    """Group the lines by unit and attempt."""
    found: dict[tuple[int, int], list[str]] = {}
    for line in tail:
        found.setdefault((line.unit, line.attempt), []).append(line.text)
    return found


def _ended(one: AttemptLogRow, recent: dict[tuple[int, int], list[str]]) -> AttemptLog:
    lines = one.lines.split("\n") if one.lines else recent.get((one.unit, one.attempt), [])
    return from_row(AttemptLog, one, lines=tuple(x for x in lines if not INTERNAL.search(x)))


def _running(key: tuple[int, int], lines: list[str]) -> AttemptLog:
    unit, attempt = key
    return AttemptLog(unit, None, attempt, None, None, None, None, tuple(lines))
