"""Preflights: a node inspects a scene before its creator pays for rendering.

For each user, a node inspects each content once, in its sandbox, in a free job of the type
``preflight``; and again for frames outside the range that was measured. The node reports facts
about the scene. The gateway derives findings from these facts, for the nodes that are connected
now. No preflight makes the gateway forget an earlier one: the same frames find the same preflight.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import AskFailed
from actors.ledger.effects import JobInsert
from actors.ports import ObjectMissing, ObjectsUnavailable, ObjectTooLarge, place_of
from actors.scheduler.messages import Dispatch, DispatchOutcome, FleetSummary, GetFleet, Scheduler
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.blend_file import HEAD_BYTES, saved_by
from rendertrust.blender_version import name_of
from rendertrust.blender_version import parse as parse_version
from rendertrust.frame_range import FrameRangeError, canonical, parse
from rendertrust.job_name import name_of_part
from rendertrust.job_spec import JobSpec, NodeNeeds, Pool
from rendertrust.job_status import OPEN
from rendertrust.job_types import INFERENCE, RENDER, preflight_of
from rendertrust.preflight.findings import Finding, NodeClass, findings, needs_opengl
from sql.job_plan import NO_NEEDS, JobPlan, NewUnit, card_bytes_of
from sql.preflights import NewPreflight, PreflightRow
from sql.units import is_result_of
from web.downloads.addons import offered_addons
from web.gateway import Gateway
from web.http.problem import Fault, Problem, invalid
from web.jobs.preflight_report import (
    BYTES_MAX,
    MODEL_MEMBER,
    ModelFacts,
    SceneFacts,
    facts_in,
    facts_of,
)
from web.jobs.submission import ask_scheduler

FLEET_SECONDS: Final = 0.5
HOUR_SECONDS: Final = 3600
UNTILED: Final = "the scene cannot be rendered in tiles; submit it without tiles. The reason: "
NOT_ITS_FAULT: Final = (
    "The file may be fine: check it again, or submit a single frame to try it. Without a check,"
    " frames are priced by their size and samples."
)
UNREAD: Final = "The node's report on the scene cannot be read: "

Status: TypeAlias = Literal["DONE", "PENDING", "FAILED"]


@attrs.frozen
class PreflightState:
    """The preflight of a scene's content: its ``facts`` if DONE, its ``error`` if FAILED.

    ``model``: the facts of a model, instead of those of a scene. ``is_ours``: the node that
    inspected the scene, or tried to, is a verifier of this gateway, or embedded in any gateway.
    ``ends``: the first and last of the frames that were requested.
    """

    job: UUID
    status: Status
    facts: SceneFacts | None = None
    error: str | None = None
    is_ours: bool = False
    ends: tuple[int, int] | None = None
    model: ModelFacts | None = None


def scene_of(plan: JobPlan) -> bytes | None:
    """Return the SHA-256 of a job's scene or model, or of the list of its files; None if it was not
    uploaded, or the job has neither.
    """
    return plan.inputs.content if plan.job_type in (RENDER, INFERENCE) else None


def with_needs_of_scene(plan: JobPlan, found: PreflightState | None) -> JobPlan:
    """Return the plan with the requirements that follow from the scene; ``found``: its preflight.

    A scene requires the version of Blender that saved it, unless the job names a version. By the
    facts of a preflight, EEVEE, Workbench and Grease Pencil require OpenGL, and scenes that CPUs
    and GPUs render differently require a CPU, unless the job names a device. The graphics memory
    that a card needs is estimated from what Cycles itself counted in the probe.
    """
    facts = None if found is None else found.facts
    needs = plan.needs
    if needs.blender is None and plan.job_type == RENDER:
        needs = attrs.evolve(needs, blender=_saved_by(plan, facts))
    if facts is None:
        return attrs.evolve(plan, needs=needs)
    if needs_opengl(facts.engine, facts.grease_pencil):
        needs = attrs.evolve(needs, opengl=True)
    is_free = needs.device_class is None and needs.device is None and needs.vram is None
    if facts.device_dependent and is_free:
        needs = attrs.evolve(needs, device="cpu")
    peak = 0 if facts.probe is None else facts.probe.peak_bytes
    return attrs.evolve(plan, needs=needs, card_bytes=card_bytes_of(peak))


def _saved_by(plan: JobPlan, facts: SceneFacts | None) -> str | None:
    """Return the version of Blender that saved a job's scene; None if it is not known."""
    by_facts = None if facts is None else name_of(facts.saved_by)
    return plan.inputs.blender or plan.spec.saved_by or by_facts


async def scene_head(gateway: Gateway, key: str) -> bytes | None:
    """Return the first bytes of an upload; None if it cannot be read now."""
    try:
        return await gateway.ports.objects.piece(key, 0, HEAD_BYTES)
    except (ObjectMissing, ObjectsUnavailable):
        return None


async def known_preflight(gateway: Gateway, user: UUID, plan: JobPlan) -> PreflightState | None:
    """Return the preflight that counts for a job; None if there is none of its scene."""
    content = scene_of(plan)
    if content is None:
        return None
    try:
        named = named_frames(plan.spec)
    except FrameRangeError:  # its price refuses the job
        named = ()
    return await fitting(gateway, user, await gateway.tables.preflights.of(user, content), named)


async def fitting(
    gateway: Gateway, user: UUID, rows: Sequence[PreflightRow], named: Sequence[int]
) -> PreflightState | None:
    """Return the preflight among these of one content, newest first, that counts for the frames.

    Return None if there is no preflight, or all were cancelled.
    """
    states = [await _state_of(gateway, user, row) for row in rows]
    return chosen([one for one in states if one is not None], named)


def chosen(states: Sequence[PreflightState], named: Sequence[int]) -> PreflightState | None:
    """Return the preflight that counts for the ascending frames ``named``; ``states`` has the
    newest first.

    A preflight that was requested for these very frames is waited for. Of those that are done, the
    gateway's nodes' count first, then those that measured the scene's range or were requested for
    these frames, the newest of them; then the oldest. So the price of frames stays the same when
    others are measured.
    """
    ends = ends_of(named)
    same = [one for one in states if one.ends == ends]
    if same and same[0].status == "PENDING":
        return same[0]
    ranked = [
        (_rank(one, one.facts, place, ends), one)
        for place, one in enumerate(states)
        if one.facts is not None and one.facts.counts_for(named)
    ]
    if ranked:
        return max(ranked, key=lambda pair: pair[0])[1]
    others = sorted(states, key=lambda one: ("PENDING", "DONE", "FAILED").index(one.status))
    return next(iter((*same, *others)), None)


def _rank(
    state: PreflightState, facts: SceneFacts, place: int, ends: tuple[int, int] | None
) -> tuple[int, ...]:
    """Return the rank of a preflight that is done; ``place`` counts from the newest."""
    is_scenes = facts.measured == (facts.frame_start, facts.frame_end)
    is_asked = state.ends == ends and not is_scenes
    newness = -place if is_scenes or is_asked else place
    usable = (state.is_ours, facts.opened, facts.probe is not None)
    return (*usable, is_scenes, is_asked, newness)


def ends_of(frames: Sequence[int]) -> tuple[int, int] | None:
    """Return the first and the last of ascending frames; None if there are none."""
    return (frames[0], frames[-1]) if frames else None


async def _state_of(gateway: Gateway, user: UUID, row: PreflightRow) -> PreflightState | None:
    """Return the state of a preflight; None if it was cancelled."""
    if row.facts is not None:
        return _of_facts(gateway, row, facts_of(row.facts))
    if row.status in (None, "CANCELLED"):
        return None
    if row.status == "COMPLETED":
        return await _read(gateway, user, row)
    if row.status in OPEN:
        return PreflightState(row.job_id, "PENDING", ends=_ends(row))
    error = row.error_message or f"The preflight job is {row.status}"
    return PreflightState(
        row.job_id, "FAILED", error=error, is_ours=_is_ours(gateway, row), ends=_ends(row)
    )


def _ends(row: PreflightRow) -> tuple[int, int] | None:
    if row.first_frame is None or row.last_frame is None:
        return None
    return row.first_frame, row.last_frame


async def _read(gateway: Gateway, user: UUID, row: PreflightRow) -> PreflightState:
    """Read the node's report from the object store; keep its facts in the database if valid."""
    place = place_of(row.result_key or "")
    ours = gateway.settings.objects.bucket
    if place is None or place.bucket != ours or not is_result_of(user, place.key):
        error = "The node delivered no report"
        return PreflightState(row.job_id, "FAILED", error=error, ends=_ends(row))
    try:
        report = await gateway.ports.objects.get(place.key, at_most=BYTES_MAX)
    except (ObjectMissing, ObjectTooLarge):
        error = "The node's report is missing or too long"
        return PreflightState(row.job_id, "FAILED", error=error, ends=_ends(row))
    found = _of_facts(gateway, row, facts_in(report))
    if found.facts is not None:
        await gateway.tables.preflights.found(user, row.job_id, attrs.asdict(found.facts))
    if found.model is not None:
        facts = {MODEL_MEMBER: attrs.asdict(found.model)}
        await gateway.tables.preflights.found(user, row.job_id, facts)
    return found


def _of_facts(
    gateway: Gateway, row: PreflightRow, facts: SceneFacts | ModelFacts | str
) -> PreflightState:
    if isinstance(facts, str):
        return PreflightState(row.job_id, "FAILED", error=UNREAD + facts, ends=_ends(row))
    is_ours, ends = _is_ours(gateway, row), _ends(row)
    if isinstance(facts, ModelFacts):
        return PreflightState(row.job_id, "DONE", model=facts, is_ours=is_ours, ends=ends)
    if facts.timed_out and not facts.opened:
        error = f"{facts.error}. {NOT_ITS_FAULT}"
        return PreflightState(row.job_id, "FAILED", error=error, is_ours=is_ours, ends=ends)
    return PreflightState(row.job_id, "DONE", facts, is_ours=is_ours, ends=ends)


def _is_ours(gateway: Gateway, row: PreflightRow) -> bool:
    return row.by_embedded or row.node_id in gateway.verifiers


async def begin(
    gateway: Gateway, user: UUID, plan: JobPlan, number: int
) -> tuple[Dispatch, DispatchOutcome] | Problem | None:
    """Start a preflight for a planned job, with the same inputs and pool, for the frames it names.

    ``number``: the one after that of the content's last preflight. Return None if another request
    has started the preflight.
    """
    content, now = plan.inputs.content, gateway.ports.clock.now()
    assert content is not None, "only uploads have preflights"
    count, first = await gateway.tables.preflights.lately(user, now)
    most = gateway.settings.preflight.per_hour
    if count >= most:
        since = 0 if first is None else int((now - first).total_seconds())
        return too_many(most, max(HOUR_SECONDS - since, 1))
    job, named = gateway.ports.random.uuid(), named_frames(plan.spec)
    new = NewPreflight(number, job, now, ends_of(named))
    if not await gateway.tables.preflights.begin(user, content, new):
        return None
    spec = JobSpec(
        preflight_of(plan.job_type),
        plan.spec.payload_ref,
        queue=True,
        priority="high",  # a preflight is short, and its creator waits for the answer
        pool=plan.spec.pool,
        name=name_of_part(plan.name, "check"),
        params=_params_of(plan.spec),
    )
    needs = await _needs_of_look(gateway, user, plan)
    look = JobPlan(spec, plan.inputs, needs, units=(NewUnit(0),))
    dispatch = Dispatch(JobInsert(job, user, look))
    return dispatch, await ask_scheduler(gateway, dispatch)


async def _needs_of_look(gateway: Gateway, user: UUID, plan: JobPlan) -> NodeNeeds:
    """Return the requirements of a preflight: the version of Blender that the job needs.

    If no connected node has it, any node may open the scene.
    """
    place = place_of(plan.payload_ref)
    version = plan.needs.blender
    if version is None and plan.job_type == RENDER and place is not None:
        head = await scene_head(gateway, place.key)
        version = name_of(saved_by(head or b""))
    if version is None:
        return NO_NEEDS
    nodes = await fleet(gateway, user, preflight_of(plan.job_type), plan.spec.pool)
    is_there = parse_version(version) in nodes.blenders
    return NodeNeeds(blender=version) if is_there else NO_NEEDS


def _params_of(spec: JobSpec) -> dict[str, Any]:
    """Return the parameters of the preflight of a job."""
    if spec.job_type == INFERENCE:
        return spec.params
    named = named_frames(spec)
    return {"for_frames": canonical(named)} if named else {}


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


async def findings_for(
    gateway: Gateway, facts: SceneFacts, nodes: FleetSummary, spec: JobSpec
) -> tuple[Finding, ...]:
    """Return the findings about a job for these nodes; if none of them declares its version of
    Blender, for the preflight's.
    """
    inspected_with = (facts.blender[0], facts.blender[1])
    named = None if spec.needs is None else spec.needs.blender
    node_class = NodeClass(
        blenders=nodes.blenders or (inspected_with,),
        wanted=parse_version(named or ""),
        or_newer=spec.or_newer,
        ram_bytes=nodes.memory or None,
        has_gpu=nodes.has_gpu,
        has_opengl=nodes.has_opengl if nodes.nodes else None,
        addons=await _offered(gateway) if facts.unknown_nodes else (),
    )
    frames, wanted = asked_frames(facts, spec), spec.params.get("format")
    return findings(attrs.asdict(facts), node_class, frames, wanted)


async def _offered(gateway: Gateway) -> tuple[str, ...]:
    """Return the ids of the add-ons that the farm offers."""
    found = await asyncio.to_thread(offered_addons, gateway.settings)
    return tuple(dict.fromkeys(each.manifest.id for each in found))


def asked_frames(facts: SceneFacts, spec: JobSpec) -> Sequence[int]:
    """Return the frames of a job: ``frames``, or else the parameter ``frame``, or else the scene's
    current frame.
    """
    return named_frames(spec) or (facts.frame_current,)


def named_frames(spec: JobSpec) -> Sequence[int]:
    """Return the frames that a job names, ascending; none if it renders the current frame."""
    if spec.frames is not None:
        return parse(spec.frames)
    frame = spec.params.get("frame")
    return (frame,) if type(frame) is int else ()


async def refusal(gateway: Gateway, user: UUID, plan: JobPlan) -> Problem | None:
    """Return why the preflight of a job's scene forbids submitting the job; None if nothing forbids
    it.

    A job with ``as_is`` is submitted in spite of errors that preflight found, unless it asks for
    tiles of a scene that cannot be rendered in tiles.
    """
    spec, found = plan.spec, await known_preflight(gateway, user, plan)
    model = None if found is None else found.model
    if model is not None and model.error and model.counts_for(spec.params):
        return invalid([_fault(one) for one in findings_of_model(model)])
    if found is None or found.facts is None:
        return None
    if spec.tiles is not None and found.facts.tile_obstacles:
        return invalid([Fault("tiles", "no_tiles", UNTILED + found.facts.tile_obstacles[0])])
    if spec.as_is:
        return None
    nodes = await fleet(gateway, user, spec.job_type, spec.pool)
    said = await findings_for(gateway, found.facts, nodes, spec)
    errors = [one for one in said if one.level == "error"]
    return invalid([_fault(one) for one in errors]) if errors else None


def findings_of_model(model: ModelFacts) -> tuple[Finding, ...]:
    """Return the findings about a model and the rows of its first unit."""
    if not model.error:
        return ()
    setting = "the model's export, or the arrays of rows"
    return (Finding(code="model", level="error", message=model.error, setting=setting),)


def _fault(found: Finding) -> Fault:
    where = found.path or found.object
    at = f" ({where})" if where else ""
    return Fault("payload_ref", found.code, f"{found.message}{at}. To fix: {found.setting}")
