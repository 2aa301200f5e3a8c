"""Relay frames with presigned URLs: what a unit is made of, and where its result goes."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import attrs

from actors.node_session import manifests
from actors.node_session.manifests import Manifests
from actors.node_session.results import EVIDENCE, RESULT, SCHEME, place_of, result_key
from actors.node_session.settings import NodeSessionSettings
from actors.ports import Objects
from actors.scheduler.messages import Assignment
from rendertrust.protocol import Input, JobDispatch, Output, Urls, encode
from rendertrust.receipt import NO_CHECK, NO_EVIDENCE
from sql.units import CHECKED, kind_of

MINE: Final = "mine"


class Unsendable(ValueError):
    """The unit cannot be put into a frame: it will never be sent."""


@attrs.frozen
class FrameBuilder:
    """Makes the frames of units for one node.

    ``base`` is where the node finds us, and the object store through us; None: the default address.
    Methods raise ObjectsUnavailable, and ValueError where nothing can be signed for that address.
    """

    objects: Objects
    manifests: Manifests
    settings: NodeSessionSettings
    base: str | None = None

    async def dispatch(self, unit: Assignment, owner: UUID | None = None) -> JobDispatch:
        """Return the unit's frame for a node of ``owner``. Raises Unsendable."""
        settings = self.settings
        inputs, output, evidence = await self._signed(unit)
        try:
            return JobDispatch(
                job_id=str(unit.job),
                job_type=unit.job_type,
                payload_ref=unit.plan.payload_ref,
                unit=unit.unit,
                attempt=unit.attempt,
                lease_seconds=settings.leases.seconds,
                params=_params(unit, settings),
                inputs=inputs,
                manifest=await manifests.offered(unit, self.objects, settings, self.base),
                output=output,
                evidence=evidence,
                pool=pool_of(unit, owner),
            )
        except ValueError as fault:
            raise Unsendable(str(fault)) from fault

    async def is_sendable(self, unit: Assignment) -> bool:
        """Return whether the unit could be sent to a node that uses the default address.

        True where nothing can be signed for that address either: then the unit is not the cause.
        """
        default = attrs.evolve(self, base=None)
        try:
            await self.objects.presign_get(RESULT, within=self.settings.url_seconds)
        except ValueError:
            return True
        try:
            encode(await default.dispatch(unit))
        except ValueError:
            return False
        return True

    async def urls(self, unit: Assignment, files: Sequence[str] = ()) -> Urls:
        """Return fresh URLs for the same unit; for ``files`` of its manifest, by their SHA-256,
        where any are named.
        """
        if files:
            found = await self.manifests.urls(unit, files, self.objects, self.settings, self.base)
            return Urls(job_id=str(unit.job), unit=unit.unit, attempt=unit.attempt, inputs=found)
        inputs, output, evidence = await self._signed(unit)
        return Urls(
            job_id=str(unit.job),
            unit=unit.unit,
            attempt=unit.attempt,
            inputs=inputs,
            output=output,
            evidence=evidence,
        )

    async def url_of(self, key: str) -> str:
        """Return a URL by which the node may get an object."""
        return await self.objects.presign_get(key, within=self.settings.url_seconds, base=self.base)

    async def _signed(self, unit: Assignment) -> tuple[tuple[Input, ...], Output, Output | None]:
        """Return the inputs, and where the result goes, and its evidence if it is checked."""
        try:
            is_wanted = is_checked(unit, self.settings)
            evidence = await self._output(unit, EVIDENCE) if is_wanted else None
            return await self._inputs(unit), await self._output(unit, RESULT), evidence
        except ValueError as fault:
            raise Unsendable(str(fault)) from fault

    async def _output(self, unit: Assignment, what: str) -> Output:
        settings, key = self.settings, place_of(unit, what)
        put = await self.objects.presign_put(
            key, within=settings.url_seconds, once=True, base=self.base
        )
        return Output(
            url=put.url, headers=dict(put.headers), key=key, part_bytes=settings.part_bytes
        )

    async def _inputs(self, unit: Assignment) -> tuple[Input, ...]:
        """Sign, of our bucket, only what we noted ourselves and results of the same job."""
        parts = [await self._part(unit, index) for index in range(len(unit.parts))]
        file = unit.plan.inputs.file
        if file is None:
            return tuple(parts)
        if unit.plan.payload_ref != f"{SCHEME}{self.settings.bucket}/{file.key}":
            raise Unsendable("the payload is not the object that was noted for it")
        url = await self.url_of(file.key)
        own = Input(path=file.path, url=url, sha256=file.sha256, size=file.size)
        return (own, *parts)

    async def _part(self, unit: Assignment, index: int) -> Input:
        """Return the result of a unit that this one is made of."""
        part = unit.parts[index]
        if part.sha256 is None or part.size is None:
            raise Unsendable(
                f"the result of unit {part.unit}, which it is made of, is not kept here"
            )
        url = await self.url_of(result_key(unit.user, unit.job, part.unit, part.attempt))
        return Input(path=f"tiles/{index}.exr", url=url, sha256=part.sha256, size=part.size)


def _params(unit: Assignment, settings: NodeSessionSettings) -> dict[str, Any]:
    # The node is to deliver what it rendered beside the picture.
    return {**unit.params, EVIDENCE: True} if is_checked(unit, settings) else unit.params


def inputs_of(unit: Assignment) -> list[str]:
    """Return the SHA-256 of each input in the unit's frame, and of its manifest."""
    inputs = unit.plan.inputs
    own, files = ([] if of is None else [of.sha256] for of in (inputs.file, inputs.files))
    return [*own, *(part.sha256 for part in unit.parts if part.sha256), *files]


def waits(unit: Assignment, settings: NodeSessionSettings) -> bool:
    """Return whether a result waits for a verdict."""
    return unit.job_type in settings.verified_types


def why_unverified(unit: Assignment, settings: NodeSessionSettings) -> str:
    """Return the reason, a code, for which a result that does not wait is unverified."""
    if unit.job_type not in CHECKED:
        return NO_CHECK
    return NO_EVIDENCE if waits(unit, settings) else settings.unverified_why


def is_checked(unit: Assignment, settings: NodeSessionSettings) -> bool:
    """Return whether evidence is delivered beside the result: the unit is one whole frame."""
    return waits(unit, settings) and kind_of(unit.job_type, unit.params) == "frame"


def pool_of(unit: Assignment, owner: UUID | None) -> str:
    """Return the pool of a unit, as a node of ``owner`` sees it."""
    return MINE if unit.user == owner else unit.pool
