"""The state of a job in words, the same in the console and on the command line."""

from collections.abc import Mapping
from typing import Final

from rendertrust.job_status import STOPPED
from rendertrust.job_types import INFERENCE, PREFLIGHT, RENDER, VIDEO, preflight_of

_WORDS: Final[Mapping[str, str]] = {
    "QUEUED": "Queued",
    "DISPATCHED": "Starting",
    "RUNNING": "Running",
    "PAUSED": "Paused",
    "COMPLETED": "Completed",
    "FAILED": "Failed",
    "CANCELLED": "Cancelled",
}
_AT_WORK: Final = {
    RENDER: "Rendering",
    VIDEO: "Making the film",
    PREFLIGHT: "Checking the scene",
    INFERENCE: "Computing rows",
    preflight_of(INFERENCE): "Measuring the model",
}
_PAUSES: Final = {"cap": "Paused at its cap", STOPPED: "Stopping"}


def job_words(
    status: str,
    job_type: str,
    *,
    progress: float | None = None,
    paused: str | None = None,
    verifying: bool = False,
) -> str:
    """Return the state of a job. ``progress``: from 0 to 1, of a job at work, if known.

    ``paused`` is the cause of a pause, as the API has it. ``verifying``: nothing is left to do but
    verdicts.
    """
    if status == "RUNNING" and verifying:
        return "Verifying"
    words = _WORDS.get(status, status.capitalize())
    if status == "RUNNING":
        words = _AT_WORK.get(job_type, words)
        return words if progress is None else f"{words} {int(progress * 100)} %"
    return _PAUSES.get(paused or "", words) if status == "PAUSED" else words


def part_rendered(units: int, done: int, at_work: float) -> float:
    """Return the part of a job of several units that is rendered, from 0 to 1.

    ``at_work``: the sum of the progress of the units that are not complete; 1 for one that was
    delivered and waits for its verdict.
    """
    return min(1.0, (done + at_work) / units)
