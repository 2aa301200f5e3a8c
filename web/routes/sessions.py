"""Sessions: where a user is logged in."""

from typing import Final
from uuid import UUID

from rendertrust.api.accounts import Session, Sessions
from rendertrust.api.refusal_code import RefusalCode
from web.gateway import Gateway
from web.http.operations import Call, Operations
from web.http.pagination import Window
from web.http.problem import Problem
from web.http.responses import from_row
from web.openapi.examples import reference as examples
from web.routes.auth import Done

operations = Operations()
SESSION_NOT_FOUND: Final = Problem(404, "Session not found", code=RefusalCode.SESSION_NOT_FOUND)


@operations.get(
    "/api/v1/auth/sessions",
    example=examples.SESSIONS,
)
async def index(call: Call[None, Window]) -> Sessions:
    """List your active sessions, the last used first."""
    sessions, now, window = call.gateway.tables.sessions, call.gateway.ports.clock.now(), call.query
    here = None if call.claims is None else call.claims.family
    rows = await sessions.page(call.caller, now, window.limit, window.offset)
    found = [
        from_row(Session, row, current=row.sid == here, refreshed_at=row.rotated_at) for row in rows
    ]
    return Sessions(tuple(found), await sessions.count(call.caller, now))


@operations.delete(
    "/api/v1/auth/sessions/{sid}",
    absent=SESSION_NOT_FOUND,
    example=examples.SESSION_ENDED,
)
async def end(call: Call) -> Done | Problem:
    """End one of your sessions."""
    return await end_session(call.gateway, call.caller, call.ids["sid"])


async def end_session(gateway: Gateway, user: UUID, sid: UUID) -> Done | Problem:
    """End one of a user's sessions."""
    if not await gateway.tables.sessions.end(sid, user, gateway.ports.clock.now()):
        return SESSION_NOT_FOUND
    gateway.identity.revocations.add(sid)
    return Done("The session has ended")


async def end_other_sessions(gateway: Gateway, user: UUID, keep: UUID) -> int:
    """End all sessions of a user but ``keep``; return their number."""
    ended = await gateway.tables.sessions.end_others(user, keep, gateway.ports.clock.now())
    gateway.identity.revocations.add(*ended)
    return len(ended)
