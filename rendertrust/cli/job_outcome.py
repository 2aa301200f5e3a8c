"""What the end of a job means for whoever waits for it."""

from typing import TYPE_CHECKING

from rendertrust.cli import exit_codes, formatting, orphan_tiles
from rendertrust.cli.exits import CommandExit, Exit

if TYPE_CHECKING:
    from rendertrust.client import Job


def require_completed(job: "Job") -> "Job":
    """The job, if it ended well; else Stop."""
    if job.status == "COMPLETED":
        return job
    reason = f": {job.error_message}" if job.error_message else ""
    detail = f"Job {job.id} is {job.status}{reason}"
    raise CommandExit(Exit(exit_codes.JOB_FAILED, "job_failed", detail, _hint(job), {"job": job}))


def charge(job: "Job") -> str | None:
    """What was charged, in words; None where the gateway does not say."""
    if job.charged is None:
        return None
    nothing = not job.charged.strip("0.")
    return "Nothing was charged." if nothing else f"Charged: {job.charged} credits."


def _hint(job: "Job") -> str:
    known = charge(job)
    if job.units > 1 and job.done:
        return "\n".join([*([known] if known else []), *_left(job)])
    more = "Mend what the message names, and submit again." if job.status == "FAILED" else ""
    return "\n".join(words for words in (known, more) if words) or "Submit again when you like."


def _left(job: "Job") -> list[str]:
    """What there is of a job of many units that did not end well, and what can be done."""
    lines = [f"{job.done} of {job.units} are done: rendertrust jobs download {job.id} --out ."]
    if job.status == "FAILED":
        lines.append(f"Do again what failed: rendertrust jobs retry {job.id} --failed")
    return [*lines, *filter(None, (orphan_tiles.words(job), orphan_tiles.hint(job)))]


def lost(job_id: str, error: Exception) -> Exit:
    """The gateway is away for too long; the job is as it was."""
    return Exit(
        exit_codes.UNAVAILABLE,
        "no_answer",
        f"{error}; job {formatting.short(job_id)} goes on once it is back",
        f"Watch again:    rendertrust jobs watch {job_id}\n"
        f"Fetch the rest: rendertrust jobs download {job_id} --out .",
        {"job_id": job_id},
    )


def interrupted(job_id: str) -> Exit:
    """Ctrl-C ends the watch, and nothing else."""
    return Exit(
        exit_codes.INTERRUPTED,
        "interrupted",
        f"Interrupted; job {formatting.short(job_id)} goes on",
        f"Watch again:           rendertrust jobs watch {job_id}\n"
        f"Cancel before it runs: rendertrust jobs cancel {job_id}\n"
        f"End it, keep frames:   rendertrust jobs stop {job_id}",
        {"job_id": job_id},
    )
