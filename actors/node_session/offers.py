"""The frames that carry presigned URLs: what a unit is made of, and where its result goes."""

from typing import Any, Final

from actors.node_session.results import SCHEME, key_of
from actors.node_session.settings import NodeSessionSettings
from actors.ports import Objects
from actors.scheduler.messages import Assignment
from rendertrust.protocol import Input, JobDispatch, Output, Urls

# In a job's parameters: {key, path, sha256, size} of an upload, written by us, not by creators.
INPUT: Final = "_input"


class Unsendable(ValueError):
    """The unit cannot be put into a frame: it will never be sent."""


async def dispatch(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None = None
) -> JobDispatch:
    """The unit's frame. Raises ObjectsUnavailable, and Unsendable when a bound is broken.

    ``base`` is where the node finds us, and the object store through us.
    """
    inputs, output = await _signed(unit, objects, settings, base)
    try:
        return JobDispatch(
            job_id=str(unit.job),
            job_type=unit.job_type,
            payload_ref=unit.payload_ref,
            unit=unit.unit,
            attempt=unit.attempt,
            lease_seconds=settings.lease_seconds,
            params={name: value for name, value in unit.params.items() if name != INPUT},
            inputs=inputs,
            output=output,
        )
    except ValueError as fault:
        raise Unsendable(str(fault)) from fault


async def urls(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None = None
) -> Urls:
    """Fresh URLs for the same unit."""
    inputs, output = await _signed(unit, objects, settings, base)
    return Urls(
        job_id=str(unit.job), unit=unit.unit, attempt=unit.attempt, inputs=inputs, output=output
    )


async def _signed(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> tuple[tuple[Input, ...], Output]:
    key = key_of(unit)
    put = await objects.presign_put(key, within=settings.url_seconds, once=True, base=base)
    try:
        output = Output(url=put.url, headers=dict(put.headers), key=key)
        return await _inputs(unit, objects, settings, base), output
    except ValueError as fault:
        raise Unsendable(str(fault)) from fault


async def _inputs(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> tuple[Input, ...]:
    """Inside our bucket only what we noted ourselves is signed."""
    noted: Any = unit.params.get(INPUT)
    if not isinstance(noted, dict):
        return ()
    if unit.payload_ref != f"{SCHEME}{settings.bucket}/{noted['key']}":
        raise Unsendable("the payload is not the object that was noted for it")
    url = await objects.presign_get(noted["key"], within=settings.url_seconds, base=base)
    return (Input(path=noted["path"], url=url, sha256=noted["sha256"], size=noted["size"]),)
