"""Problems that the exceptions of handlers become; they reveal nothing internal."""

from http import HTTPStatus

import structlog
from aiohttp import web

from actors.kernel import ActorCrashed, AskFailed
from actors.ports import ObjectsUnavailable
from rendertrust.api.refusal_code import RefusalCode
from sql.database import Conflict, Unavailable
from web.http.body import TOO_LARGE
from web.http.problem import DATABASE_AWAY, Problem, unavailable
from web.http.responses import REQUEST_ID
from web.identity.passwords import Overloaded

log = structlog.get_logger("web")

OBJECTS_AWAY = unavailable(
    "The object store is not available; try again", code=RefusalCode.OBJECTS_UNAVAILABLE
)
BUSY = unavailable("The gateway is busy; try again", code=RefusalCode.GATEWAY_BUSY)
BROKEN = Problem(500, "Internal server error", code=RefusalCode.INTERNAL_ERROR)


def http_problem(error: web.HTTPException) -> Problem:
    """Return the problem for aiohttp's own refusals: unknown path, wrong method, body too large."""
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return TOO_LARGE
    kept = {k: v for k, v in error.headers.items() if k.lower() in ("allow", "retry-after")}
    return Problem(error.status, HTTPStatus(error.status).phrase, headers=kept)


def problem_of(request: web.Request, error: Exception) -> Problem:
    """Return the problem that an exception becomes for the client; log faults of the gateway."""
    if isinstance(error, Unavailable):
        return DATABASE_AWAY
    if isinstance(error, ObjectsUnavailable):
        return OBJECTS_AWAY
    if isinstance(error, AskFailed):
        if isinstance(error, ActorCrashed):
            log.error("ask failed", request_id=request[REQUEST_ID], actor=error.addressee)
        return BUSY
    if isinstance(error, Overloaded | Conflict):
        return BUSY
    log.error("request failed", request_id=request[REQUEST_ID], exc_info=error)
    return BROKEN
