"""Validation of jobs for submissions and quotes."""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import attrs
import orjson

from actors.ports import place_of
from rendertrust import money
from rendertrust.blend_file import is_blend, saved_by
from rendertrust.blender_version import name_of
from rendertrust.device_class import are_comparable
from rendertrust.inference.row_plan import RowFault, read_plan
from rendertrust.job_spec import JobSpec, Reference, RenderParams
from rendertrust.job_types import INFERENCE, RENDER, RENDERED, is_check, is_preflight
from rendertrust.value_types import Doc
from sql.database import as_stored
from sql.job_plan import NO_INPUTS, NO_NEEDS, InputFile, Inputs, JobPlan
from sql.jobs import JobTerms
from sql.units import MINE
from web.gateway import Gateway
from web.http.converter import structure
from web.http.operations import TOKEN_REFUSED, Call
from web.http.problem import Fault, Problem, invalid
from web.jobs.preflights import (
    PreflightState,
    known_preflight,
    scene_head,
    with_needs_of_scene,
)
from web.jobs.pricing import Tariff, tariff_of
from web.jobs.unit_plan import split_into_units
from web.objects.manifests import files_of

PARAMS_BYTES_MAX: Final = 10_240  # for job types other than render
START_MOST: Final = timedelta(days=30)
PAST_MOST: Final = timedelta(hours=1)
PRICE_MOST: Final = 10**18  # highest price of a job, in 1/10,000 credits
# A verifier counts if it was seen within this time, or within ``verification.wait_seconds``.
VERIFIER_SECONDS: Final = 30.0
NO_VERIFIER: Final = "must have a build of Blender that a verifier of this gateway has"
NO_ENDPOINT: Final = "none"
NOT_YOUR_ENDPOINT: Final = (
    "is no webhook endpoint of yours; GET /api/v1/webhooks/endpoints lists them"
)
NO_SCENE: Final = "is no .blend file; save the scene in Blender (File > Save As), and send that"


@attrs.frozen
class NewJob(JobSpec):
    """A job to submit. With ``frames`` the job has a unit for each frame, or for each ``chunk`` of
    them; with ``tiles`` each frame has a unit for each tile, and a unit that merges the tiles.
    """

    payload_ref: Annotated[Reference, Doc("The ``payload_ref`` of an upload.")] = attrs.field(
        kw_only=True
    )


NO_VRAM: Final = "A processor has no graphics memory: leave out vram, or ask for the device gpu"
NO_DRAWING: Final = (
    "Nodes with a graphics card render Cycles alone, and processors render EEVEE, Workbench and"
    " Grease Pencil: leave out the device, or choose Cycles"
)


@attrs.frozen
class PricedJob:
    """A validated job with its price and all its ``frames``.

    ``preflight``: the preflight that its price follows from; None if none is known.
    """

    plan: JobPlan
    tariff: Tariff
    frames: tuple[int, ...]
    preflight: PreflightState | None


async def offer_of(call: Call[Any], asked: JobSpec, terms: JobTerms) -> PricedJob | Problem:
    """Return the validated and priced job, or its faults."""
    plan = await _plan_of(call, asked)
    if isinstance(plan, list):
        return invalid(plan)
    known = await known_preflight(call.gateway, call.caller, plan)
    plan = with_needs_of_scene(plan, known)
    if not terms.active:
        return TOKEN_REFUSED
    fault = _contradiction(plan) or await _uncheckable_class(call.gateway, plan)
    if fault is not None:
        return invalid([fault])
    tariff = await tariff_of(call.gateway, call.caller, plan, terms.price, known)
    if isinstance(tariff, Problem):
        return tariff
    split = split_into_units(plan.spec, tariff.cost)
    if isinstance(split, list):
        return invalid(split)
    plan = attrs.evolve(plan, units=split.units, pricing=tariff.pricing(split.frames))
    faults = _unpayable(plan)
    return invalid(faults) if faults else PricedJob(plan, tariff, split.frames, known)


def _contradiction(plan: JobPlan) -> Fault | None:
    """Return a fault if no node can ever have all that the job needs."""
    needs = plan.needs
    if needs.device == "cpu" and needs.vram is not None:
        return Fault("needs.vram", "value", NO_VRAM)
    if needs.device == "gpu" and needs.opengl:
        return Fault("needs.device", "value", NO_DRAWING)
    return None


async def _uncheckable_class(gateway: Gateway, plan: JobPlan) -> Fault | None:
    """Return a fault if no verifier has the build of the class that the job names.

    Results of that class could not be compared, and would not be charged. Results of the creator's
    own nodes are compared only in quarantine.
    """
    named, verification = plan.needs.device_class, gateway.settings.verification
    is_checked = verification.enabled and plan.job_type in RENDERED and plan.spec.pool != MINE
    if named is None or not is_checked:
        return None
    within = max(verification.wait_seconds, VERIFIER_SECONDS)
    known = await gateway.tables.evidence.verifier_classes(within)
    if not known or any(are_comparable(named, one) for one in known):
        return None
    return Fault("needs.device_class", "value", NO_VERIFIER)


def _unpayable(plan: JobPlan) -> list[Fault]:
    """Return a fault if the first unit costs more than ``max_credits``, or the job more than
    PRICE_MOST.
    """
    first = plan.units[0].price
    if plan.cap is not None and plan.cap < first:
        return [Fault("max_credits", "value", f"one unit costs {money.format_amount(first)}")]
    if plan.price > PRICE_MOST:
        return [
            Fault("frames", "value", f"cost over {money.format_amount(PRICE_MOST)}; ask for fewer")
        ]
    return []


async def _plan_of(call: Call[Any], asked: JobSpec) -> JobPlan | list[Fault]:
    """Return the job with its inputs, or the faults of its parameters, inputs and start time."""
    params = parameters_of(asked.job_type, asked.params)
    inputs = await _inputs(call, asked)
    faults = [*(params if isinstance(params, list) else []), *_start_fault(call, asked)]
    faults += [inputs] if isinstance(inputs, Fault) else []
    faults += await _unknown_endpoint(call, asked)
    faults += [] if isinstance(params, list) else _other_units(asked, params)
    if isinstance(params, list) or isinstance(inputs, Fault) or faults:
        return faults
    return JobPlan(attrs.evolve(asked, params=params), inputs, asked.needs or NO_NEEDS)


def parameters_of(job_type: str, given: dict[str, Any]) -> dict[str, Any] | list[Fault]:
    """Return the parameters to store with the job, or their faults."""
    if is_preflight(job_type) or is_check(job_type):
        return [Fault("job_type", "value", "is a type that only the gateway itself dispatches")]
    if job_type == RENDER:
        return _render(given)
    if job_type == INFERENCE and "rows" in given:
        return _rows(given)
    if any(name.startswith("_") for name in given):
        return [Fault("params", "value", "must not contain names that begin with _")]
    if len(orjson.dumps(given)) > PARAMS_BYTES_MAX:
        return [Fault("params", "value", f"must not be larger than {PARAMS_BYTES_MAX} bytes")]
    # The node signs the parameters that it gets, and another gateway checks the signature with
    # those in the database: both must have the same form.
    stored: dict[str, Any] = as_stored(given)
    return stored


def _render(given: dict[str, Any]) -> dict[str, Any] | list[Fault]:
    params = structure(given, RenderParams)
    if isinstance(params, list):
        return [attrs.evolve(f, field=f"params.{f.field}".rstrip(".")) for f in params]
    if (params.width is None) != (params.height is None):
        return [Fault("params", "value", "must give width and height together")]
    return params.members()


def _rows(given: dict[str, Any]) -> dict[str, Any] | list[Fault]:
    try:
        return {**read_plan(given).params()}
    except RowFault as fault:
        return [Fault("params", "value", str(fault))]


def _other_units(asked: JobSpec, params: dict[str, Any]) -> list[Fault]:
    """Return faults of an inference job whose units are not those of its rows."""
    if asked.job_type != INFERENCE or "rows" not in params:
        return []
    given = asked.body()
    faults = [
        Fault(name, "value", "must be left out; rows_per_unit makes the units of rows")
        for name in ("chunk", "tiles", "video")
        if name in given
    ]
    wanted = read_plan(params).frames
    if asked.frames != wanted:
        faults.append(Fault("frames", "value", f"must be {wanted}, the units of these rows"))
    return faults


def _start_fault(call: Call[Any], asked: JobSpec) -> list[Fault]:
    """Refuse a start that is too far ahead, or long past: a request that is repeated may be."""
    start, now = asked.start_after, call.gateway.ports.clock.now()
    if start is None or now - PAST_MOST <= start <= now + START_MOST:
        return []
    past, late = "is past: leave it out to start at once", f"must be within {START_MOST.days} days"
    return [Fault("start_after", "value", past if start < now else late)]


async def _unknown_endpoint(call: Call[Any], asked: JobSpec) -> list[Fault]:
    """Return a fault if the job's events shall go to an endpoint that is not the caller's."""
    if asked.webhook is None or asked.webhook == NO_ENDPOINT:
        return []
    endpoint = UUID(asked.webhook)
    if await call.gateway.tables.endpoints.by_id(endpoint, call.caller) is not None:
        return []
    return [Fault("webhook", "value", NOT_YOUR_ENDPOINT)]


async def _inputs(call: Call[Any], asked: JobSpec) -> Inputs | Fault:
    """Return the inputs that a node must fetch, or the fault of the payload.

    An object in an allowed external bucket is no input; the node gets only its reference. With a
    manifest, the payload is one of its files. A payload that is no scene is a fault only of a
    submission; for a quote, preflight has a finding for it.
    """
    if asked.payload_ref is None:
        no_payload = Fault("manifest", "value", "is only allowed with payload_ref")
        return NO_INPUTS if asked.manifest is None else no_payload
    gateway, place = call.gateway, place_of(asked.payload_ref)
    if place is None:
        return Fault("payload_ref", "value", "must be s3://bucket/key")
    if place.bucket != gateway.settings.objects.bucket:
        if gateway.settings.payloads.allows(place.bucket) and asked.manifest is None:
            return NO_INPUTS
        return Fault("payload_ref", "value", _not_ours(place.bucket, asked.manifest))
    row = await gateway.tables.uploads.by_key(call.caller, place.key)
    now = gateway.ports.clock.now()
    if row is None or not await gateway.tables.retention.use(call.caller, [row], now):
        return Fault("payload_ref", "value", "must be a completed upload of yours")
    head = None  # of a scene that can be read now
    if isinstance(asked, NewJob) and asked.job_type == RENDER:
        head = await scene_head(gateway, row.object_key)
    if head is not None and not is_blend(head):
        return Fault(
            "payload_ref", "not_a_scene", NO_SCENE
        )  # the code equals that of preflight's finding
    inputs = Inputs(InputFile(row.object_key, row.filename, row.sha256.hex(), row.size))
    if asked.manifest is not None:
        found = await files_of(call, asked.manifest, row, asked.job_type)
        if isinstance(found, Fault):
            return found
        inputs = found
    return attrs.evolve(inputs, blender=name_of(saved_by(head or b"")))


def _not_ours(bucket: str, manifest: str | None) -> str:
    if manifest is not None:
        return f"is in the bucket {bucket}; with a manifest it must be an upload of yours"
    return (
        f"is in the bucket {bucket}, which this gateway does not accept"
        " (payloads.external_buckets); it must be an upload of yours"
    )
