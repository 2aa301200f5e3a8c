"""The course of a job: its timeline from submission to the chain, and the attempts at its units."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import attrs

from rendertrust.api.refusal_code import unit_help_path
from rendertrust.unit_error_code import GIVEN_BACK
from sql.jobs import AttemptView, ConsoleCharges, ConsoleHold, ConsoleJob, ConsoleUnit
from web.console.job_frames import seconds_between

State: TypeAlias = Literal["done", "now", "next", "bad", "off"]
ENDS: Final = {"COMPLETED": "Completed", "FAILED": "Failed", "CANCELLED": "Cancelled"}
AT_ONCE: Final = timedelta(seconds=1)  # times within one commit may differ by this much
WITH_ATTEMPT: Final = ("DISPATCHED", "RUNNING", "VERIFYING", "COMPLETED")


@attrs.frozen
class TimelineStep:
    """A step of the timeline. ``took``: seconds since the previous step. ``waits``: the job waits,
    for the reason in ``note``.
    """

    name: str
    state: State
    at: datetime | None = None
    took: float | None = None
    note: str = ""
    waits: bool = False

    @property
    def when(self) -> str:
        """Return the text for a step without a time: ``now``, ``not yet`` or ''."""
        return {"now": "" if self.waits else "now", "next": "not yet"}.get(self.state, "")


@attrs.frozen
class TimelineFacts:
    """The data from which the timeline is made. ``anchoring``: the log is anchored on a chain."""

    job: ConsoleJob
    units: Sequence[ConsoleUnit]
    attempts: Sequence[AttemptView]
    holds: Sequence[ConsoleHold]
    charges: ConsoleCharges
    anchoring: bool


def steps_of(known: TimelineFacts) -> list[TimelineStep]:
    """Return the steps in order, without those that cannot happen any more."""
    money, end = _money(known), known.job.completed_at
    before = [] if end is None else [s for s in money if s.at and s.at < end - AT_ONCE]
    found = [TimelineStep("Queued", "done", known.job.created_at), *_work(known)]
    found += [*before, _end(known.job), *money[len(before) :]]
    return with_durations(found)


@attrs.frozen
class JobSpans:
    """The seconds of a job in the queue, at work on nodes, and until its last result was verified.

    Without a node, all the time was spent in the queue. ``checked`` is None if no result was
    verified.
    """

    waited: float
    worked: float | None
    checked: float | None = None


def spans_of(known: TimelineFacts) -> JobSpans | None:
    """Return how long a job that has ended waited, and was worked on."""
    job = known.job
    if job.completed_at is None:
        return None
    tries: list[AttemptView | ConsoleUnit] = [*known.attempts, *known.units]
    begun = [at for each in tries if (at := each.started_at or each.assigned_at) is not None]
    first = min(begun, default=job.completed_at)
    waited = max(0.0, (first - job.created_at).total_seconds())
    if not begun:
        return JobSpans(waited, None)
    delivered = _delivered(job)
    worked = seconds_between(first, delivered or job.completed_at)
    return JobSpans(waited, worked, seconds_between(delivered, job.completed_at))


def _delivered(job: ConsoleJob) -> datetime | None:
    """Return when the last result of a complete job was delivered; None if none was checked."""
    if job.status != "COMPLETED" or job.completed_at is None or job.delivered_at is None:
        return None
    return min(job.delivered_at, job.completed_at)


def _end(job: ConsoleJob) -> TimelineStep:
    if job.completed_at is None:
        return TimelineStep("Completed", "next")
    state: State = "done" if job.status == "COMPLETED" else "bad"
    state = "off" if job.status == "CANCELLED" else state
    return TimelineStep(ENDS[job.status], state, job.completed_at)


def with_durations(steps: Sequence[TimelineStep]) -> list[TimelineStep]:
    """Return each step with the time since the previous step that has a time."""
    found: list[TimelineStep] = []
    last: datetime | None = None
    for step in steps:
        took = None
        if step.at is not None and last is not None:
            took = max(0.0, (step.at - last).total_seconds())
        last = step.at or last
        found.append(attrs.evolve(step, took=took))
    return found


def _work(known: TimelineFacts) -> list[TimelineStep]:
    job = known.job
    tries: list[AttemptView | ConsoleUnit] = [*known.attempts, *known.units]
    assigned = [each.assigned_at for each in tries if each.assigned_at]
    started = [each.started_at for each in tries if each.started_at]
    if job.completed_at is not None:
        return _worked(known, assigned, started)
    stands, paused = _stands(known), "paused" if job.status == "PAUSED" else ""
    if stands == "DISPATCHED" and assigned:
        return [
            TimelineStep("Dispatched", "now", max(assigned), note=_to(job)),
            TimelineStep("Running", "next"),
        ]
    if stands in ("QUEUED", "DISPATCHED") or not started:
        note = paused or "waits for a node"
        step = TimelineStep("Dispatched", "now", note=note, waits=not paused)
        return [step, TimelineStep("Running", "next")]
    dispatched = TimelineStep("Dispatched", "done", min(assigned, default=None), note=_to(job))
    if job.is_verifying and job.delivered_at is not None:
        running = TimelineStep("Running", "done", min(started), note=_tries(known))
        return [dispatched, running, TimelineStep("Verifying", "now", job.delivered_at)]
    return [dispatched, TimelineStep("Running", "now", min(started), note=paused or _tries(known))]


def _stands(known: TimelineFacts) -> str:
    """Return the status of the job; for a job of one unit that is not paused, the state of the
    unit.
    """
    job, units = known.job, known.units
    return units[0].state if job.units == 1 and units and job.status != "PAUSED" else job.status


def _worked(
    known: TimelineFacts, assigned: list[datetime], started: list[datetime]
) -> list[TimelineStep]:
    """Return the steps of the work of a job that has ended."""
    found: list[TimelineStep] = []
    if assigned:
        found.append(TimelineStep("Dispatched", "done", min(assigned), note=_to(known.job)))
    if started:
        found.append(TimelineStep("Running", "done", min(started), note=_tries(known)))
    if (delivered := _delivered(known.job)) is not None:
        found.append(TimelineStep("Verifying", "done", delivered))
    return found


def _to(job: ConsoleJob) -> str:
    alone = job.units == 1 and not job.retry_count
    return f"to {job.node_name}" if job.node_name and alone else ""


def _tries(known: TimelineFacts) -> str:
    job = known.job
    return f"{max(job.attempts, job.retry_count + 1):,} attempts" if job.retry_count else ""


def _money(known: TimelineFacts) -> list[TimelineStep]:
    """Return the steps after the work: charged, in the log and anchored, or released."""
    job, charges = known.job, known.charges
    if job.price == 0:
        return []
    if job.completed_at is None and (job.units > 1 or not charges.number):
        note = f"{charges.number:,} of {job.units:,} so far" if charges.number else ""
        chain = [TimelineStep("Anchored", "next")] if known.anchoring else []
        return [TimelineStep("Charged", "next", note=note), *chain]
    if charges.number:
        return [TimelineStep("Charged", "done", charges.at), *_log(known)]
    closed = [hold.closed_at for hold in known.holds if hold.closed_at is not None]
    return (
        [TimelineStep("Released", "done", max(closed), note="nothing was charged")]
        if closed
        else []
    )


def _log(known: TimelineFacts) -> list[TimelineStep]:
    charged, signed = known.charges.at, known.charges.signed_at
    if signed is None or charged is None:
        logged = TimelineStep("In the log", "now", note="waits for the next checkpoint", waits=True)
    else:
        logged = TimelineStep("In the log", "done", max(signed, charged))
    if not known.anchoring:
        return [logged]
    if known.charges.anchored_at is None:
        note = "waits for the next anchor"
        state: State = "now" if signed else "next"
        return [logged, TimelineStep("Anchored", state, note=note, waits=True)]
    return [logged, TimelineStep("Anchored", "done", known.charges.anchored_at)]


@attrs.frozen
class AttemptRow:
    """An attempt. ``place``: the unit, and the number of the attempt at this unit. ``state``: the
    unit's, LOST, FAILED, or RETURNED by its node although nothing failed.

    ``frames``: the frames of the unit, None if the job has no frames; ``tile``: a tile of one
    frame. ``took``: the seconds on the node; None if the attempt never began, or is running.
    ``checked``: the seconds of its verification; None if it was not verified. ``help``: the page
    about the error, or ''.
    """

    place: tuple[int, int]
    node: str | None
    given_at: datetime | None
    state: str
    took: float | None
    error: str | None = None
    verdict: str | None = None
    said: str | None = None
    frames: str | None = None
    tile: int | None = None
    checked: float | None = None
    help: str = ""


def tries_of(attempts: Sequence[AttemptView], units: Sequence[ConsoleUnit]) -> list[AttemptRow]:
    """Return all attempts, sorted by unit and by their number at the unit."""
    lost = [_lost(each) for each in attempts]
    return sorted(
        [*lost, *map(_present, filter(_adds_attempt, units))], key=lambda each: each.place
    )


def _lost(of: AttemptView) -> AttemptRow:
    state = "FAILED" if of.error_class else "LOST"
    if of.error_code == GIVEN_BACK:
        state = "RETURNED"
    took = seconds_between(of.started_at, of.delivered_at or of.ended_at)
    return AttemptRow(
        (of.number, of.attempt),
        of.node_name,
        of.assigned_at,
        state,
        took,
        of.error,
        of.verdict,
        of.said,
        of.frames,
        of.tile,
        seconds_between(of.delivered_at, of.ended_at),
        unit_help_path(of.error_code) if of.error_code else "",
    )


def _present(of: ConsoleUnit) -> AttemptRow:
    took = seconds_between(of.started_at, of.delivered_at or of.ended_at)
    place = (of.number, of.attempt)
    checked = seconds_between(of.delivered_at, of.ended_at)
    told = (None, of.verdict, of.said, of.frames, of.tile, checked)
    return AttemptRow(place, of.node_name, of.assigned_at, of.state, took, *told)


def _adds_attempt(unit: ConsoleUnit) -> bool:
    """Return True if the unit's present attempt must be added from the unit's own row."""
    return unit.attempt > 0 and unit.state in WITH_ATTEMPT
