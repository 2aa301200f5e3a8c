"""Stored uploads of a user: list with quota, and remove."""

from datetime import timedelta
from typing import Final

from rendertrust.api.refusal_code import RefusalCode
from rendertrust.api.uploads import KeptUpload, KeptUploads
from web.http.operations import Call, Operations, Scope
from web.http.pagination import Window
from web.http.problem import Problem
from web.http.responses import from_row
from web.openapi.examples import reference as examples
from web.routes.auth import Done
from web.routes.uploads import UPLOAD_NOT_FOUND

operations = Operations()
NEEDED: Final = Problem(
    409,
    "A job that is open, disputed or in its dispute window needs the upload",
    code=RefusalCode.UPLOAD_NEEDED,
)


@operations.get(
    "/api/v1/uploads",
    scope=Scope.UPLOADS_WRITE,
    example=examples.STORAGE,
)
async def index(call: Call[None, Window]) -> KeptUploads:
    """List your stored uploads, the largest first, with your quota."""
    gateway, window = call.gateway, call.query
    days = timedelta(days=gateway.settings.retention.inputs_days)
    rows = await gateway.tables.retention.page(call.caller, window.limit, window.offset)
    kept = [from_row(KeptUpload, r, expires_at=r.used_at + days, jobs=jobs) for r, jobs in rows]
    usage = await gateway.tables.retention.usage(call.caller, gateway.ports.clock.now())
    return KeptUploads(tuple(kept), usage.count, usage.used, gateway.settings.retention.quota_bytes)


@operations.delete(
    "/api/v1/uploads/{upload_id}",
    scope=Scope.UPLOADS_WRITE,
    refusals={409: NEEDED.detail},
    absent=UPLOAD_NOT_FOUND,
    example=examples.UPLOAD_REMOVED,
)
async def remove(call: Call) -> Done | Problem:
    """Remove an upload that no job needs: none that is open, disputed or in its dispute window."""
    gateway, upload = call.gateway, call.ids["upload_id"]
    if await gateway.tables.uploads.by_id(upload, call.caller) is None:
        return UPLOAD_NOT_FOUND
    going = await gateway.tables.retention.expire(upload, call.caller, gateway.ports.clock.now())
    if going is None:
        return NEEDED
    await gateway.ports.objects.delete(going.object_key)
    await gateway.tables.retention.input_gone(going.id)
    return Done("The upload was removed")
