"""Why a unit has not begun: in words, and as a code for programs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from actors.kernel import AskFailed
from actors.scheduler.messages import ExplainWaiting, Scheduler, WaitCounts
from rendertrust.api.preflights import Waiting
from sql.job_plan import JobPlan
from sql.jobs import ConsoleJob, OwnerJobRow, PagedUnit
from web.gateway import Gateway
from web.jobs.check_progress import checking_of

ASK_SECONDS: Final = 0.5
UNKNOWN: Final = "It will be given to a node in a moment."
OPEN: Final = ("QUEUED", "DISPATCHED")

COPIED: Final = Waiting(
    "copied",
    "It takes far longer than the other units of its job, so an idle node tries it, too. "
    "Whichever is complete first counts, and is paid once.",
)


async def why(gateway: Gateway, job: ConsoleJob) -> str:
    """Return one or two sentences; '' for a job at work or ended."""
    is_left = job.status == "RUNNING" and not job.at_work
    if job.status not in OPEN and not is_left:
        return ""
    unit = 0 if job.status == "DISPATCHED" else job.next_unit or 0
    waiting = await _asked(gateway, ExplainWaiting(job.id, (unit,)))
    found = next(iter(waiting.values()), None)
    if found is None:
        return UNKNOWN
    if job.status == "DISPATCHED":
        return of_assigned(found, job.node_name or "A node").words
    return of_queued(job.plan, _begun(found, job.plan, gateway.ports.clock.now())).words


async def reasons_of(
    gateway: Gateway, job: OwnerJobRow, units: Sequence[PagedUnit]
) -> Mapping[int, Waiting]:
    """Return reasons for the units that wait, take very long, or are being checked, by number."""
    verifying = [unit.number for unit in units if unit.state == "VERIFYING"]
    checked = await checking_of(gateway, job.id, verifying)
    copied = {unit.number: COPIED for unit in units if unit.copy_node_id is not None}
    copied |= {number: Waiting("checked", one.words, one.since) for number, one in checked.items()}
    waiting = [unit for unit in units if unit.state in OPEN and unit.copy_node_id is None]
    if not waiting:
        return copied
    asked = ExplainWaiting(job.id, tuple(unit.number for unit in waiting))
    now = gateway.ports.clock.now()
    found = {n: _begun(one, job.plan, now) for n, one in (await _asked(gateway, asked)).items()}
    others = _of_others(found)
    reasons = {unit.number: reason(job, unit, found.get(unit.number, others)) for unit in waiting}
    return reasons | copied


def _begun(found: WaitCounts, plan: JobPlan, now: datetime) -> WaitCounts:
    """Return the counts without the job's ``start_after`` once that time has come."""
    start = plan.spec.start_after
    is_over = start is not None and found.not_before == start and start <= now
    return attrs.evolve(found, not_before=None) if is_over else found


def _of_others(found: Mapping[int, WaitCounts]) -> WaitCounts | None:
    """Return what keeps the units that come after these; None: only these."""
    first = next((one for one in found.values() if one.reachable is None), None)
    if first is None or first.ready:
        return None
    return attrs.evolve(first, not_before=None)


def reason(job: OwnerJobRow, unit: PagedUnit, found: WaitCounts | None) -> Waiting:
    """Return why a unit waits; ``found`` None: it is not among the next to be assigned."""
    if unit.state == "DISPATCHED":
        return Waiting("begins", BEGINS.format("A node")) if found is None else of_assigned(found)
    if unit.missing:
        parts = "one part" if unit.missing == 1 else f"{unit.missing} parts"
        return Waiting("parts", f"It is made of others, and {parts} of it are not complete.")
    if job.paused == "owner":
        return Waiting("paused", "Its job is paused.")
    if job.paused is not None:
        return Waiting("cap", "Its job would cost more than it may; raise max_credits.")
    if found is None and job.units > 1:
        return Waiting("turn", "Other units of its job come first.")
    return Waiting("soon", UNKNOWN) if found is None else of_queued(job.plan, found)


BEGINS: Final = "{} has it and has not begun: it is busy with other jobs, or fetches the scene."


def of_assigned(found: WaitCounts, name: str = "A node") -> Waiting:
    """Return why an assigned unit has not begun."""
    if found.reachable is False:
        words = f"{name} was given it, but is not connected now. Soon another node gets it."
        return Waiting("unreachable", words)
    return Waiting("begins", BEGINS.format(name))


def of_queued(plan: JobPlan, found: WaitCounts) -> Waiting:
    """Return why no node has it."""
    begun, start = "", plan.spec.start_after
    if start is not None and found.not_before == start:
        return Waiting("scheduled", f"It starts after {start:%Y-%m-%d %H:%M} UTC, as it was asked.")
    if found.not_before is not None:
        begun = "An attempt failed, and it is tried again in a few seconds. "
    if found.known == 0:
        never = f"No node that does “{plan.job_type}” was ever connected. It waits up to 7 days."
        return Waiting("no_node", begun + never)
    if found.ready:
        return Waiting("retry", begun.rstrip()) if begun else Waiting("soon", UNKNOWN)
    if found.full:
        words = f"{several(found.full)} can do it, and {has(found.full)} no room now."
        return Waiting("full", f"{begun}{words}{odd(found)}")
    return Waiting("nobody", f"{begun}No node can do it now: {', '.join(kept(found))}.")


def odd(found: WaitCounts) -> str:
    """Describe how many of them have unverifiable results; with a space before it."""
    if not found.unverifiable:
        return ""
    works = "renders" if found.unverifiable == 1 else "render"
    return (
        f" {found.unverifiable} of them {works} what cannot be verified here:"
        " other idle nodes go first."
    )


def kept(found: WaitCounts) -> list[str]:
    """Return why the nodes that could do it do not."""
    kinds = (
        (found.silent, "is not connected", "are not connected"),
        (found.barred, "is drained or in quarantine", "are drained or in quarantine"),
        (found.paused, "gave work back and rests", "gave work back and rest"),
        (found.closed, "is not in its pool", "are not in its pool"),
        (found.wrong_class, "is of another class", "are of another class"),
        (found.unable, "lacks what it needs", "lack what it needs"),
        (found.wrong_device, "has not the device it asks for", "have not the device it asks for"),
        (
            found.old_blender,
            "has an older Blender than it asks for",
            "have an older Blender than it asks for",
        ),
        (found.no_opengl, "has no OpenGL, which EEVEE needs", "have no OpenGL, which EEVEE needs"),
        (found.low_memory, "gives too little memory for it", "give too little memory for it"),
    )
    return [f"{number} {one if number == 1 else more}" for number, one, more in kinds if number]


async def _asked(gateway: Gateway, asked: ExplainWaiting) -> Mapping[int, WaitCounts]:
    try:
        return await gateway.registry.ref(Scheduler).ask(asked, within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return {}


def several(number: int) -> str:
    """Return the number of nodes in words."""
    return "One node" if number == 1 else f"{number} nodes"


def has(number: int) -> str:
    return "has" if number == 1 else "have"
