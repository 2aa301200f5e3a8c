"""The fence: who is calling, by the token of the Authorization header, and whether he may."""

from typing import Final

from aiohttp import web

from web.operations import NOT_AUTHENTICATED, TOKEN_REFUSED, Audience, Operation
from web.problem import Problem
from web.rights import Role
from web.tokens import Claims, Tokens, TokenType

_SCHEME = "Bearer "
ADMINS_ONLY: Final = Problem(403, "This needs the role admin")


def bearer(request: web.Request) -> str | None:
    """The token of ``Authorization: Bearer …``; '' when the header is something else."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme = header[: len(_SCHEME)]
    return header[len(_SCHEME) :].strip() if scheme.lower() == _SCHEME.lower() else ""


async def identify(
    tokens: Tokens, request: web.Request, operation: Operation
) -> Claims | Problem | None:
    """The caller's claims; None where nobody needs to be known; 401, or 403, otherwise."""
    audience = operation.audience
    if audience is Audience.PUBLIC:
        return None
    token = bearer(request)
    if token is None:
        return None if audience is Audience.ANYONE else NOT_AUTHENTICATED
    kind = TokenType.NODE if audience is Audience.NODE else TokenType.ACCESS
    claims = await tokens.verify(token, kind)
    if claims is None:
        return TOKEN_REFUSED
    return forbidden(claims, operation) or claims


def forbidden(claims: Claims, operation: Operation) -> Problem | None:
    """Whether the caller, who is known, may not do this."""
    if operation.audience is not Audience.ADMIN or claims.role is Role.ADMIN:
        return None
    looking = claims.role is Role.AUDITOR and operation.method == "GET"
    return None if looking else ADMINS_ONLY
