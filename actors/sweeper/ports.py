"""Interfaces to the rows that the Sweeper deletes, and its settings.

Methods raise ``sql.database.Unavailable`` while the database is down.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import attrs

from actors.ports import Clock, Objects
from sql.multiparts import Multipart, ResultMultipart
from sql.retention import ExpiredAttempt, ExpiredInput, ExpiredResult


class MultipartRows(Protocol):
    """Unfinished multipart uploads of inputs."""

    async def abandoned(self, since: datetime) -> Sequence[Multipart]:
        """Return some uploads without activity since then, oldest first."""
        ...

    async def end(self, multipart: Multipart) -> None:
        """Delete the record of an upload that has ended in the store."""
        ...


class ResultMultipartRows(Protocol):
    """Unfinished multipart uploads of results."""

    async def abandoned(self, since: datetime, over: datetime) -> Sequence[ResultMultipart]:
        """Return some uploads without activity since ``since``, oldest first.

        Uploads of attempts that have ended are returned if they had no activity since ``over``.
        """
        ...

    async def end(self, multipart: ResultMultipart) -> None:
        """Delete the record of an upload that has ended in the store."""
        ...


class RetentionRows(Protocol):
    """Expired inputs, results and attempts, whose objects must be deleted."""

    async def inputs(self, before: datetime, now: datetime) -> Sequence[ExpiredInput]:
        """Mark some inputs for deletion that were unused since ``before`` and that no job needs."""
        ...

    async def input_gone(self, upload: UUID) -> None: ...

    async def results(self, before: datetime, now: datetime) -> Sequence[ExpiredResult]:
        """Mark some results of jobs that ended before then; return those whose objects remain."""
        ...

    async def result_gone(self, result: ExpiredResult, now: datetime) -> None: ...

    async def attempts(self, before: datetime) -> Sequence[ExpiredAttempt]:
        """Return some failed attempts that ended before then, whose objects must be deleted."""
        ...

    async def attempt_gone(self, one: ExpiredAttempt, now: datetime) -> None: ...


class PreflightRows(Protocol):
    """Findings of preflights."""

    async def expire(self, before: datetime) -> None:
        """Delete all findings from before then."""
        ...


class JobRows(Protocol):
    """Rows that are deleted together for each job: thumbnails, or logs of attempts."""

    async def expire(self, before: datetime, jobs: int, /) -> bool:
        """Delete the rows of some jobs that ended before then; True if there were any."""
        ...


class ConnectionRows(Protocol):
    """Ended connections of nodes."""

    async def expire(self, before: datetime) -> bool:
        """Delete some connections that ended before then; True if there were any."""
        ...


class EventRows(Protocol):
    """Events of jobs."""

    async def expire(self, since: datetime, before: datetime, most: int) -> datetime:
        """Delete events of up to ``most`` jobs that ended from ``since`` to ``before``.

        Returns the time from which the next call must continue.
        """
        ...


class NodeRows(Protocol):
    """Registrations of nodes."""

    async def forget_unproved(self, before: datetime, most: int) -> int:
        """Delete some nodes registered before then that never proved their key; return their
        number.
        """
        ...


@attrs.frozen
class SweeperPorts:
    """Everything that the Sweeper uses."""

    clock: Clock
    objects: Objects
    multiparts: MultipartRows
    result_multiparts: ResultMultipartRows
    retention: RetentionRows
    preflights: PreflightRows
    thumbnails: JobRows
    attempt_logs: JobRows
    connections: ConnectionRows
    events: EventRows
    nodes: NodeRows


@attrs.frozen
class SweeperSettings:
    """Settings of the Sweeper: how long inputs, results and events are kept.

    ``bucket``: the gateway's bucket; results elsewhere are not deleted. ``require_proof``: delete
    nodes that never proved their key.
    """

    bucket: str
    inputs: timedelta
    results: timedelta
    events: timedelta
    require_proof: bool
