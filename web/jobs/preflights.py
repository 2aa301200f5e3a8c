"""Preflights: a node inspects a scene before its creator pays for rendering.

For each user, a node inspects each content once, in its sandbox, in a free job of the type
``preflight``. The node reports facts about the scene. The gateway derives findings from these
facts, for the nodes that are connected now.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import AskFailed
from actors.ledger.effects import JobInsert
from actors.ports import ObjectMissing, ObjectTooLarge, place_of
from actors.scheduler.messages import Dispatch, DispatchOutcome, FleetSummary, GetFleet, Scheduler
from rendertrust.frame_range import parse
from rendertrust.job_spec import JobSpec, Pool
from rendertrust.job_status import OPEN
from rendertrust.job_types import PREFLIGHT, RENDER
from rendertrust.preflight.findings import Finding, NodeClass, findings
from sql.job_plan import JobPlan, NewUnit
from sql.preflights import PreflightRow
from sql.units import is_result_of
from web.gateway import Gateway
from web.http.problem import Fault, Problem, invalid
from web.http.refusal_code import RefusalCode
from web.jobs.preflight_report import BYTES_MAX, SceneFacts, facts_in, facts_of
from web.jobs.submission import ask_scheduler

FLEET_SECONDS: Final = 0.5
HOUR_SECONDS: Final = 3600
DRAWN: Final = ("BLENDER_EEVEE", "BLENDER_WORKBENCH")  # engines that need OpenGL
UNTILED: Final = "the scene cannot be rendered in tiles; submit it without tiles. The reason: "
UNREAD: Final = "The node's report on the scene cannot be read: "

Status: TypeAlias = Literal["DONE", "PENDING", "FAILED"]


@attrs.frozen
class PreflightState:
    """The preflight of a scene's content: its ``facts`` if DONE, its ``error`` if FAILED.

    ``is_ours``: the node that inspected the scene is a verifier of this gateway, or embedded in any
    gateway.
    """

    job: UUID
    status: Status
    facts: SceneFacts | None = None
    error: str | None = None
    is_ours: bool = False


def scene_of(plan: JobPlan) -> bytes | None:
    """Return the SHA-256 of a render's scene or of the list of its files; None if not uploaded."""
    return plan.inputs.content if plan.job_type == RENDER else None


async def with_needs_of_scene(gateway: Gateway, user: UUID, plan: JobPlan) -> JobPlan:
    """Return the plan with the requirements that follow from the facts of a preflight.

    EEVEE, Workbench and Grease Pencil require OpenGL. Scenes that CPUs and GPUs render differently
    require a CPU, unless the job names a device.
    """
    content = scene_of(plan)
    found = None if content is None else await known_preflight(gateway, user, content)
    facts = None if found is None else found.facts
    if facts is None:
        return plan
    needs = plan.needs
    if facts.engine.startswith(DRAWN) or facts.grease_pencil is not None:
        needs = attrs.evolve(needs, opengl=True)
    if facts.device_dependent and needs.device_class is None and needs.device is None:
        needs = attrs.evolve(needs, device="cpu")
    return attrs.evolve(plan, needs=needs)


async def known_preflight(gateway: Gateway, user: UUID, content: bytes) -> PreflightState | None:
    """Return the preflight of this content; None if the content has no preflight, or the preflight
    was cancelled.
    """
    row = await gateway.tables.preflights.of(user, content)
    if row is None or (row.facts is None and row.status in (None, "CANCELLED")):
        return None
    if row.facts is not None:
        return _of_facts(gateway, row, facts_of(row.facts))
    if row.status == "COMPLETED":
        return await _read(gateway, user, row)
    if row.status in OPEN:
        return PreflightState(row.job_id, "PENDING")
    return PreflightState(
        row.job_id, "FAILED", error=row.error_message or f"The preflight job is {row.status}"
    )


async def _read(gateway: Gateway, user: UUID, row: PreflightRow) -> PreflightState:
    """Read the node's report from the object store; keep its facts in the database if valid."""
    place = place_of(row.result_key or "")
    ours = gateway.settings.objects.bucket
    if place is None or place.bucket != ours or not is_result_of(user, place.key):
        return PreflightState(row.job_id, "FAILED", error="The node delivered no report")
    try:
        report = await gateway.ports.objects.get(place.key, at_most=BYTES_MAX)
    except (ObjectMissing, ObjectTooLarge):
        error = "The node's report is missing or too long"
        return PreflightState(row.job_id, "FAILED", error=error)
    found = _of_facts(gateway, row, facts_in(report))
    if found.facts is not None:
        await gateway.tables.preflights.found(user, row.job_id, attrs.asdict(found.facts))
    return found


def _of_facts(gateway: Gateway, row: PreflightRow, facts: SceneFacts | str) -> PreflightState:
    if isinstance(facts, str):
        return PreflightState(row.job_id, "FAILED", error=UNREAD + facts)
    is_ours = row.by_embedded or row.node_id in gateway.verifiers
    return PreflightState(row.job_id, "DONE", facts, is_ours=is_ours)


async def begin(
    gateway: Gateway, user: UUID, plan: JobPlan, before: UUID | None
) -> tuple[Dispatch, DispatchOutcome] | Problem | None:
    """Start a preflight for a planned job, with the same inputs and pool.

    ``before``: the job of the content's last preflight. Return None if another request has started
    the preflight.
    """
    content, now = plan.inputs.content, gateway.ports.clock.now()
    assert content is not None, "only uploads have preflights"
    count, first = await gateway.tables.preflights.lately(user, now)
    most = gateway.settings.preflight.per_hour
    if count >= most:
        since = 0 if first is None else int((now - first).total_seconds())
        return too_many(most, max(HOUR_SECONDS - since, 1))
    job = gateway.ports.random.uuid()
    if not await gateway.tables.preflights.begin(user, content, job, now, before):
        return None
    spec = JobSpec(
        PREFLIGHT,
        plan.spec.payload_ref,
        queue=True,
        priority="high",  # a preflight is short, and its creator waits for the answer
        pool=plan.spec.pool,
    )
    look = JobPlan(spec, plan.inputs, units=(NewUnit(0),))
    dispatch = Dispatch(JobInsert(job, user, look))
    return dispatch, await ask_scheduler(gateway, dispatch)


def too_many(most: int, seconds: int) -> Problem:
    text = f"You have started {most} preflights within an hour, which is the limit; wait"
    return Problem(
        429, text, headers={"Retry-After": str(seconds)}, code=RefusalCode.TOO_MANY_PREFLIGHTS
    )


async def fleet(gateway: Gateway, user: UUID, job_type: str, pool: Pool) -> FleetSummary:
    """Return a summary of the nodes that may do a job of this type and pool now.

    The summary is empty while the Scheduler does not answer.
    """
    wanted = GetFleet(user, job_type, pool)
    try:
        return await gateway.registry.ref(Scheduler).ask(wanted, within=FLEET_SECONDS)
    except (AskFailed, LookupError):
        return FleetSummary()


def findings_for(
    facts: SceneFacts, nodes: FleetSummary, frames: Sequence[int] = ()
) -> tuple[Finding, ...]:
    """Return the findings for these nodes; without nodes, for the preflight's Blender version."""
    inspected_with = (facts.blender[0], facts.blender[1])
    node_class = NodeClass(
        blender=nodes.blender if any(nodes.blender) else inspected_with,
        ram_bytes=nodes.memory or None,
        has_gpu=nodes.has_gpu,
    )
    return findings(attrs.asdict(facts), node_class, frames)


def asked_frames(facts: SceneFacts, spec: JobSpec) -> Sequence[int]:
    """Return the frames of a job: ``frames``, or else the parameter ``frame``, or else the scene's
    current frame.
    """
    if spec.frames is not None:
        return parse(spec.frames)
    frame = spec.params.get("frame")
    return (frame if type(frame) is int else facts.frame_current,)


async def refusal(gateway: Gateway, user: UUID, plan: JobPlan) -> Problem | None:
    """Return why the preflight of a job's scene forbids submitting the job; None if nothing forbids
    it.

    A job with ``as_is`` is submitted in spite of errors that preflight found, unless it asks for
    tiles of a scene that cannot be rendered in tiles.
    """
    spec, content = plan.spec, scene_of(plan)
    if content is None:
        return None
    found = await known_preflight(gateway, user, content)
    if found is None or found.facts is None:
        return None
    if spec.tiles is not None and found.facts.tile_obstacles:
        return invalid([Fault("tiles", "no_tiles", UNTILED + found.facts.tile_obstacles[0])])
    if spec.as_is:
        return None
    nodes = await fleet(gateway, user, spec.job_type, spec.pool)
    asked = asked_frames(found.facts, spec)
    errors = [one for one in findings_for(found.facts, nodes, asked) if one.level == "error"]
    return invalid([_fault(one) for one in errors]) if errors else None


def _fault(found: Finding) -> Fault:
    where = found.path or found.object
    at = f" ({where})" if where else ""
    return Fault("payload_ref", found.code, f"{found.message}{at}. To fix: {found.setting}")
