"""Uploads: announce content, send it to the store by a presigned URL, and complete it.

The list of stored uploads, and their removal, are in ``storage``.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ports import ObjectInfo
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.api.uploads import PartRange, Parts, PartUrl, PartUrls, PutUrl, Upload
from sql.uploads import NewUpload as Content
from sql.uploads import UploadRow
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED, Answer, Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid, unavailable
from web.http.responses import from_row
from web.objects.multipart_uploads import (
    NOT_ARRIVED,
    PART_BYTES,
    UploadParts,
    count_of,
    in_parts,
    parts_sha256,
    ranges,
    size_of,
)
from web.openapi.examples import reference as examples

URL_SECONDS = 3600
SIZE_MAX = 64 << 30
PUT_BYTES_MAX = 5 << 30  # limit of an object store for one request
PARTS_MAX = SIZE_MAX // PART_BYTES
URLS_MAX = 100  # per answer
NAME_BYTES_MAX = 255  # limit of a node's file system
GIB = 1 << 30
_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}$", re.ASCII)
UPLOAD_NOT_FOUND = Problem(404, "Upload not found", code=RefusalCode.UPLOAD_NOT_FOUND)
operations = Operations(absent=UPLOAD_NOT_FOUND)
OTHER_CONTENT = Problem(
    409, "The stored content differs from what was announced", code=RefusalCode.CONTENT_DIFFERS
)
IS_HERE = Problem(409, "The content is already stored", code=RefusalCode.CONTENT_COMPLETE)
ONE_PUT = Problem(
    409,
    f"Content of at most {PART_BYTES} bytes is sent at once, not in parts",
    code=RefusalCode.TOO_SMALL_FOR_PARTS,
)
MOVED = unavailable(
    "The upload was announced differently at the same time; try again",
    code=RefusalCode.CHANGED_MEANWHILE,
)
GOING = unavailable(
    "The content you sent before is being removed; try again in a moment",
    code=RefusalCode.UPLOAD_IN_REMOVAL,
)
Sha256: TypeAlias = Annotated[
    str, Meta(pattern="[0-9a-f]{64}", description="SHA-256 in hexadecimal")
]


@attrs.frozen
class NewUpload:
    """Content to upload: its SHA-256 (hex), its size in bytes, and the name of the user's file."""

    sha256: Sha256
    size: Annotated[int, Meta(ge=1, le=SIZE_MAX)]
    filename: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            pattern=r"[^/\\\x00-\x1f]+",
            description="the name of a file, without a folder",
        ),
    ]


@attrs.frozen
class WantedPart:
    """A part to be sent, with its SHA-256 (hex)."""

    number: Annotated[int, Meta(ge=1, le=PARTS_MAX)]
    sha256: Sha256


@attrs.frozen
class WantedParts:
    """Parts to send, in any order; a part may be requested even if it has arrived already."""

    parts: Annotated[list[WantedPart], Meta(min_length=1, max_length=URLS_MAX)]


@attrs.frozen
class SentParts:
    """Request to complete an upload.

    ``parts``: the SHA-256 (hex) of each part in order, if the content was sent in parts.
    """

    parts: Annotated[list[Sha256], Meta(max_length=PARTS_MAX)] = attrs.field(factory=list[str])


@operations.post(
    "/api/v1/uploads",
    scope=Scope.UPLOADS_WRITE,
    answers={201: Upload, 200: Upload},
    refusals={413: "Your quota is exceeded"},
    new_work=True,
    request_example=examples.NEW_UPLOAD,
    example=examples.UPLOAD,
)
async def announce(call: Call[NewUpload]) -> Answer | Problem:
    """Announce content; if you have stored it already, nothing is to be sent (200).

    Announcing the same content again, also after an interruption, returns which parts have arrived.
    """
    body, gateway = call.body, call.gateway
    if (fault := name_fault(body.filename)) is not None:
        return invalid([fault])
    key = object_key(call.caller, body.sha256, body.filename)
    if (full := await _over_quota(gateway, call.caller, body)) is not None:
        return full
    content = Content(
        gateway.ports.random.uuid(), bytes.fromhex(body.sha256), body.size, body.filename, key
    )
    row = await gateway.tables.uploads.announce(call.caller, content)
    if row is None:
        return TOKEN_REFUSED
    if row.expired_at is not None:
        return GOING
    if row.completed_at is not None:
        return Answer(200, shown(call, row))
    return Answer(201, shown(call, row, await put_of(call, row), await parts_of(call, row)))


async def _over_quota(gateway: Gateway, user: UUID, content: NewUpload) -> Problem | None:
    """Return why the content may not be uploaded; None if there is room. Content counts once per
    user.
    """
    known = await gateway.tables.uploads.by_content(user, bytes.fromhex(content.sha256))
    if known is not None and known.completed_at is not None:
        return None
    kept = await gateway.tables.retention.usage(
        user, gateway.ports.clock.now(), None if known is None else known.id
    )
    quota = gateway.settings.retention.quota_bytes
    if kept.used + content.size <= quota:
        return None
    days = gateway.settings.retention.inputs_days
    return Problem(
        413,
        f"You keep {_gib(kept.used)} of {_gib(quota)}, and this is {_gib(content.size)}. Delete"
        " what you do not need: GET /api/v1/uploads lists it, DELETE /api/v1/uploads/{id} removes"
        f" it; what is not used for {days} days is removed without this",
        code=RefusalCode.QUOTA_EXCEEDED,
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB"


@operations.get(
    "/api/v1/uploads/{upload_id}",
    scope=Scope.UPLOADS_WRITE,
    example=examples.COMPLETED_UPLOAD,
)
async def show(call: Call) -> Upload | Problem:
    """Get one of your uploads, and which parts of it have arrived."""
    row = await call.gateway.tables.uploads.by_id(call.ids["upload_id"], call.caller)
    if row is None:
        return UPLOAD_NOT_FOUND
    return shown(call, row, parts=await parts_of(call, row))


@operations.post(
    "/api/v1/uploads/{upload_id}/parts",
    scope=Scope.UPLOADS_WRITE,
    refusals={
        409: "The content is already stored, or is not sent in parts",
    },
    request_example=examples.WANTED_PARTS,
    example=examples.PART_URLS,
)
async def parts(call: Call[WantedParts]) -> PartUrls | Problem:
    """Get presigned URLs for parts of content above 64 MiB.

    Each URL works only for content of the part's length and SHA-256. If no URL
    is requested during a day, all parts that have arrived are removed.
    """
    gateway = call.gateway
    row = await gateway.tables.uploads.by_id(call.ids["upload_id"], call.caller)
    if row is None:
        return UPLOAD_NOT_FOUND
    if row.completed_at is not None:
        return IS_HERE
    if not in_parts(row.size):
        return ONE_PUT
    if faults := number_faults(call.body.parts, count_of(row.size)):
        return invalid(faults)
    multipart = await UploadParts(gateway, row).begin()
    if multipart.object_key != row.object_key:
        return MOVED
    urls = [await part_url(call, row, multipart.store_id, part) for part in call.body.parts]
    return PartUrls(tuple(urls), URL_SECONDS)


@operations.post(
    "/api/v1/uploads/{upload_id}/complete",
    scope=Scope.UPLOADS_WRITE,
    refusals={
        409: "The content has not arrived, or differs from what was announced",
    },
    request_example=examples.SENT,
    example=examples.COMPLETED_UPLOAD,
)
async def complete(call: Call[SentParts]) -> Upload | Problem:
    """Complete an upload: the content is checked in the store and can then be used in a job.

    Content sent in one piece needs no body. Parts are joined into one object. If the parts differ
    from the body's list, all parts are removed and the answer is 409.
    """
    gateway = call.gateway
    row = await gateway.tables.uploads.by_id(call.ids["upload_id"], call.caller)
    if row is None:
        return UPLOAD_NOT_FOUND
    if row.completed_at is None:
        digests = [bytes.fromhex(sha256) for sha256 in call.body.parts]
        found = await found_of(call, row, digests)
        if isinstance(found, Problem):
            return found
        if not is_announced(found, row, digests):
            return OTHER_CONTENT
        row = await gateway.tables.uploads.complete(row.id, call.caller, gateway.ports.clock.now())
    return UPLOAD_NOT_FOUND if row is None else shown(call, row)


async def found_of(
    call: Call[Any, Any], row: UploadRow, digests: Sequence[bytes]
) -> ObjectInfo | Problem:
    """Return the object of an upload, joined from its parts if necessary."""
    objects, key = call.gateway.ports.objects, row.object_key
    found = await objects.head(key)
    if found is not None or not in_parts(row.size):
        return found or NOT_ARRIVED
    refused = await UploadParts(call.gateway, row).complete(digests)
    return await objects.head(key) or refused or NOT_ARRIVED


def is_announced(found: ObjectInfo, row: UploadRow, digests: Sequence[bytes]) -> bool:
    """Return True if the store holds what was announced, as far as the store can tell.

    Of content in parts, the store knows only each part's SHA-256, which it has compared with the
    signed hash.
    """
    if digests and found.parts_sha256 not in (None, parts_sha256(digests)):
        return False
    return found.size == row.size and found.sha256 in (None, row.sha256)


async def put_of(call: Call[Any, Any], row: UploadRow) -> PutUrl | None:
    """Return the URL for the whole content; None if no store accepts that size at once."""
    if row.size > PUT_BYTES_MAX:
        return None
    put = await call.gateway.ports.objects.presign_put(
        row.object_key,
        within=URL_SECONDS,
        size=row.size,
        sha256=row.sha256,
        once=False,
        base=call.base,
    )
    return PutUrl(put.url, put.headers, URL_SECONDS)


async def parts_of(call: Call[Any, Any], row: UploadRow) -> Parts | None:
    """Return the progress of content in parts; None if the content is complete or small."""
    if row.completed_at is not None or not in_parts(row.size):
        return None
    arrived = [part.number for part in await UploadParts(call.gateway, row).arrived()]
    shown_ranges = tuple(PartRange(first, last) for first, last in ranges(arrived))
    return Parts(PART_BYTES, count_of(row.size), shown_ranges)


async def part_url(
    call: Call[Any, Any], row: UploadRow, store_id: str, part: WantedPart
) -> PartUrl:
    size = size_of(part.number, row.size)
    put = await call.gateway.ports.objects.presign_part(
        row.object_key,
        store_id,
        part.number,
        size=size,
        sha256=bytes.fromhex(part.sha256),
        within=URL_SECONDS,
        base=call.base,
    )
    return PartUrl(part.number, size, put.url, put.headers)


def number_faults(wanted: Sequence[WantedPart], count: int) -> list[Fault]:
    """Return a fault for each part number that the content does not have."""
    return [
        Fault(f"parts[{place}].number", "value", f"must be at most {count}")
        for place, part in enumerate(wanted)
        if part.number > count
    ]


def name_fault(filename: str) -> Fault | None:
    """Return the fault of a file name that nodes could not create."""
    if filename in (".", ".."):
        return Fault("filename", "value", "must name a file")
    if len(filename.encode()) > NAME_BYTES_MAX:
        return Fault("filename", "value", f"must have at most {NAME_BYTES_MAX} bytes")
    return None


def object_key(user: UUID, sha256: str, filename: str) -> str:
    """Return the key under the user's prefix, by content; the suffix is kept for people."""
    suffix = _SUFFIX.search(filename.lower())
    return f"uploads/{user}/{sha256}{suffix[0] if suffix else ''}"


def shown(
    call: Call[Any, Any], row: UploadRow, put: PutUrl | None = None, parts: Parts | None = None
) -> Upload:
    return from_row(
        Upload,
        row,
        payload_ref=f"s3://{call.gateway.settings.objects.bucket}/{row.object_key}",
        status="PENDING" if row.completed_at is None else "COMPLETED",
        put=put,
        parts=parts,
    )
