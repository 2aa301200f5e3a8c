"""Jobs of several files: check each file, and store the manifest for nodes."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import attrs

from actors.ports import ObjectMissing, place_of
from rendertrust.blender_addon import ADDONS_MAX, addon_id, addon_path, is_addon_path
from rendertrust.job_types import RENDER
from rendertrust.manifest import BYTES_MAX, Manifest, ManifestError, read
from sql.job_plan import FileList, Inputs
from sql.uploads import UploadRow
from web.downloads.addons import offered_addons, refused_addon
from web.gateway import Gateway
from web.http.operations import Call
from web.http.problem import Fault

FIELD = "manifest"


async def files_of(
    call: Call[Any, Any], reference: str, payload: UploadRow, job_type: str
) -> Inputs | Fault:
    """Return the inputs by which a node fetches all files, or a fault if the files may not be
    used.
    """
    content = await _content(call, reference)
    if isinstance(content, Fault):
        return content
    try:
        manifest = read(content, "upload")
        if manifest.by_path[manifest.scene].sha256 != payload.sha256.hex():
            raise ManifestError("its scene has other content than payload_ref")
        await _require_offered(call.gateway, manifest)
        kept = await _resolved(call, manifest)
    except ManifestError as error:
        return _fault(str(error))
    files = await keep(call.gateway, call.caller, kept)
    uploads = [_id(entry.place, entry.path) for entry in manifest.files]
    await call.gateway.tables.retention.list_manifest(files.key, uploads)
    return Inputs(files=files, scene=manifest.scene if job_type == RENDER else None)


async def _require_offered(gateway: Gateway, manifest: Manifest) -> None:
    """Raise ManifestError unless the farm offers all add-ons among the files."""
    brought = [entry for entry in manifest.files if is_addon_path(entry.path)]
    if not brought:
        return
    if len(brought) > ADDONS_MAX:
        raise ManifestError(f"has more than {ADDONS_MAX} add-ons")
    offered = await asyncio.to_thread(offered_addons, gateway.settings)
    for entry in brought:
        identifier = addon_id(entry.path)
        if identifier is None:
            raise ManifestError(f"must be {addon_path('ID')}, as an add-on is", entry.path)
        if (why := refused_addon(offered, identifier, entry.sha256)) is not None:
            raise ManifestError(why, entry.path)


async def _content(call: Call[Any, Any], reference: str) -> bytes | Fault:
    """Return the content of a manifest that the caller has uploaded."""
    place = place_of(reference)
    if place is None or place.bucket != call.gateway.settings.objects.bucket:
        return _fault("must be one of your uploads")
    row = await call.gateway.tables.uploads.by_key(call.caller, place.key)
    if row is None:
        return _fault("must be a completed upload of yours")
    if row.size > BYTES_MAX:
        return _fault(f"is longer than {BYTES_MAX} bytes")
    try:
        return await call.gateway.ports.objects.get(row.object_key, at_most=BYTES_MAX)
    except ObjectMissing:
        return _fault("is no longer in the store; send it again")


async def _resolved(call: Call[Any, Any], manifest: Manifest) -> Manifest:
    """Replace uploads by the keys of their objects; each upload must be the caller's own."""
    ids = [_id(entry.place, entry.path) for entry in manifest.files]
    rows = {row.id: row for row in await call.gateway.tables.uploads.completed(call.caller, ids)}
    now = call.gateway.ports.clock.now()
    if not await call.gateway.tables.retention.use(call.caller, list(rows.values()), now):
        raise ManifestError("lists an upload that is just expiring; send its files again")
    entries = []
    for upload, entry in zip(ids, manifest.files, strict=True):
        row = rows.get(upload)
        if row is None:
            raise ManifestError("must be a completed upload of yours", entry.path)
        if (row.sha256.hex(), row.size) != (entry.sha256, entry.size):
            raise ManifestError("has other content than its upload", entry.path)
        entries.append(attrs.evolve(entry, place=row.object_key))
    return attrs.evolve(manifest, files=tuple(entries))


def _id(text: str, path: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ManifestError("upload must be the id of an upload", path) from None


async def keep(gateway: Gateway, user: UUID, manifest: Manifest) -> FileList:
    """Store the manifest. The same files make the same object, for all jobs of the user."""
    content = manifest.written("key")
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"manifests/{user}/{sha256}.json"
    await gateway.ports.objects.put(key, content)
    return FileList(key, sha256, len(content))


def _fault(reason: str) -> Fault:
    return Fault(FIELD, "value", reason)
