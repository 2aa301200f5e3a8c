"""The second factor: when it is needed, and checks of codes."""

import hashlib
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from rendertrust.api.refusal_code import RefusalCode
from sql.login_sessions import LoginState
from sql.second_factors import AppSetup, FactorState, NewFactor, SealedApp, UsedStep
from web.gateway import Gateway
from web.http.problem import Problem
from web.identity.roles import UserRole
from web.identity.totp import (
    SECRET_BYTES,
    RecoveryCodes,
    matching_step,
    new_recovery_codes,
    plain_code,
    recovery_digest,
)

log = structlog.get_logger("second_factor")

NONCE_BYTES: Final = 12
CODE_MAX: Final = 64  # characters of a code that somebody sends
RECENT: Final = timedelta(minutes=10)
SETUP_LASTS: Final = timedelta(minutes=30)  # from the secret of an app to its first code
FACTOR_REQUIRED: Final = Problem(
    401,
    "Send the code of your authenticator app, or a recovery code, as otp",
    code=RefusalCode.SECOND_FACTOR_REQUIRED,
)
FACTOR_INVALID: Final = Problem(
    401,
    "The code is wrong or was used, or too many codes were wrong",
    code=RefusalCode.SECOND_FACTOR_INVALID,
)
SET_UP_FIRST: Final = Problem(
    401,
    "Admins need a second factor here: sign in to the console to set one up",
    code=RefusalCode.SECOND_FACTOR_MISSING,
)
RECENT_FACTOR_NEEDED: Final = Problem(
    403,
    "Give your second factor again: the last time was more than ten minutes ago",
    code=RefusalCode.RECENT_FACTOR_NEEDED,
)


def is_needed(gateway: Gateway, role: str) -> bool:
    """Return True if users of this role must have a second factor."""
    return gateway.settings.accounts.admin_second_factor and role == UserRole.ADMIN.value


async def factor_of_login(gateway: Gateway, checked: LoginState, otp: str | None) -> bool | Problem:
    """Check the factor of a login whose password was right; return True if one was given.

    Return a Problem if a factor is missing or wrong.
    """
    state = await gateway.tables.second_factors.state(checked.user)
    if not state.has_factor:
        return SET_UP_FIRST if is_needed(gateway, checked.role) else False
    if otp is None:
        return FACTOR_REQUIRED
    return await is_right(gateway, checked.user, otp) or FACTOR_INVALID


async def is_right(gateway: Gateway, user: UUID, code: str) -> bool:
    """Use a code of the app, or a recovery code; False if it is wrong, used, or one too many."""
    factors = gateway.tables.second_factors
    if plain_code(code) is None:
        used = await factors.use_recovery_code(user, recovery_digest(code))
        if used:
            log.info("a recovery code was used", user=str(user))
        return used
    now = gateway.ports.clock.now()
    app = await factors.try_code(user, now)
    step = None if app is None else used_step(gateway, app, code)
    if step is None:
        log.warning("a wrong code of a second factor", user=str(user))
        return False
    return await factors.use_step(user, step)


def used_step(gateway: Gateway, app: SealedApp, code: str) -> UsedStep | None:
    """Return the use of a code; None if the code is wrong or old.

    A secret that was sealed with the previous key of the log is sealed again: after the next
    rotation, no gateway could open it.
    """
    signer, plain = gateway.ports.signer, plain_code(code)
    secret = signer.unseal(app.sealed)
    if secret is None:
        log.error("the secret of an authenticator app cannot be opened: its key is gone")
        return None
    step = None if plain is None else matching_step(secret, plain, gateway.ports.clock.now())
    if step is None or step <= app.last_step:
        return None
    is_current = signer.seal(secret, app.sealed[:NONCE_BYTES]) == app.sealed
    return UsedStep(step, app.sealed, app.sealed if is_current else sealed(gateway, secret))


def sealed(gateway: Gateway, secret: bytes) -> bytes:
    """Return the secret, encrypted for the database."""
    return gateway.ports.signer.seal(secret, gateway.ports.random.token(NONCE_BYTES))


def setup_in_session(user: UUID, session: UUID, which: UUID) -> AppSetup:
    """Return the set-up of an app in a session.

    ``which``: an id that only the person who gave the password or a factor gets, as the cookie of
    the session may be stolen.
    """
    holder = hashlib.sha256(b"app" + session.bytes + which.bytes).digest()
    return AppSetup(user, holder, session)


async def start_app(gateway: Gateway, setup: AppSetup) -> bool:
    """Make a secret for an app, which a code must confirm; False if the user has an app."""
    secret = gateway.ports.random.token(SECRET_BYTES)
    until = gateway.ports.clock.now() + SETUP_LASTS
    return await gateway.tables.second_factors.start_app(setup, sealed(gateway, secret), until)


async def unconfirmed_secret(gateway: Gateway, setup: AppSetup) -> bytes | None:
    """Return the secret of the app that the user is setting up; None if there is none."""
    now = gateway.ports.clock.now()
    kept = await gateway.tables.second_factors.unconfirmed(setup, now)
    return None if kept is None else gateway.ports.signer.unseal(kept)


async def confirm_app(
    gateway: Gateway, setup: AppSetup, code: str, *, first: bool
) -> RecoveryCodes | bool:
    """Confirm the app that the user is setting up; False if the code is wrong.

    Return recovery codes if the user had none. ``first``: the user has no factor; it is False, too,
    if that has changed. The first factor ends the user's other sessions.
    """
    factors, now = gateway.tables.second_factors, gateway.ports.clock.now()
    kept = await factors.unconfirmed(setup, now)
    step = None if kept is None else used_step(gateway, SealedApp(kept, 0), code)
    if step is None:
        return False
    codes = new_recovery_codes(gateway.ports.random)
    new = NewFactor(setup.user, setup.session, first, codes.hashes, now)
    done = await factors.confirm_app(new, setup.holder, step)
    if done is None:
        return False
    gateway.identity.revocations.add(*done.ended)
    log.info("an authenticator app was set up", user=str(setup.user))
    return codes if done.with_codes else True


async def recent_factor_refusal(gateway: Gateway, user: UUID, session: UUID) -> Problem | None:
    """Return a 403 if the user has a factor and did not give it in the last ten minutes."""
    state = await gateway.tables.second_factors.state(user)
    return await stale_refusal(gateway, user, session, state)


async def stale_refusal(
    gateway: Gateway, user: UUID, session: UUID, state: FactorState
) -> Problem | None:
    """Return the refusal for a user with these factors."""
    if not state.has_factor:
        return None
    now = gateway.ports.clock.now()
    at = await gateway.tables.sessions.factor_at(session, user, now)
    return None if at is not None and now - at <= RECENT else RECENT_FACTOR_NEEDED
