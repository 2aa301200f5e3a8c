"""Authentication: finds the caller by the Authorization header, and checks the caller's rights."""

from typing import Final

from aiohttp import hdrs, web

from rendertrust.api.refusal_code import RefusalCode
from web.gateway import Gateway
from web.http.operations import NOT_AUTHENTICATED, TOKEN_REFUSED, Audience, Operation
from web.http.problem import DATABASE_AWAY, Problem
from web.identity.api_keys import PREFIX
from web.identity.roles import Scope, UserRole
from web.identity.tokens import Claims, TokenType

_SCHEME = "Bearer "
ADMINS_ONLY: Final = Problem(403, "This needs the role admin", code=RefusalCode.ADMIN_ONLY)
PEOPLE_ONLY: Final = Problem(403, "API keys may not do this: log in", code=RefusalCode.LOGIN_NEEDED)


def bearer(request: web.Request) -> str | None:
    """Return the token in ``Authorization: Bearer …``.

    Return '' if the header is something else, None if it is missing.
    """
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None:
        return None
    scheme = header[: len(_SCHEME)]
    return header[len(_SCHEME) :].strip() if scheme.lower() == _SCHEME.lower() else ""


async def identify(
    gateway: Gateway, request: web.Request, operation: Operation
) -> Claims | Problem | None:
    """Return the caller's claims; None if no identity is needed; otherwise a 401, 403 or 503."""
    audience = operation.audience
    if audience is Audience.PUBLIC:
        return None
    token = bearer(request)
    if token is None:
        return None if audience is Audience.ANYONE else NOT_AUTHENTICATED
    claims = await verified(gateway, token, audience)
    if isinstance(claims, Problem):
        return claims
    return forbidden(claims, operation) or claims


async def verified(gateway: Gateway, token: str, audience: Audience) -> Claims | Problem:
    """Return the claims of a token or an API key, or the refusal."""
    if audience is Audience.NODE:
        claims = await gateway.identity.tokens.verify(token, TokenType.NODE)
    elif token.startswith(PREFIX):
        claims = await gateway.identity.api_keys.verify(token)
    else:
        claims = await gateway.identity.tokens.verify(token, TokenType.ACCESS)
    if claims is None:
        return TOKEN_REFUSED
    if not await gateway.identity.revocations.current():
        return DATABASE_AWAY
    return TOKEN_REFUSED if gateway.identity.revocations.refuses(claims) else claims


def forbidden(claims: Claims, operation: Operation) -> Problem | None:
    """Return why the caller may not use this operation; None if the caller may."""
    if claims.scopes is not None:
        return lacking(operation.scope, claims.scopes)
    if operation.audience is not Audience.ADMIN or claims.role is UserRole.ADMIN:
        return None
    looking = claims.role is UserRole.AUDITOR and operation.method == "GET"
    return None if looking else ADMINS_ONLY


def lacking(scope: Scope | None, scopes: frozenset[Scope]) -> Problem | None:
    """Return why an API key with ``scopes`` may not do what needs ``scope``; None if it may."""
    if scope is None:
        return PEOPLE_ONLY
    if scope in scopes:
        return None
    challenge = f'Bearer realm="rendertrust", error="insufficient_scope", scope="{scope.value}"'
    return Problem(
        403,
        f"The API key lacks the scope {scope.value}",
        headers={"WWW-Authenticate": challenge},
        code=RefusalCode.SCOPE_MISSING,
    )
