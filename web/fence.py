"""The fence: who is calling, by the token of the Authorization header."""

from aiohttp import web

from web.operations import NOT_AUTHENTICATED, TOKEN_REFUSED, Audience
from web.problem import Problem
from web.tokens import Claims, Tokens, TokenType

_SCHEME = "Bearer "


def bearer(request: web.Request) -> str | None:
    """The token of ``Authorization: Bearer …``; '' when the header is something else."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme = header[: len(_SCHEME)]
    return header[len(_SCHEME) :].strip() if scheme.lower() == _SCHEME.lower() else ""


async def identify(
    tokens: Tokens, request: web.Request, audience: Audience
) -> Claims | Problem | None:
    """The caller's claims; None where nobody needs to be known; 401 otherwise."""
    if audience is Audience.PUBLIC:
        return None
    token = bearer(request)
    if token is None:
        return None if audience is Audience.ANYONE else NOT_AUTHENTICATED
    kind = TokenType.NODE if audience is Audience.NODE else TokenType.ACCESS
    return await tokens.verify(token, kind) or TOKEN_REFUSED
