"""The status of a job, derived from its units."""

from collections.abc import Sequence

from sql.books import UnitRow

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
AT_WORK = frozenset({"DISPATCHED", "RUNNING"})


def status_of(units: Sequence[UnitRow]) -> str:
    """It never goes back: a unit that was assigned, or ran, counts when it waits again, too."""
    states = {unit.state for unit in units}
    if states <= ENDED:
        return _ended(states)
    if any(unit.started_at is not None or unit.state in ("RUNNING", "COMPLETED") for unit in units):
        return "RUNNING"
    if any(unit.attempt > 0 for unit in units):
        return "DISPATCHED"
    return "QUEUED"


def _ended(states: set[str]) -> str:
    if "CANCELLED" in states:
        return "CANCELLED"
    return "FAILED" if "FAILED" in states else "COMPLETED"
