"""Turn every exception of a handler into a response that reveals nothing internal."""

from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from actors.kernel import ActorCrashed, AskFailed
from actors.ports import ObjectsUnavailable
from sql.database import Conflict, Unavailable
from web.http.body import TOO_LARGE
from web.http.problem import DATABASE_AWAY, Problem, unavailable
from web.http.refusal_code import RefusalCode
from web.http.responses import REQUEST_ID, refusal
from web.identity.passwords import Overloaded

log = structlog.get_logger("web")

OBJECTS_AWAY = unavailable(
    "The object store is not available; try again", code=RefusalCode.OBJECTS_UNAVAILABLE
)
BUSY = unavailable("The gateway is busy; try again", code=RefusalCode.GATEWAY_BUSY)
BROKEN = Problem(500, "Internal server error", code=RefusalCode.INTERNAL_ERROR)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as JSON; log faults of the gateway with the request's id."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return refusal(request, http_problem(error))
    except ConnectionError:
        raise  # the client has gone
    except Exception as error:
        return refusal(request, problem_of(request, error))


def http_problem(error: web.HTTPException) -> Problem:
    """Return the problem for aiohttp's own refusals: unknown path, wrong method, body too large."""
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return TOO_LARGE
    kept = {k: v for k, v in error.headers.items() if k.lower() in ("allow", "retry-after")}
    return Problem(error.status, HTTPStatus(error.status).phrase, headers=kept)


def problem_of(request: web.Request, error: Exception) -> Problem:
    """Return the problem that an exception becomes for the client."""
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
