"""Who looks: a login like any other, in a cookie that scripts cannot read.

The cookie is a signed token of a login's family, good for some hours. Who goes on using it gets
another one, for which the database is asked whether the login is still alive; so whatever ends a
login, in the API or here, ends this too.
"""

from datetime import timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import attrs
from aiohttp import web

from web.console.view import Who
from web.gateway import Gateway
from web.http.caller import CALLER
from web.http.problem import DATABASE_AWAY, Problem
from web.identity.roles import UserRole
from web.identity.tokens import Claims, TokenType

COOKIE: Final = "rendertrust-console"
HOST_PREFIX: Final = "__Host-"
RENEW_AFTER: Final = timedelta(minutes=30)
FOREIGN: Final = Problem(403, "This came from another site, and nothing was changed")


@attrs.frozen
class SignedInVisitor:
    """Somebody with a cookie that is good; ``renewed`` is what to put in its place, if anything."""

    claims: Claims
    renewed: str | None = attrs.field(default=None, repr=False)

    @property
    def who(self) -> Who:
        return Who(self.claims.subject, self.claims.role)


def is_secure(request: web.Request, gateway: Gateway) -> bool:
    """Whether the browser reached us by https, if need be through a proxy."""
    if request[CALLER].scheme == "https":
        return True
    public = urlsplit(gateway.settings.server.public_url)
    return public.scheme == "https" and public.netloc == request.headers.get("Host")


def is_trusted(request: web.Request, gateway: Gateway) -> bool:
    """Whether browsers take the address for trustworthy: https, or the machine itself."""
    try:
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        return False
    if is_secure(request, gateway) or name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:  # another name
        return False


def cookie_name(*, secure: bool) -> str:
    """Browsers take the prefix over https alone: on a LAN's plain http nobody could sign in."""
    return HOST_PREFIX + COOKIE if secure else COOKIE


async def visitor_of(gateway: Gateway, request: web.Request) -> SignedInVisitor | Problem | None:
    """Who looks; None when nobody is signed in, a Problem when that cannot be known now.

    Raises Unavailable when the login must be looked up and cannot.
    """
    token = request.cookies.get(cookie_name(secure=is_secure(request, gateway)))
    if not token:
        return None
    claims = await gateway.tokens.verify(token, TokenType.CONSOLE)
    if claims is None:
        return None
    if not await gateway.revocations.current():
        return DATABASE_AWAY
    if gateway.revocations.refuses(claims):
        return None
    if gateway.clock.now() - claims.issued < RENEW_AFTER:
        return SignedInVisitor(claims)
    return await _renewed(gateway, claims)


async def _renewed(gateway: Gateway, claims: Claims) -> SignedInVisitor | None:
    now = gateway.clock.now()
    until = now + timedelta(days=gateway.settings.jwt.refresh_days)
    role = await gateway.accounts.sessions.touch(claims.family, claims.subject, now, until)
    if role is None:
        return None
    token, fresh = issue(gateway, claims.subject, claims.family, UserRole(role))
    return SignedInVisitor(fresh, token)


def issue(gateway: Gateway, user: UUID, family: UUID, role: UserRole) -> tuple[str, Claims]:
    """What stands in the cookie."""
    return gateway.tokens.issue(TokenType.CONSOLE, user, family, role)


def keep(response: web.StreamResponse, token: str, *, secure: bool, seconds: int) -> None:
    """Put the token into the visitor's cookie."""
    response.set_cookie(
        cookie_name(secure=secure),
        token,
        max_age=seconds,
        path="/",
        httponly=True,
        secure=secure,
        samesite="Lax",
    )


def forget(response: web.StreamResponse, *, secure: bool) -> None:
    """Take the cookie away."""
    response.del_cookie(
        cookie_name(secure=secure), path="/", secure=secure, httponly=True, samesite="Lax"
    )


def is_own(request: web.Request, gateway: Gateway) -> bool:
    """Whether a change was asked for by a page of ours.

    Browsers say so by ``Sec-Fetch-Site``, over plain http by ``Origin`` alone: with its scheme, as
    whoever is on the line can make up a page at http:// of a name that has https.
    """
    site = request.headers.getall("Sec-Fetch-Site", [])
    if site:
        return site == ["same-origin"]
    origins = request.headers.getall("Origin", [])
    scheme = "https" if is_secure(request, gateway) else "http"
    return origins == [f"{scheme}://{request.headers.get('Host', '-')}"]
