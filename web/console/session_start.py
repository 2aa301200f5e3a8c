"""Start of a console session: shared steps of the forms that sign a user in."""

from uuid import UUID

from aiohttp import web
from multidict import MultiDict

from rendertrust.api.refusal_code import RefusalCode
from sql.login_sessions import TokenFamily
from web.console.forms import form_of
from web.console.session import FOREIGN, is_own, is_secure, issue, keep, visitor_of
from web.gateway import Gateway
from web.http.problem import Problem
from web.identity.roles import UserRole
from web.identity.tokens import CONSOLE_HOURS
from web.routes.auth import client_of


async def own_form(request: web.Request, gateway: Gateway) -> MultiDict[str] | Problem:
    """Return the fields of a form of ours; a Problem if another site sent the form."""
    if not is_own(request, gateway):
        return FOREIGN
    return await form_of(request, gateway.settings.server.body_seconds)


async def is_signed_in(gateway: Gateway, request: web.Request) -> bool:
    visitor = await visitor_of(gateway, request)
    return visitor is not None and not isinstance(visitor, Problem)


def new_session(
    gateway: Gateway, request: web.Request, user: UUID, role: UserRole
) -> tuple[str, TokenFamily]:
    """Return the cookie's token and the row of a new session, whatever cookie the browser sent."""
    sid = gateway.ports.random.uuid()
    token, claims = issue(gateway, user, sid, role)
    return token, TokenFamily(sid, claims.identity, claims.expires, client_of(request))


def begun(
    gateway: Gateway, request: web.Request, answer: web.Response, token: str
) -> web.StreamResponse:
    """Return the answer with the cookie of a new session."""
    keep(answer, token, secure=is_secure(request, gateway), seconds=CONSOLE_HOURS * 3600)
    return answer


def waiting(over: Problem) -> str:
    """Return in plain words why a form was refused for now, and when to send it again."""
    wait = over.headers.get("Retry-After")
    if over.code is not RefusalCode.RATE_LIMITED or wait is None:
        return f"{over.detail}."
    return f"Too many attempts from your address. Try again in {wait} seconds."
