"""Statuses of jobs and units, and named sets of these statuses."""

from typing import Final, Literal, TypeAlias, get_args

ReachedStatus: TypeAlias = Literal["QUEUED", "DISPATCHED", "RUNNING"]
EndedStatus: TypeAlias = Literal["COMPLETED", "FAILED", "CANCELLED"]
JobStatus: TypeAlias = Literal[ReachedStatus, "PAUSED", EndedStatus]
UnitStatus: TypeAlias = Literal[ReachedStatus, "VERIFYING", EndedStatus]

REACHED: Final[tuple[ReachedStatus, ...]] = get_args(ReachedStatus)  # in the order of a unit's life
NOT_STARTED: Final[tuple[ReachedStatus, ...]] = ("QUEUED", "DISPATCHED")
AT_WORK: Final[frozenset[ReachedStatus]] = frozenset({"DISPATCHED", "RUNNING"})  # held by a node
ENDED: Final[tuple[EndedStatus, ...]] = get_args(EndedStatus)
OPEN: Final[tuple[JobStatus, ...]] = (*REACHED, "PAUSED")
STATUSES: Final[tuple[JobStatus, ...]] = get_args(JobStatus)
UNIT_STATUSES: Final[tuple[UnitStatus, ...]] = get_args(UnitStatus)

STOPPED: Final = "stopped"  # value of ``paused`` for a stopped job with unverified results
