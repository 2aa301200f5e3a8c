"""Logins by a code: a program shows it, and its user confirms it in a browser (RFC 8628)."""

from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

import attrs
import structlog
from msgspec import Meta

from actors.ports import Random
from rendertrust.api.accounts import DeviceLogin, Tokens
from rendertrust.api.refusal_code import RefusalCode
from sql.device_logins import DeviceLoginState, NewDeviceLogin
from sql.link_tokens import digest_of
from web.http.caller import CALLER
from web.http.operations import Audience, Call, Operations
from web.http.problem import Problem, unavailable
from web.identity.roles import UserRole
from web.openapi.examples import reference as examples
from web.routes.auth import client_of, grant_starter, issue

operations = Operations()
log = structlog.get_logger("device_logins")

PAGE: Final = "/console/device"
LASTS: Final = timedelta(minutes=10)
INTERVAL_SECONDS: Final = 5
CODE_BYTES: Final = 16
# Consonants: codes spell no words, and no letter looks like another one or a digit.
LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
USER_CODE_LETTERS: Final = 8
USER_CODE_TRIES: Final = 3  # against the rare case that another login has the same code
BUSY: Final = unavailable("No code is free now; try again", code=RefusalCode.GATEWAY_BUSY)
PENDING: Final = Problem(
    400, "The login is not confirmed yet", code=RefusalCode.AUTHORIZATION_PENDING
)
TOO_FAST: Final = Problem(
    400,
    "You poll too often: wait five seconds longer before each poll",
    code=RefusalCode.SLOW_DOWN,
)
DENIED: Final = Problem(400, "The user has refused the login", code=RefusalCode.ACCESS_DENIED)
GONE: Final = Problem(400, "The code has expired or was used", code=RefusalCode.EXPIRED_TOKEN)
REFUSALS: Final = {
    DeviceLoginState.PENDING: PENDING,
    DeviceLoginState.TOO_FAST: TOO_FAST,
    DeviceLoginState.DENIED: DENIED,
    DeviceLoginState.GONE: GONE,
}


@attrs.frozen
class DeviceCode:
    device_code: Annotated[str, Meta(min_length=1, max_length=100)] = attrs.field(repr=False)


@operations.post(
    "/api/v1/auth/device",
    audience=Audience.PUBLIC,
    rate="login",
    while_halted=True,
    example=examples.DEVICE_LOGIN,
)
async def start(call: Call) -> DeviceLogin | Problem:
    """Start a login that its user confirms in a browser, with the code that you show them.

    It works for every account: the user signs in to the console as always. RFC 8628 describes how
    to go on.
    """
    gateway, random = call.gateway, call.gateway.ports.random
    now = gateway.ports.clock.now()
    client, address = client_of(call.request), call.request[CALLER].address
    for _ in range(USER_CODE_TRIES):
        code, shown = random.token(CODE_BYTES).hex(), new_user_code(random)
        hashes = digest_of(code), digest_of(shown)
        new = NewDeviceLogin(*hashes, client, address, now + LASTS)
        if await gateway.tables.device_logins.insert(new, now):
            page = (call.base or gateway.url()).rstrip("/") + PAGE
            return DeviceLogin(
                device_code=code,
                user_code=shown,
                verification_uri=page,
                verification_uri_complete=f"{page}?{urlencode({'code': shown})}",
                expires_in=int(LASTS.total_seconds()),
                interval=INTERVAL_SECONDS,
            )
    return BUSY


@operations.post(
    "/api/v1/auth/device/token",
    audience=Audience.PUBLIC,
    refusals={400: "The user has not confirmed the login yet, or refused it, or it has expired"},
    rate="probe",  # programs poll
    while_halted=True,
    request_example=examples.DEVICE_CODE,
    example=examples.TOKENS,
)
async def token(call: Call[DeviceCode]) -> Tokens | Problem:
    """Get the tokens of a login that its user has confirmed, once.

    Until then the answer is 400 with the code `authorization_pending`, or `slow_down` if you ask
    too often.
    """
    gateway, now = call.gateway, call.gateway.ports.clock.now()
    taken = await gateway.tables.device_logins.take(digest_of(call.body.device_code), now)
    if isinstance(taken, DeviceLoginState):
        return REFUSALS[taken]
    tokens, family = issue(call, taken.user, UserRole(taken.role))
    if not await gateway.tables.sessions.open(taken, family, now):
        return GONE  # the user was deactivated or changed meanwhile
    await grant_starter(gateway, taken.user)
    log.info("login by a code", user=str(taken.user))
    return tokens


def new_user_code(random: Random) -> str:
    """Return a code like ``BCDF-GHJK``: eight letters of twenty, each as likely as any other."""
    letters = ""
    while len(letters) < USER_CODE_LETTERS:
        value = random.token(1)[0]
        if value < 256 - 256 % len(LETTERS):
            letters += LETTERS[value % len(LETTERS)]
    return f"{letters[:4]}-{letters[4:]}"


def plain_user_code(typed: str) -> str:
    """Return a code as it was shown, from what the user typed: small letters and blanks are fine;
    '' if it cannot be one.
    """
    letters = "".join(c for c in typed.upper() if c.isalnum())
    if len(letters) != USER_CODE_LETTERS or not set(letters) <= set(LETTERS):
        return ""
    return f"{letters[:4]}-{letters[4:]}"
