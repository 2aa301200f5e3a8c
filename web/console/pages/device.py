"""The page on which a user confirms the login of a program, with the code that it shows."""

from typing import Annotated, Final

import attrs
import structlog
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from sql.link_tokens import digest_of
from web.console.pages.account import device_of
from web.console.registry import Pages
from web.console.view import Redirect, Shown, View, session_of
from web.http.problem import Fault, Problem, invalid
from web.http.rate_limits import too_many
from web.identity.second_factor import is_needed, stale_refusal
from web.routes.device_logins import PAGE, plain_user_code

pages = Pages()
log = structlog.get_logger("device_logins")
CODE_MAX: Final = 40
UNKNOWN: Final = Fault("code", "value", "is not valid")  # the page says why that may be
CONFIRMED: Final = "The program is logged in. You can close this page, and go back to it."
DENIED: Final = "The program is not logged in."
SET_UP_FIRST: Final = Problem(
    403,
    "Admins need a second factor here: set one up on the page Your account",
    code=RefusalCode.SECOND_FACTOR_MISSING,
)


@attrs.frozen
class DeviceQuery:
    """The code in the address that the program shows."""

    code: Annotated[str, Meta(max_length=CODE_MAX)] = ""


@attrs.frozen
class DeviceForm:
    """The code, and what the user does with it."""

    code: Annotated[str, Meta(max_length=CODE_MAX)]


@pages.page("/device", "Sign in a program", "device.html", own=True)
async def device(view: View[DeviceQuery]) -> Shown | Problem:
    """Return the login that waits for the code, or ask for the code."""
    typed = view.query.code
    found = None
    if typed:
        over = await guess_refusal(view)
        if over is not None:
            return over
        code = digest_of(plain_user_code(typed))
        found = await view.gateway.tables.device_logins.waiting(code, view.now)
    return {
        "code": plain_user_code(typed) or typed,
        "login": found,
        "device": "" if found is None else device_of(found.client),
        "is_unknown": bool(typed) and found is None,
    }


@pages.action("/account/device/confirm", form_on="/device", on_own_account=True)
async def confirm(view: View[DeviceForm]) -> Redirect | Problem:
    """Log the program in as the user, who gives their second factor if they have or need one."""
    gateway, user, session = view.gateway, view.who.user, session_of(view)
    over = await guess_refusal(view)
    if over is not None:
        return over
    state = await gateway.tables.second_factors.state(user)
    if not state.has_factor and is_needed(gateway, view.who.role.value):
        return SET_UP_FIRST
    refused = await stale_refusal(gateway, user, session, state)
    if refused is not None:
        return refused
    code = digest_of(plain_user_code(view.query.code))
    logins = gateway.tables.device_logins
    if not await logins.confirm(code, user, session, view.now):
        return invalid([UNKNOWN])
    log.info("login of a program confirmed", user=str(user))
    return Redirect(PAGE, CONFIRMED)


@pages.action("/account/device/deny", form_on="/device", on_own_account=True)
async def deny(view: View[DeviceForm]) -> Redirect | Problem:
    """Refuse the login."""
    over = await guess_refusal(view)
    if over is not None:
        return over
    code = digest_of(plain_user_code(view.query.code))
    if not await view.gateway.tables.device_logins.deny(code, view.now):
        return invalid([UNKNOWN])
    return Redirect(PAGE, DENIED)


async def guess_refusal(view: View[DeviceQuery] | View[DeviceForm]) -> Problem | None:
    """Count a code that the user gives; return 429 after ``limits.login`` of them in a minute."""
    counted = await view.gateway.rates.count("login", view.who.user)
    if isinstance(counted, Problem):
        return counted
    return too_many(counted) if counted.is_over else None
