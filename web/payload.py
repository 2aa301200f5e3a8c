"""What a job works on: an upload of the caller's own, or an object in a bucket that is not ours."""

import re
from typing import Any

import attrs

from web.operations import Call
from web.problem import Fault

_REFERENCE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,62})/([^\x00-\x1f\x7f]+)", re.ASCII)
# In a job's parameters, where the object of an upload lies: creators' own keys never begin so.
INPUT = "_input"


@attrs.frozen
class Place:
    """A bucket, and a key in it."""

    bucket: str
    key: str


def place_of(reference: str) -> Place | None:
    """Where ``s3://bucket/key`` points; None when it is no such reference."""
    found = _REFERENCE.fullmatch(reference)
    return None if found is None else Place(found[1], found[2])


async def input_of(call: Call[Any, Any], reference: str) -> dict[str, Any] | Fault:
    """What a node needs to fetch the payload, as job parameters; or why it may not be used.

    An object in another bucket is passed on untouched: nothing about it is known here.
    """
    settings = call.gateway.settings
    place = place_of(reference)
    if place is None:
        return Fault("payload_ref", "value", "must be s3://bucket/key")
    if place.bucket != settings.objects.bucket:
        if settings.payloads.allows(place.bucket):
            return {}
        return Fault("payload_ref", "value", "must be an upload of yours")
    row = await call.gateway.uploads.by_key(call.caller, place.key)
    if row is None:
        return Fault("payload_ref", "value", "must be a completed upload of yours")
    found = {
        "key": row.object_key,
        "path": row.filename,
        "sha256": row.sha256.hex(),
        "size": row.size,
    }
    return {INPUT: found}
