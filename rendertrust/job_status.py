"""Statuses of a job. A unit ends in the same ones."""

from typing import Final

OPEN: Final = ("QUEUED", "DISPATCHED", "RUNNING", "PAUSED")
ENDED: Final = ("COMPLETED", "FAILED", "CANCELLED")
STATUSES: Final = (*OPEN, *ENDED)
