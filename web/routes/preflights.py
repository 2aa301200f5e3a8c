"""Preflight: findings about a scene and an estimate of its time, before credits are held."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import attrs

from actors.ledger.messages import Posted
from actors.scheduler.messages import FleetSummary, TooManyOpen
from rendertrust.api.preflights import Estimate, Preflight, SceneFinding, SceneSummary, Waiting
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.api_paths import thumbnail_path
from rendertrust.job_spec import Frames, JobSpec, NodeNeeds, Pool, Reference, Version
from rendertrust.job_types import preflight_of as preflight_type
from rendertrust.preflight.findings import Finding, stops
from sql.job_plan import JobPlan
from sql.jobs import JobOrder
from web.http.operations import Answer, Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid, unavailable
from web.http.responses import from_row
from web.jobs.estimates import estimate_of_job
from web.jobs.job_view import too_many_open
from web.jobs.preflight_report import SceneFacts
from web.jobs.preflights import (
    PreflightState,
    begin,
    findings_for,
    findings_of_model,
    fitting,
    fleet,
    named_frames,
)
from web.jobs.validation import offer_of
from web.jobs.wait_reasons import reasons_of
from web.openapi.examples import jobs as examples

operations = Operations()
NOT_OURS: Final = Fault(
    "payload_ref", "value", "must be one of your uploads; other users' files cannot be read"
)
AT_ONCE: Final = unavailable(
    "The same preflight is being requested; try again", code=RefusalCode.CHANGED_MEANWHILE
)
NOT_NOW: Final = unavailable(
    "No node can be asked now; try again", code=RefusalCode.NODE_UNAVAILABLE
)


@attrs.frozen
class Look:
    """A scene to check: an upload, and the ``manifest`` of its files if it has some. Or a model to
    measure with its rows, if ``job_type`` is ``inference``.

    ``frames`` and ``params`` are those of the job to estimate. ``pool``: the nodes that may see the
    scene. ``needs``, ``or_newer`` and ``saved_by`` are those of the job. ``again``: check the scene
    again even if a node has checked it before.
    """

    payload_ref: Reference
    manifest: Reference | None = None
    params: dict[str, Any] = attrs.field(factory=dict[str, Any])
    frames: Frames | None = None
    pool: Pool = "any"
    again: bool = False
    needs: NodeNeeds | None = None
    or_newer: bool = False
    saved_by: Version | None = None
    job_type: Literal["render", "inference"] = "render"


@operations.post(
    "/api/v1/jobs/preflight",
    scope=Scope.JOBS_WRITE,
    answers={200: Preflight, 202: Preflight},
    rate="dispatch",
    new_work=True,
    request_example=examples.NEW_PREFLIGHT,
    example=examples.PREFLIGHT,
)
async def preflight(call: Call[Look]) -> Answer | Preflight | Problem:
    """Have a node check a scene, or measure a model, in its sandbox.

    A preflight is free, and nothing is held. The answer is 202 until a node has checked the scene;
    repeat the request, or follow the preflight's job. The same content is checked once per user;
    later requests for it are answered at once, unless they name frames outside those that were
    measured. Frames that were measured before find their earlier preflight again. Findings are for
    the nodes of the pool that are online.
    """
    body = call.body
    idea = JobSpec(
        job_type=body.job_type,
        payload_ref=body.payload_ref,
        params=body.params,
        manifest=body.manifest,
        frames=body.frames,
        pool=body.pool,
        needs=body.needs,
        or_newer=body.or_newer,
        saved_by=body.saved_by,
    )
    terms = await call.gateway.tables.jobs.terms(JobOrder(call.caller, body.job_type, None))
    offer = await offer_of(call, idea, attrs.evolve(terms, price=0))  # a preflight is free
    if isinstance(offer, Problem):
        return offer
    found = await _known_or_begun(call, offer.plan)
    if isinstance(found, Problem):
        return found
    shown = await preflight_shown(call, offer.plan, found)
    return Answer(202 if found.status == "PENDING" else 200, shown)


async def _known_or_begun(call: Call[Look], plan: JobPlan) -> PreflightState | Problem:
    """Return the known preflight of the scene, or start one."""
    gateway, content = call.gateway, plan.inputs.content
    if content is None:
        return invalid([NOT_OURS])
    rows = await gateway.tables.preflights.of(call.caller, content)
    found = await fitting(gateway, call.caller, rows, named_frames(plan.spec))
    again = call.body.again and found is not None and found.status != "PENDING"
    if found is not None and not again and not await _must_measure(call, plan, found):
        return found
    begun = await begin(gateway, call.caller, plan, 1 + (rows[0].number if rows else 0))
    if begun is None:
        return AT_ONCE
    if isinstance(begun, Problem):
        return begun
    dispatch, outcome = begun
    if isinstance(outcome, TooManyOpen):
        return too_many_open(outcome)
    if not isinstance(outcome, Posted):
        return NOT_NOW
    return PreflightState(dispatch.insert.job, "PENDING")


async def _must_measure(call: Call[Look], plan: JobPlan, found: PreflightState) -> bool:
    """Return True if the known measurement does not count for the job's frames or rows, and one of
    the gateway's nodes can measure them now; or if a node of the scene's version can open it now.
    """
    wanted = preflight_type(plan.job_type)
    if found.model is not None:
        if found.model.counts_for(plan.spec.params):
            return False
    elif found.facts is not None and found.facts.lacked_version is not None:
        nodes = await fleet(call.gateway, call.caller, wanted, plan.spec.pool)
        return found.facts.lacked_version in nodes.blenders
    elif found.facts is None or found.facts.counts_for(named_frames(plan.spec)):
        return False
    return (await fleet(call.gateway, call.caller, wanted, plan.spec.pool)).ours > 0


async def preflight_shown(call: Call[Any], plan: JobPlan, found: PreflightState) -> Preflight:
    """Return the preflight of a job's scene as the API shows it."""
    spec, facts = plan.spec, found.facts
    nodes = await fleet(call.gateway, call.caller, spec.job_type, spec.pool)
    estimate = estimate_of_job(found, spec, nodes.slots)
    if found.model is not None:
        return await _answer(call, found, nodes, findings_of_model(found.model), estimate)
    said = () if facts is None else await findings_for(call.gateway, facts, nodes, spec)
    return await _answer(call, found, nodes, said, estimate)


async def _answer(
    call: Call[Any],
    found: PreflightState,
    nodes: FleetSummary,
    said: Sequence[Finding],
    estimate: Estimate | None,
) -> Preflight:
    facts = found.facts
    return Preflight(
        status=found.status,
        job_id=str(found.job),
        waiting=await _waiting(call, found) if found.status == "PENDING" else None,
        error=found.error,
        nodes=nodes.nodes,
        stops=stops(said),
        findings=tuple(SceneFinding(**attrs.asdict(one)) for one in said),
        scene=None if facts is None or not facts.opened else _summary(facts),
        estimate=estimate,
        not_estimated=facts.unprobed if facts is not None and estimate is None else None,
        thumbnail=await _thumbnail(call, found),
    )


async def _thumbnail(call: Call[Any], found: PreflightState) -> str | None:
    shown = await call.gateway.tables.thumbnails.shown(found.job)
    return thumbnail_path(found.job, shown[-1].frame) if shown else None


async def _waiting(call: Call[Any], found: PreflightState) -> Waiting | None:
    jobs = call.gateway.tables.jobs
    row = await jobs.by_id(found.job, call.caller)
    units = await jobs.unit_page(found.job, -1, 1)
    reasons = {} if row is None else await reasons_of(call.gateway, row, units)
    return reasons.get(0)


def _summary(facts: SceneFacts) -> SceneSummary:
    return from_row(SceneSummary, facts, frame=facts.frame_current)
