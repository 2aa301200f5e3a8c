"""The record of what an admin is about to do to the books."""

from collections.abc import Mapping
from typing import Any

from sql.audit import Act
from web.answers import REQUEST_ID
from web.operations import TOKEN_REFUSED, Call
from web.problem import Problem


async def act_on(
    call: Call[Any, Any],
    name: str,
    target: str,
    reason: str,
    details: Mapping[str, Any] | None = None,
) -> Act | Problem:
    """Who does ``name`` to ``target``, and why; 401 when he is gone."""
    admin = await call.gateway.users.by_id(call.caller)
    if admin is None:
        return TOKEN_REFUSED
    return Act(
        at=call.gateway.clock.now(),
        actor_id=admin.id,
        actor=admin.email,
        act=name,
        target=target,
        reason=reason,
        request_id=call.request[REQUEST_ID],
        details=details or {},
    )
