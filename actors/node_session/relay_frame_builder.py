"""Builder of relay frames that dispatch units, with presigned URLs for inputs and results."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

import attrs

from actors.node_session.result_validation import EVIDENCE, RESULT, SCHEME, is_checked, object_key
from actors.node_session.settings import URL_SECONDS, NodeSessionSettings
from actors.ports import ObjectMissing, Objects
from actors.scheduler.messages import Assignment
from rendertrust.blender_version import parse, text_of
from rendertrust.manifest import KEPT_BYTES_MAX, ManifestEntry, ManifestError, read
from rendertrust.protocol import Build, Input, JobDispatch, Output, Urls, encode
from sql.job_plan import FileList
from sql.units import MINE, is_result_of, result_key, sheet_key

ENTRIES_MAX: Final = 100_000  # some 60 MB, or twenty manifests of the greatest length


class Manifests:
    """Cache of jobs' manifests, shared by all sessions, with at most ``ENTRIES_MAX`` files in all.

    Sessions that need the same manifest at the same time share one read.
    """

    def __init__(self) -> None:
        self._read: OrderedDict[str, Mapping[str, ManifestEntry]] = OrderedDict()
        self._entries = 0
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def files(self, manifest: FileList, objects: Objects) -> Mapping[str, ManifestEntry]:
        """Return the files of a manifest by SHA-256; none if the manifest is missing or malformed.

        The cache key includes the manifest's SHA-256, as the object at its key may be replaced.
        """
        name = f"{manifest.key} {manifest.sha256}"
        if (lock := self._locks.get(name)) is None:
            lock = self._locks[name] = asyncio.Lock()
        async with lock:
            if name in self._read:
                self._read.move_to_end(name)
                return self._read[name]
            try:
                content = await objects.get(manifest.key, at_most=KEPT_BYTES_MAX)
                files = read(content, "key").by_sha256
            except (ObjectMissing, ManifestError):
                return {}
            self._keep(name, files)
            return files

    def _keep(self, name: str, files: Mapping[str, ManifestEntry]) -> None:
        self._read[name] = files
        self._entries += len(files)
        while self._entries > ENTRIES_MAX:
            _, dropped = self._read.popitem(last=False)
            self._entries -= len(dropped)


class Unsendable(ValueError):
    """The unit can never be sent, because no relay frame can be made for it."""


@attrs.frozen
class RelayFrameBuilder:
    """Builds the relay frames that send units to one node.

    ``base``: the address at which the node reaches the gateway, for presigned URLs; None for the
    default address. Methods raise ObjectsUnavailable, and ValueError if no URL can be signed for
    that address.
    """

    objects: Objects
    manifests: Manifests
    settings: NodeSessionSettings
    base: str | None = None

    async def dispatch(
        self, unit: Assignment, owner: UUID | None = None, build: Build | None = None
    ) -> JobDispatch:
        """Return the relay frame that sends the unit to a node of ``owner``. Raises Unsendable.

        ``build``: the build that shall render it; None for the node's own.
        """
        settings = self.settings
        inputs, output, evidence = await self._signed(unit)
        try:
            return JobDispatch(
                job_id=str(unit.job),
                job_type=unit.job_type,
                payload_ref=unit.plan.payload_ref,
                unit=unit.number,
                attempt=unit.attempt,
                lease_seconds=settings.leases.seconds,
                params=_params(unit, settings),
                inputs=inputs,
                manifest=await self._manifest(unit),
                output=output,
                evidence=evidence,
                pool=pool_of(unit, owner),
                blender=None if build is None else text_of(parse(build.version)),
            )
        except ValueError as fault:
            raise Unsendable(str(fault)) from fault

    async def is_sendable(self, unit: Assignment) -> bool:
        """Return whether the unit could be sent to a node at the default address.

        Also True if no URL can be signed for the default address, as then the unit is not at fault.
        """
        default = attrs.evolve(self, base=None)
        try:
            await self.objects.presign_get(RESULT, within=URL_SECONDS)
        except ValueError:
            return True
        try:
            encode(await default.dispatch(unit))
        except ValueError:
            return False
        return True

    async def urls(self, unit: Assignment, files: Sequence[str] = ()) -> Urls:
        """Return fresh URLs for a unit that was sent before; or, if ``files`` names any by SHA-256,
        URLs for these files of the unit's manifest.
        """
        if files:
            found = await self._listed(unit, files)
            return Urls(job_id=str(unit.job), unit=unit.number, attempt=unit.attempt, inputs=found)
        inputs, output, evidence = await self._signed(unit)
        return Urls(
            job_id=str(unit.job),
            unit=unit.number,
            attempt=unit.attempt,
            inputs=inputs,
            output=output,
            evidence=evidence,
        )

    async def input(self, path: str, key: str, sha256: str, size: int) -> Input:
        """Return an input for a relay frame: an object, its URL, and its ``path`` on the node."""
        url = await self.objects.presign_get(key, within=URL_SECONDS, base=self.base)
        return Input(path=path, url=url, sha256=sha256, size=size)

    async def _signed(self, unit: Assignment) -> tuple[tuple[Input, ...], Output, Output | None]:
        """Return the unit's inputs, and upload URLs for its result and its evidence.

        The evidence is None if the result is not checked.
        """
        try:
            is_wanted = is_checked(unit, self.settings)
            evidence = await self._output(unit, EVIDENCE) if is_wanted else None
            return await self._inputs(unit), await self._output(unit, RESULT), evidence
        except ValueError as fault:
            raise Unsendable(str(fault)) from fault

    async def sheet_output(self, unit: Assignment) -> Output:
        """Return the upload URL of the comparison sheet of a disputed unit.

        A later check of the dispute replaces the sheet.
        """
        key = sheet_key(object_key(unit, RESULT))
        put = await self.objects.presign_put(key, within=URL_SECONDS, once=False, base=self.base)
        return Output(url=put.url, headers=dict(put.headers), key=key)

    async def _output(self, unit: Assignment, what: str) -> Output:
        settings, key = self.settings, object_key(unit, what)
        put = await self.objects.presign_put(key, within=URL_SECONDS, once=True, base=self.base)
        return Output(
            url=put.url, headers=dict(put.headers), key=key, part_bytes=settings.part_bytes
        )

    async def _inputs(self, unit: Assignment) -> tuple[Input, ...]:
        """Return the unit's inputs with URLs.

        Of the gateway's bucket, only the recorded payload and results of the same job are signed.
        """
        parts = [await self._part(unit, index) for index in range(len(unit.parts))]
        file = unit.plan.inputs.file
        if file is None:
            return tuple(parts)
        if unit.plan.payload_ref != f"{SCHEME}{self.settings.bucket}/{file.key}":
            raise Unsendable("the job's payload_ref is not the payload recorded at submission")
        return (await self.input(file.path, file.key, file.sha256, file.size), *parts)

    async def _manifest(self, unit: Assignment) -> Input | None:
        """Return the unit's manifest; the node asks for the URLs of the manifest's files as it
        needs the files.
        """
        files = unit.plan.inputs.files
        if files is None:
            return None
        return await self.input("manifest", files.key, files.sha256, files.size)

    async def _listed(self, unit: Assignment, wanted: Sequence[str]) -> tuple[Input, ...]:
        """Return URLs for the files that are ``wanted`` by SHA-256, and that the manifest lists.

        Only files of the unit's creator are signed, even though the gateway wrote the manifest.
        """
        if unit.plan.inputs.files is None:
            return ()
        files = await self.manifests.files(unit.plan.inputs.files, self.objects)
        uploads = f"uploads/{unit.user}/"
        found = [files[sha256] for sha256 in dict.fromkeys(wanted) if sha256 in files]
        signed = [
            await self.input(file.sha256, file.place, file.sha256, file.size)
            for file in found
            if file.place.startswith(uploads) or is_result_of(unit.user, file.place)
        ]
        return tuple(signed)

    async def _part(self, unit: Assignment, index: int) -> Input:
        """Return an input for the tile at ``index`` of the tiles that this unit merges."""
        part = unit.parts[index]
        if part.sha256 is None or part.size is None:
            raise Unsendable(f"the result of unit {part.unit} is not in the gateway's object store")
        key = result_key(unit.user, unit.job, part.unit, part.attempt)
        return await self.input(f"tiles/{index}.exr", key, part.sha256, part.size)


def _params(unit: Assignment, settings: NodeSessionSettings) -> dict[str, Any]:
    # The parameter EVIDENCE asks the node for evidence besides the picture.
    return {**unit.params, EVIDENCE: True} if is_checked(unit, settings) else unit.params


def pool_of(unit: Assignment, owner: UUID | None) -> str:
    """Return the pool of a unit for a node of ``owner``: MINE if the owner is its creator."""
    return MINE if unit.user == owner else unit.pool
