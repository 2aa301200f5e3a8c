"""Encoding of hints about unit logs between gateways; any hint may be lost."""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

import attrs
import orjson

from actors.notifier.log_tails import JobTail, LogLine, LogTails

CHARACTERS_MOST: Final = 256_000  # limit of one hint, which has the newest lines
NAME_BYTES: Final = 16


@attrs.frozen
class LogNews:
    """Recent log lines by job, from another gateway.

    ``asked``: the gateway whose request this answers, if any.
    """

    of: tuple[tuple[UUID, JobTail], ...]
    asked: UUID | None = None


@attrs.frozen
class LogRequest:
    """Request of a gateway that has just started for the log lines that other gateways have
    kept.
    """

    name: UUID


def asking(name: UUID) -> bytes:
    """Encode the request of gateway ``name`` for the log lines that other gateways have kept."""
    return name.bytes + orjson.dumps({"asks": True})


def being(name: UUID) -> bytes:
    """Encode the announcement of gateway ``name``."""
    return name.bytes + orjson.dumps({"here": True})


def telling(name: UUID, tails: LogTails, asked: UUID | None = None) -> bytes:
    """Encode the logs of gateway ``name``, newest jobs first, up to a limit."""
    told = list(_within(CHARACTERS_MOST, tails.newest()))
    plain = [[job, _plain(tail.lines), _plain(tail.progress.values())] for job, tail in told]
    return name.bytes + orjson.dumps({"told": plain, "asked": asked}, default=str)


def _within(most: int, tails: Iterable[tuple[UUID, JobTail]]) -> Iterator[tuple[UUID, JobTail]]:
    for job, tail in tails:
        most -= sum(len(line.text) for line in (*tail.lines, *tail.progress.values()))
        if most < 0:
            return
        yield job, tail


def _plain(lines: Iterable[LogLine]) -> list[tuple[int, int, str]]:
    return [(line.unit, line.attempt, line.text) for line in lines]


def is_own(name: UUID, payload: bytes) -> bool:
    """Return True if the hint comes from this gateway itself."""
    return payload.startswith(name.bytes)


def name_of(payload: bytes) -> bytes:
    """Return the name of the sending gateway."""
    return payload[:NAME_BYTES]


def heard(payload: bytes) -> LogNews | LogRequest | None:
    """Decode a hint; None for an announcement, and if the hint is unknown or malformed."""
    try:
        said = orjson.loads(payload[NAME_BYTES:])
        if "asks" in said:
            return LogRequest(UUID(bytes=payload[:NAME_BYTES]))
        asked = said["asked"] and UUID(said["asked"])
        return LogNews(tuple(_tail(*one) for one in said["told"]), asked)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _tail(job: str, lines: list[Any], progress: list[Any]) -> tuple[UUID, JobTail]:
    tail = JobTail()
    for unit, attempt, text in lines:
        tail.lines.append(LogLine(int(unit), int(attempt), str(text)))
    for unit, attempt, text in progress:
        tail.follow(LogLine(int(unit), int(attempt), str(text)))
    return UUID(job), tail
