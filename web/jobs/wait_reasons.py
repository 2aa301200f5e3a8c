"""Reasons why units have not begun: a code for programs, and words for users."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from actors.kernel import AskFailed
from actors.scheduler.messages import ExplainWaiting, Scheduler, WaitCounts
from rendertrust.api.preflights import Waiting
from rendertrust.job_status import NOT_STARTED
from sql.job_plan import JobPlan
from sql.jobs import ConsoleJob, OwnerJobRow, PagedUnit
from web.gateway import Gateway
from web.jobs.check_progress import checking_of

ASK_SECONDS: Final = 0.5
UNKNOWN: Final = "It will be given to a node in a moment."

COPIED: Final = Waiting(
    "copied",
    "It takes far longer than the other units of its job, so an idle node tries it, too. "
    "Whichever is complete first counts, and is paid once.",
)


async def waiting_words(gateway: Gateway, job: ConsoleJob) -> str:
    """Return one or two sentences on why a job waits; '' if it has running units or has ended."""
    is_waiting = job.status == "RUNNING" and not job.at_work
    if job.status not in NOT_STARTED and not is_waiting:
        return ""
    unit = 0 if job.status == "DISPATCHED" else job.next_unit or 0
    waiting = await _wait_counts(gateway, ExplainWaiting(job.id, (unit,)))
    found = next(iter(waiting.values()), None)
    if found is None:
        return UNKNOWN
    if job.status == "DISPATCHED":
        return of_assigned(found, job.node_name or "A node").words
    counts = _without_past_start(found, job.plan, gateway.ports.clock.now())
    return of_queued(job.plan, counts).words


async def reasons_of(
    gateway: Gateway, job: OwnerJobRow, units: Sequence[PagedUnit]
) -> Mapping[int, Waiting]:
    """Return reasons, by unit number, for units that wait, take very long, or await a verdict."""
    verifying = [unit.number for unit in units if unit.state == "VERIFYING"]
    checked = await checking_of(gateway, job.id, verifying)
    copied = {unit.number: COPIED for unit in units if unit.copy_node_id is not None}
    copied |= {
        number: Waiting("checked", one.words, one.since, one.reason)
        for number, one in checked.items()
    }
    waiting = [unit for unit in units if unit.state in NOT_STARTED and unit.copy_node_id is None]
    if not waiting:
        return copied
    asked = ExplainWaiting(job.id, tuple(unit.number for unit in waiting))
    now = gateway.ports.clock.now()
    counts = await _wait_counts(gateway, asked)
    found = {number: _without_past_start(one, job.plan, now) for number, one in counts.items()}
    others = _counts_for_later_units(found)
    reasons = {unit.number: reason(job, unit, found.get(unit.number, others)) for unit in waiting}
    return reasons | copied


def _without_past_start(found: WaitCounts, plan: JobPlan, now: datetime) -> WaitCounts:
    """Return the counts without ``not_before`` if it equals the job's ``start_after`` and has
    passed.
    """
    start = plan.spec.start_after
    is_over = start is not None and found.not_before == start and start <= now
    return attrs.evolve(found, not_before=None) if is_over else found


def _counts_for_later_units(found: Mapping[int, WaitCounts]) -> WaitCounts | None:
    """Return the counts that also explain why later units of the job wait; None if later units only
    wait for the counted ones.
    """
    first = next((one for one in found.values() if one.reachable is None), None)
    if first is None or first.ready:
        return None
    return attrs.evolve(first, not_before=None)


def reason(job: OwnerJobRow, unit: PagedUnit, found: WaitCounts | None) -> Waiting:
    """Return why a unit waits; ``found`` None: the Scheduler has no counts for the unit."""
    if unit.state == "DISPATCHED":
        return Waiting("begins", BEGINS.format("A node")) if found is None else of_assigned(found)
    if unit.missing:
        parts = "one is" if unit.missing == 1 else f"{unit.missing} are"
        return Waiting("parts", f"It merges other units, of which {parts} not complete.")
    if job.paused == "owner":
        return Waiting("paused", "Its job is paused.")
    if job.paused is not None:
        return Waiting("cap", "Its job has reached its max_credits; raise them to continue.")
    if found is None and job.units > 1:
        return Waiting("turn", "Other units of its job come first.")
    return Waiting("soon", UNKNOWN) if found is None else of_queued(job.plan, found)


BEGINS: Final = "{} has it, but has not begun: it is busy with other jobs, or fetches the scene."


def of_assigned(found: WaitCounts, name: str = "A node") -> Waiting:
    """Return why an assigned unit has not begun."""
    if found.reachable is False:
        words = f"{name} has it, but is not connected now. Another node will get it soon."
        return Waiting("unreachable", words)
    return Waiting("begins", BEGINS.format(name))


def of_queued(plan: JobPlan, found: WaitCounts) -> Waiting:
    """Return why a queued unit is not assigned to a node."""
    begun, start = "", plan.spec.start_after
    if start is not None and found.not_before == start:
        return Waiting("scheduled", f"It starts after {start:%Y-%m-%d %H:%M} UTC, as requested.")
    if found.not_before is not None:
        begun = "An attempt failed, and the unit is retried in a few seconds. "
    if found.known == 0:
        never = f"No node that does “{plan.job_type}” has joined yet. It waits up to 7 days."
        return Waiting("no_node", begun + never)
    if found.ready:
        return Waiting("retry", begun.rstrip()) if begun else Waiting("soon", UNKNOWN)
    if found.full:
        words = f"{node_count(found.full)} can do it, but {has(found.full)} no free slot now."
        return Waiting("full", f"{begun}{words}{unverifiable_note(found)}")
    return Waiting("nobody", f"{begun}No node can do it now: {', '.join(obstacles(found))}.")


def unverifiable_note(found: WaitCounts) -> str:
    """Return a space and a sentence on nodes with unverifiable results; '' if there are none."""
    if not found.unverifiable:
        return ""
    return (
        f" Results of {found.unverifiable} of them cannot be verified here,"
        " so other idle nodes are preferred."
    )


def obstacles(found: WaitCounts) -> list[str]:
    """Return phrases that say how many nodes cannot do a unit for which reason."""
    kinds = (
        (found.silent, "is not connected", "are not connected"),
        (
            found.barred,
            "is stopped or in quarantine",
            "are stopped or in quarantine",
        ),
        (found.paused, "returned work and pauses", "returned work and pause"),
        (found.closed, "is not in its pool", "are not in its pool"),
        (found.wrong_class, "is of another device class", "are of another device class"),
        (found.unable, "lacks what it needs", "lack what it needs"),
        (found.wrong_device, "lacks the requested device", "lack the requested device"),
        (
            found.other_blender,
            "has another version of Blender than it needs",
            "have other versions of Blender than it needs",
        ),
        (
            found.no_opengl,
            "has no OpenGL, which the scene needs",
            "have no OpenGL, which the scene needs",
        ),
        (found.low_memory, "has too little memory for it", "have too little memory for it"),
    )
    return [f"{number} {one if number == 1 else more}" for number, one, more in kinds if number]


async def _wait_counts(gateway: Gateway, asked: ExplainWaiting) -> Mapping[int, WaitCounts]:
    try:
        return await gateway.registry.ref(Scheduler).ask(asked, within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return {}


def node_count(number: int) -> str:
    """Return the number of nodes as the beginning of a sentence."""
    return "One node" if number == 1 else f"{number} nodes"


def has(number: int) -> str:
    return "has" if number == 1 else "have"
