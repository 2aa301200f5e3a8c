"""Turn the end of a job into a message and an exit code."""

from typing import TYPE_CHECKING

from rendertrust.cli import exit_codes, orphan_tiles, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.money import credit_count

if TYPE_CHECKING:
    from rendertrust.cli.output import Printer
    from rendertrust.client import Job


def require_completed(job: "Job") -> "Job":
    """Return a completed job; raise CommandExit for other jobs."""
    if job.status == "COMPLETED":
        return job
    reason = f": {job.error_message}" if job.error_message else ""
    detail = f"Job {job.id} is {job.status.lower()}{reason}"
    raise CommandExit(Exit(exit_codes.JOB_FAILED, "job_failed", detail, _hint(job), {"job": job}))


def charge(job: "Job") -> str | None:
    """Return the charge as text; return None if the gateway does not report a charge."""
    if job.charged is None:
        return None
    nothing = not job.charged.strip("0.")
    return "Nothing was charged." if nothing else f"Charged: {credit_count(job.charged)}."


def _hint(job: "Job") -> str:
    known = charge(job)
    if job.units > 1 and job.done:
        return "\n".join([*([known] if known else []), *_left(job)])
    more = "Fix the cause in the message and submit again." if job.status == "FAILED" else ""
    return "\n".join(words for words in (known, more) if words) or "Submit again when you like."


def _left(job: "Job") -> list[str]:
    """Return hints for a job that did not complete: how to download frames and retry units."""
    lines = [
        (
            f"{job.done} of {job.units} units are done. Download the results: "
            f"rendertrust jobs download {job.id} --out ."
        )
    ]
    if job.status == "FAILED":
        lines.append(f"Retry failed units: rendertrust jobs retry {job.id} --failed")
    return [*lines, *filter(None, (orphan_tiles.words(job), orphan_tiles.hint(job)))]


def lost(job_id: str, error: Exception) -> Exit:
    """Return the exit code, message and hint if the gateway stays unreachable.

    The job itself continues.
    """
    return Exit(
        exit_codes.UNAVAILABLE,
        "no_answer",
        f"{error}; job {value_text.short(job_id)} continues once the gateway is back",
        f"Watch again:       rendertrust jobs watch {job_id}\n"
        f"Download the rest: rendertrust jobs download {job_id} --out .",
        {"job_id": job_id},
    )


def interrupted(output: "Printer", job_id: str) -> Exit:
    """Return the exit code, message and hint for Ctrl-C, which ends only the watch."""
    shown = output.short(job_id)
    return Exit(
        exit_codes.INTERRUPTED,
        "interrupted",
        f"Interrupted; job {value_text.short(job_id)} continues",
        f"Watch again:           rendertrust jobs watch {shown}\n"
        f"Cancel before it runs: rendertrust jobs cancel {shown}\n"
        f"Stop it, keep frames:  rendertrust jobs stop {shown}",
        {"job_id": job_id},
    )
