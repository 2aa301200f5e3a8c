"""Uploads: content is announced, put into the store by a presigned URL, and checked."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import attrs
from msgspec import Meta

from sql.uploads import NewUpload as Content
from sql.uploads import UploadRow
from web import examples
from web.operations import TOKEN_REFUSED, Answer, Call, Operations, Scope
from web.problem import Fault, Problem, invalid

operations = Operations()
URL_SECONDS = 3600
SIZE_MAX = 64 << 30
NAME_BYTES_MAX = 255  # what a node's file system takes
_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}$", re.ASCII)
NOT_FOUND = Problem(404, "Upload not found")


@attrs.frozen
class NewUpload:
    """Content by its SHA-256 (hex), its size in bytes, and the name it has on the user's side."""

    sha256: Annotated[str, Meta(pattern="[0-9a-f]{64}")]
    size: Annotated[int, Meta(ge=1, le=SIZE_MAX)]
    filename: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"[^/\\\x00-\x1f]+")]


@attrs.frozen
class PutUrl:
    """PUT the content here, with exactly these headers."""

    url: str = attrs.field(repr=False)
    headers: Mapping[str, str]
    expires_in: int


@attrs.frozen
class Upload:
    """``put`` is null when the content is here already; ``payload_ref`` names it in a job."""

    id: UUID
    payload_ref: str
    sha256: str
    size: int
    filename: str
    status: Literal["PENDING", "COMPLETED"]
    created_at: datetime
    completed_at: datetime | None
    put: PutUrl | None = None


@operations.post(
    "/api/v1/uploads",
    scope=Scope.UPLOADS_WRITE,
    body=NewUpload,
    answers={201: Upload, 200: Upload},
    rate="write",
    new_work=True,
    request_example=examples.NEW_UPLOAD,
    example=examples.UPLOAD,
)
async def announce(call: Call[NewUpload]) -> Answer | Problem:
    """Announce content; where this user has it already nothing is to be sent (200)."""
    body, gateway = call.body, call.gateway
    if (fault := name_fault(body.filename)) is not None:
        return invalid([fault])
    key = object_key(call.caller, body.sha256, body.filename)
    content = Content(
        gateway.random.uuid(), bytes.fromhex(body.sha256), body.size, body.filename, key
    )
    row = await gateway.uploads.announce(call.caller, content)
    if row is None:
        return TOKEN_REFUSED
    if row.completed_at is not None:
        return Answer(200, shown(call, row))
    put = await gateway.objects.presign_put(
        row.object_key,
        within=URL_SECONDS,
        size=row.size,
        sha256=row.sha256,
        once=False,
        base=call.base,
    )
    return Answer(201, shown(call, row, PutUrl(put.url, put.headers, URL_SECONDS)))


@operations.get(
    "/api/v1/uploads/{upload_id}",
    scope=Scope.UPLOADS_WRITE,
    answers={200: Upload},
    refusals={404: "Upload not found"},
    rate="read",
    absent="Upload not found",
    example=examples.COMPLETED_UPLOAD,
)
async def show(call: Call) -> Upload | Problem:
    """An upload of one's own."""
    row = await call.gateway.uploads.by_id(call.ids["upload_id"], call.caller)
    return NOT_FOUND if row is None else shown(call, row)


@operations.post(
    "/api/v1/uploads/{upload_id}/complete",
    scope=Scope.UPLOADS_WRITE,
    answers={200: Upload},
    refusals={404: "Upload not found", 409: "The content is not there, or is other content"},
    rate="write",
    absent="Upload not found",
    example=examples.COMPLETED_UPLOAD,
)
async def complete(call: Call) -> Upload | Problem:
    """Say that the content was sent: it is looked up in the store, and can be used in a job."""
    gateway = call.gateway
    row = await gateway.uploads.by_id(call.ids["upload_id"], call.caller)
    if row is None:
        return NOT_FOUND
    if row.completed_at is None:
        found = await gateway.objects.head(row.object_key)
        if found is None:
            return Problem(409, "The content has not arrived in the store")
        if found.size != row.size or found.sha256 not in (None, row.sha256):
            return Problem(409, "The store holds other content than was announced")
        row = await gateway.uploads.complete(row.id, call.caller, gateway.clock.now())
    return NOT_FOUND if row is None else shown(call, row)


def name_fault(filename: str) -> Fault | None:
    """Nodes place the file under this name: one they cannot make would be held against them."""
    if filename in (".", ".."):
        return Fault("filename", "value", "must name a file")
    if len(filename.encode()) > NAME_BYTES_MAX:
        return Fault("filename", "value", f"must have at most {NAME_BYTES_MAX} bytes")
    return None


def object_key(user: UUID, sha256: str, filename: str) -> str:
    """Under the user's own prefix, by content; the suffix is kept for those who look at it."""
    suffix = _SUFFIX.search(filename.lower())
    return f"uploads/{user}/{sha256}{suffix[0] if suffix else ''}"


def shown(call: Call[Any, Any], row: UploadRow, put: PutUrl | None = None) -> Upload:
    """The row as the API shows it."""
    return Upload(
        id=row.id,
        payload_ref=f"s3://{call.gateway.settings.objects.bucket}/{row.object_key}",
        sha256=row.sha256.hex(),
        size=row.size,
        filename=row.filename,
        status="PENDING" if row.completed_at is None else "COMPLETED",
        created_at=row.created_at,
        completed_at=row.completed_at,
        put=put,
    )
