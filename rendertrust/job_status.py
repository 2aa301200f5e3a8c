"""Statuses of a job. A unit ends with one of the statuses in ``ENDED``, too."""

from typing import Final

OPEN: Final = ("QUEUED", "DISPATCHED", "RUNNING", "PAUSED")
ENDED: Final = ("COMPLETED", "FAILED", "CANCELLED")
STATUSES: Final = (*OPEN, *ENDED)
