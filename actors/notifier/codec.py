"""What gateways tell each other of what nodes said, as bytes: hints; any may be lost."""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

import attrs
import orjson

from actors.notifier.log_tails import JobTail, LogLine, LogTails

CHARACTERS_MOST: Final = 256_000  # in one hint: of what was said last
NAME_BYTES: Final = 16


@attrs.frozen
class LogNews:
    """``of`` jobs what was said of them, and how far units are. Where somebody ``asked`` for all
    that others know, it is the answer to him.
    """

    of: tuple[tuple[UUID, JobTail], ...]
    asked: UUID | None = None


@attrs.frozen
class LogRequest:
    """Somebody knows nothing yet."""

    name: UUID


def asking(name: UUID) -> bytes:
    """As gateway ``name`` asks the others for what they know."""
    return name.bytes + orjson.dumps({"asks": True})


def being(name: UUID) -> bytes:
    """As gateway ``name`` says that it is there."""
    return name.bytes + orjson.dumps({"here": True})


def telling(name: UUID, tails: LogTails, asked: UUID | None = None) -> bytes:
    """As gateway ``name`` tells the others: those jobs that something was said about last."""
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
    """Whether a gateway hears itself, which costs it nothing."""
    return payload.startswith(name.bytes)


def name_of(payload: bytes) -> bytes:
    """Of the gateway that says it."""
    return payload[:NAME_BYTES]


def heard(payload: bytes) -> LogNews | LogRequest | None:
    """None: of another release, or nothing."""
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
