"""Console sessions: a login like any other, in a cookie that scripts cannot read.

The cookie is a signed token of the session, valid for some hours. A cookie that is in use is
renewed. Each renewal asks the database whether the session is still active, so ending the session,
through the API or here, also ends the use of the cookie.
"""

from datetime import timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import attrs
from aiohttp import web

from web.console.view import Who
from web.gateway import Gateway
from web.http.caller import CALLER
from web.http.problem import DATABASE_AWAY, Problem
from web.http.public_host import is_host
from web.identity.passkeys import PasskeyHolder, PasskeySite, holder_of_session
from web.identity.roles import UserRole
from web.identity.tokens import Claims, TokenType

COOKIE: Final = "rendertrust-console"
HOST_PREFIX: Final = "__Host-"
RENEW_AFTER: Final = timedelta(minutes=30)
FOREIGN: Final = Problem(403, "This request came from another site; nothing was changed")


@attrs.frozen
class SignedInVisitor:
    """A user with a valid cookie; ``renewed``: the cookie that replaces the old one, if it is
    renewed now.
    """

    claims: Claims
    renewed: str | None = attrs.field(default=None, repr=False)

    @property
    def who(self) -> Who:
        return Who(self.claims.subject, self.claims.role)


def passkey_holder(
    request: web.Request, gateway: Gateway, visitor: SignedInVisitor
) -> PasskeyHolder:
    """Return the user as holder of passkeys in their session."""
    claims = visitor.claims
    holder = holder_of_session(claims.family)
    return PasskeyHolder(claims.subject, holder, site_of(request, gateway), claims.family)


def is_secure(request: web.Request, gateway: Gateway) -> bool:
    """Return True if the browser uses https, possibly through a proxy."""
    if request[CALLER].scheme == "https":
        return True
    public = urlsplit(gateway.settings.server.public_url)
    return public.scheme == "https" and public.netloc == request.headers.get("Host")


def is_trusted(request: web.Request, gateway: Gateway) -> bool:
    """Return True if browsers trust the origin: https, or the local machine."""
    try:
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        return False
    if is_secure(request, gateway) or name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:  # the name is not an IP address
        return False


def site_of(request: web.Request, gateway: Gateway) -> PasskeySite | None:
    """Return the site for which passkeys are made; None where there are none.

    Browsers offer no passkeys at IP addresses and over plain http. If the settings name an address,
    passkeys work only there.
    """
    host = request.headers.get("Host", "").lower()
    if not is_host(host) or not is_trusted(request, gateway):
        return None
    scheme = "https" if is_secure(request, gateway) else "http"
    here, public = urlsplit(f"{scheme}://{host}"), urlsplit(gateway.settings.server.public_url)
    name = here.hostname or ""
    if public.netloc and (public.scheme, public.hostname, port_of(public)) != (
        *(scheme, name),
        port_of(here),
    ):
        return None
    try:
        ip_address(name)
    except ValueError:
        return PasskeySite(f"{scheme}://{host}", name)
    return None


def port_of(address: SplitResult) -> int:
    return address.port or (443 if address.scheme == "https" else 80)


def cookie_name(*, secure: bool) -> str:
    """Return the cookie's name; browsers accept its prefix only over https."""
    return HOST_PREFIX + COOKIE if secure else COOKIE


async def visitor_of(gateway: Gateway, request: web.Request) -> SignedInVisitor | Problem | None:
    """Return the user; None without a session, a Problem if the session cannot be checked.

    Raises Unavailable if the session must be looked up and the database does not answer.
    """
    token = request.cookies.get(cookie_name(secure=is_secure(request, gateway)))
    if not token:
        return None
    claims = await gateway.identity.tokens.verify(token, TokenType.CONSOLE)
    if claims is None:
        return None
    if not await gateway.identity.revocations.current():
        return DATABASE_AWAY
    if gateway.identity.revocations.refuses(claims):
        return None
    if gateway.ports.clock.now() - claims.issued < RENEW_AFTER:
        return SignedInVisitor(claims)
    return await _renewed(gateway, claims)


async def is_known(gateway: Gateway, request: web.Request) -> bool:
    """Return True if the cookie is valid, as far as this gateway knows without a query."""
    return await known_user(gateway, request) is not None


async def known_user(gateway: Gateway, request: web.Request) -> UUID | None:
    """Return the cookie's user; None if the cookie is invalid, as far as this gateway knows without
    a query.
    """
    token = request.cookies.get(cookie_name(secure=is_secure(request, gateway)))
    claims = await gateway.identity.tokens.verify(token, TokenType.CONSOLE) if token else None
    if claims is None or gateway.identity.revocations.refuses(claims):
        return None
    return claims.subject


async def _renewed(gateway: Gateway, claims: Claims) -> SignedInVisitor | None:
    now = gateway.ports.clock.now()
    until = now + timedelta(days=gateway.settings.jwt.refresh_days)
    role = await gateway.tables.sessions.touch(claims.family, claims.subject, now, until)
    if role is None:
        return None
    token, fresh = issue(gateway, claims.subject, claims.family, UserRole(role))
    return SignedInVisitor(fresh, token)


def issue(gateway: Gateway, user: UUID, family: UUID, role: UserRole) -> tuple[str, Claims]:
    """Return the cookie's token and its claims."""
    return gateway.identity.tokens.issue(TokenType.CONSOLE, user, family, role)


def keep(response: web.StreamResponse, token: str, *, secure: bool, seconds: int) -> None:
    """Set the session cookie."""
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
    """Remove the session cookie."""
    response.del_cookie(
        cookie_name(secure=secure), path="/", secure=secure, httponly=True, samesite="Lax"
    )


def is_own(request: web.Request, gateway: Gateway) -> bool:
    """Return True if the request comes from one of our pages.

    Browsers send ``Sec-Fetch-Site``, or over plain http only ``Origin``. The scheme of ``Origin``
    is compared, too: an attacker on the network could forge a page at http:// of a host that uses
    https.
    """
    site = request.headers.getall("Sec-Fetch-Site", [])
    if site:
        return site == ["same-origin"]
    origins = request.headers.getall("Origin", [])
    scheme = "https" if is_secure(request, gateway) else "http"
    return origins == [f"{scheme}://{request.headers.get('Host', '-')}"]
