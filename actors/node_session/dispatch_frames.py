"""The frames that carry presigned URLs: what a unit is made of, and where its result goes."""

from typing import Any, Final
from uuid import UUID

from actors.node_session import manifests
from actors.node_session.multipart_results import EVIDENCE, RESULT, place_of
from actors.node_session.results import SCHEME, result_key
from actors.node_session.settings import NodeSessionSettings
from actors.ports import Objects
from actors.scheduler.messages import Assignment
from rendertrust.protocol import Input, JobDispatch, Output, Urls, encode
from rendertrust.receipt import NO_CHECK, NO_EVIDENCE
from sql.unit_params import CHECKED, kind_of

# In a job's parameters: {key, path, sha256, size} of an upload, written by us, not by creators.
INPUT: Final = "_input"
MINE: Final = "mine"


class Unsendable(ValueError):
    """The unit cannot be put into a frame: it will never be sent."""


async def dispatch(
    unit: Assignment,
    objects: Objects,
    settings: NodeSessionSettings,
    base: str | None = None,
    owner: UUID | None = None,
) -> JobDispatch:
    """The unit's frame. Raises ObjectsUnavailable, and Unsendable when a bound is broken.

    ``base`` is where the node finds us, and the object store through us; ``owner`` is the node's.
    """
    inputs, output, evidence = await _signed(unit, objects, settings, base)
    try:
        return JobDispatch(
            job_id=str(unit.job),
            job_type=unit.job_type,
            payload_ref=unit.payload_ref,
            unit=unit.unit,
            attempt=unit.attempt,
            lease_seconds=settings.lease_seconds,
            params=_params(unit, settings),
            inputs=inputs,
            manifest=await manifests.offered(unit, objects, settings, base),
            output=output,
            evidence=evidence,
            pool=pool_of(unit, owner),
        )
    except ValueError as fault:
        raise Unsendable(str(fault)) from fault


async def is_sendable(unit: Assignment, objects: Objects, settings: NodeSessionSettings) -> bool:
    """Return whether the unit could be sent to a node that uses the gateway's default address.

    True where nothing can be signed for that address either: then the unit is not the cause.
    """
    try:
        await objects.presign_get(RESULT, within=settings.url_seconds)
    except ValueError:
        return True
    try:
        encode(await dispatch(unit, objects, settings))
    except ValueError:
        return False
    return True


def _params(unit: Assignment, settings: NodeSessionSettings) -> dict[str, Any]:
    told = params_of(unit)
    # What was rendered is to lie beside the picture.
    return {**told, EVIDENCE: True} if is_checked(unit, settings) else told


def params_of(unit: Assignment) -> dict[str, Any]:
    """Those of its creator's, as its node gets them."""
    return {n: value for n, value in unit.params.items() if not n.startswith("_")}


def inputs_of(unit: Assignment) -> list[str]:
    """The SHA-256 of each input in the unit's frame, and of the list of its files."""
    noted = [unit.params.get(name) for name in (INPUT, manifests.MANIFEST)]
    own, files = ([of["sha256"]] if isinstance(of, dict) else [] for of in noted)
    return [*own, *(part.sha256 for part in unit.parts if part.sha256), *files]


def waits(unit: Assignment, settings: NodeSessionSettings) -> bool:
    """Whether what is delivered waits for a verdict."""
    return unit.job_type in settings.verified_types


def why_unverified(unit: Assignment, settings: NodeSessionSettings) -> str:
    """Return the reason, a code, for which a result that does not wait is unverified."""
    if unit.job_type not in CHECKED:
        return NO_CHECK
    return NO_EVIDENCE if waits(unit, settings) else settings.unverified_why


def is_checked(unit: Assignment, settings: NodeSessionSettings) -> bool:
    """Whether evidence lies beside it: it is one whole frame."""
    return waits(unit, settings) and kind_of(unit.job_type, unit.params) == "frame"


def pool_of(unit: Assignment, owner: UUID | None) -> str:
    """Whose work a unit is to a node of ``owner``."""
    return MINE if unit.user == owner else unit.pool


async def urls(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None = None
) -> Urls:
    """Fresh URLs for the same unit."""
    inputs, output, evidence = await _signed(unit, objects, settings, base)
    return Urls(
        job_id=str(unit.job),
        unit=unit.unit,
        attempt=unit.attempt,
        inputs=inputs,
        output=output,
        evidence=evidence,
    )


async def _signed(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> tuple[tuple[Input, ...], Output, Output | None]:
    """The inputs, and where the result goes, and what it is checked by."""

    async def output(what: str) -> Output:
        key = place_of(unit, what)
        put = await objects.presign_put(key, within=settings.url_seconds, once=True, base=base)
        return Output(
            url=put.url, headers=dict(put.headers), key=key, part_bytes=settings.part_bytes
        )

    try:
        evidence = await output(EVIDENCE) if is_checked(unit, settings) else None
        return await _inputs(unit, objects, settings, base), await output(RESULT), evidence
    except ValueError as fault:
        raise Unsendable(str(fault)) from fault


async def _inputs(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> tuple[Input, ...]:
    """Inside our bucket only what we noted ourselves is signed, and results of the job's own."""
    parts = [await _part(unit, index, objects, settings, base) for index in range(len(unit.parts))]
    noted: Any = unit.params.get(INPUT)
    if not isinstance(noted, dict):
        return tuple(parts)
    if unit.payload_ref != f"{SCHEME}{settings.bucket}/{noted['key']}":
        raise Unsendable("the payload is not the object that was noted for it")
    url = await objects.presign_get(noted["key"], within=settings.url_seconds, base=base)
    own = Input(path=noted["path"], url=url, sha256=noted["sha256"], size=noted["size"])
    return (own, *parts)


async def _part(
    unit: Assignment, index: int, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> Input:
    """The result of a unit that this one is made of."""
    part = unit.parts[index]
    if part.sha256 is None or part.size is None:
        raise Unsendable(f"the result of unit {part.unit}, which it is made of, is not kept here")
    key = result_key(unit.user, unit.job, part.unit, part.attempt)
    url = await objects.presign_get(key, within=settings.url_seconds, base=base)
    return Input(path=f"tiles/{index}.exr", url=url, sha256=part.sha256, size=part.size)
