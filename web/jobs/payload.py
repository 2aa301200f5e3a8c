"""The payload of a job: an upload of the caller's, or an object in an external bucket."""

from typing import Any

from actors.ports import ObjectMissing, ObjectsUnavailable, place_of
from rendertrust.blend_file import HEAD_BYTES, is_blend
from sql.job_plan import NO_INPUTS, InputFile, Inputs
from sql.uploads import UploadRow
from web.http.operations import Call
from web.http.problem import Fault
from web.objects.manifests import files_of

NO_SCENE = "is no .blend file; save the scene in Blender (File > Save As), and send that"


def _not_ours(bucket: str, manifest: str | None) -> str:
    if manifest is not None:
        return f"is in the bucket {bucket}; with a manifest it must be an upload of yours"
    return (
        f"is in the bucket {bucket}, which this gateway does not take"
        " (payloads.external_buckets); it must be an upload of yours"
    )


async def _may_be_scene(call: Call[Any, Any], row: UploadRow) -> bool:
    """Return True if it begins as a .blend file, or cannot be read: then the node finds out."""
    try:
        head = await call.gateway.ports.objects.piece(row.object_key, 0, min(row.size, HEAD_BYTES))
    except (ObjectMissing, ObjectsUnavailable):
        return True
    return is_blend(head)


async def input_of(
    call: Call[Any, Any],
    reference: str,
    manifest: str | None,
    job_type: str,
    *,
    is_order: bool,
) -> Inputs | Fault:
    """Return the inputs by which a node fetches the payload, or why it may not be used.

    An object in another bucket is passed on as it is, as nothing about it is known here. With a
    ``manifest`` the payload is one of its files. A file that is no scene is a fault only in an
    order: otherwise (``is_order`` false) pre-flight has a finding for it.
    """
    settings, retention = call.gateway.settings, call.gateway.tables.retention
    place = place_of(reference)
    if place is None:
        return Fault("payload_ref", "value", "must be s3://bucket/key")
    if place.bucket != settings.objects.bucket:
        if settings.payloads.allows(place.bucket) and manifest is None:
            return NO_INPUTS
        return Fault("payload_ref", "value", _not_ours(place.bucket, manifest))
    row = await call.gateway.tables.uploads.by_key(call.caller, place.key)
    if row is None or not await retention.use(call.caller, [row], call.gateway.ports.clock.now()):
        return Fault("payload_ref", "value", "must be a completed upload of yours")
    if is_order and job_type == "render" and not await _may_be_scene(call, row):
        return Fault("payload_ref", "not_a_scene", NO_SCENE)  # as pre-flight calls it
    if manifest is not None:
        return await files_of(call, manifest, row, job_type)
    return Inputs(InputFile(row.object_key, row.filename, row.sha256.hex(), row.size))
