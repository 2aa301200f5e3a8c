"""Forgotten passwords: links with which users choose a new one."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import attrs
import structlog
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from sql.link_tokens import BYTES, RESET, TOKEN_MAX, digest_of, link_of, link_token
from sql.password_resets import ResetTokenInvalid, TooManyLinks
from sql.users import MailQueueFull
from web.gateway import Gateway
from web.http.converter import Email
from web.http.operations import Audience, Call, Operations
from web.http.problem import Problem, unavailable
from web.http.rate_limits import RateState
from web.identity.acting_user import ActingUser
from web.openapi.examples import reference as examples
from web.routes.admin import USER_NOT_FOUND, Because, act_upon, doer_of, factor_refusal
from web.routes.auth import Done, Password, mail_id

operations = Operations()
log = structlog.get_logger("password_resets")

ASKED: Final = Done("If an account has this address, a link for a new password is on its way to it")
CHANGED: Final = Done("Password changed; all sessions have ended")
MAIL_OFF: Final = Problem(
    404, "This gateway sends no mail: ask an admin for a link", code=RefusalCode.MAIL_OFF
)
MAILED: Final = Done("A link for a new password is on its way to the user")
NO_MAIL: Final = Problem(
    404,
    "This gateway sends no mail: make a link, and hand it to the user",
    code=RefusalCode.MAIL_OFF,
)
TOO_MANY_LINKS: Final = Problem(
    409,
    "The user got three links within an hour: wait, or make a link and hand it over",
    code=RefusalCode.TOO_MANY_MAILS,
)
TOO_MANY_WAIT: Final = unavailable(
    "Too many mails wait to be sent; try again", code=RefusalCode.GATEWAY_BUSY
)
TOKEN_INVALID: Final = Problem(
    403,
    "The link for a new password is invalid, used or expired",
    code=RefusalCode.RESET_TOKEN_INVALID,
)


@attrs.frozen
class ForgottenPassword:
    email: Email


@attrs.frozen
class PasswordReset:
    """A new password, with the token of a link."""

    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_MAX)] = attrs.field(repr=False)
    new_password: Password = attrs.field(repr=False)


@attrs.frozen
class ResetLink:
    """A link with which a user chooses a new password, once. The link is shown only now."""

    link: str = attrs.field(repr=False)
    expires_at: datetime


@operations.post(
    "/api/v1/auth/password/forgot",
    audience=Audience.PUBLIC,
    answers={202: Done},
    refusals={404: "This gateway sends no mail"},
    rate="login",
    while_halted=True,
    request_example=examples.FORGOTTEN_PASSWORD,
    example=examples.RESET_REQUESTED,
)
async def forgot(call: Call[ForgottenPassword]) -> Done | Problem:
    """Have a link for a new password sent to your address.

    The answer is the same whether the address has an account or not. The link works once, for 30
    minutes. An account gets at most three such mails in an hour.
    """
    return await request_link(call.gateway, call.body.email)


@operations.post(
    "/api/v1/auth/password/reset",
    audience=Audience.PUBLIC,
    refusals={403: "The token is invalid, used or expired"},
    rate="login",
    while_halted=True,
    request_example=examples.PASSWORD_RESET,
    example=examples.PASSWORD_RESET_DONE,
)
async def reset(call: Call[PasswordReset]) -> Done | Problem:
    """Choose a new password with the token of a link; all sessions end.

    API keys still work, unless this mail is the first proof of your address: then they are revoked.
    Identities of OpenID Connect that were linked before that proof are unlinked. The user is told
    by mail, if the gateway sends mail.
    """
    return await choose_password(call.gateway, call.body)


@operations.post(
    "/api/v1/admin/users/{user_id}/reset-link",
    audience=Audience.ADMIN,
    refusals={409: "It is your own account"},
    absent=USER_NOT_FOUND,
    request_example=examples.BECAUSE,
    example=examples.RESET_LINK,
)
async def admin_link(call: Call[Because]) -> ResetLink | Problem:
    """Make a link with which a user chooses a new password, to hand it to the user yourself.

    The link works once, for 30 minutes. If you have a second factor, you must have given it in this
    session in the last ten minutes.
    """
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    user, reason = call.ids["user_id"], call.body.reason
    return await make_link(doer_of(call), user, reason, call.base)


@operations.post(
    "/api/v1/admin/users/{user_id}/reset-mail",
    audience=Audience.ADMIN,
    answers={202: Done},
    refusals={
        404: "User not found, or this gateway sends no mail",
        409: "It is your own account, or the user got three such mails in an hour",
    },
    absent=USER_NOT_FOUND,
    request_example=examples.BECAUSE,
    example=examples.RESET_MAILED,
)
async def admin_mail(call: Call[Because]) -> Done | Problem:
    """Have a link sent to a user, by mail, with which they choose a new password.

    The link works once, for 30 minutes. Nobody but the user sees it.
    """
    return await mail_link(doer_of(call), call.ids["user_id"], call.body.reason)


async def mail_link(doer: ActingUser, user: UUID, reason: str) -> Done | Problem:
    """Write a mail with a link on an admin's behalf."""
    gateway = doer.gateway
    if not gateway.settings.mail.url:
        return NO_MAIL
    act = await act_upon(doer, "user.reset_mail", user, reason)
    if isinstance(act, Problem):
        return act
    try:
        row = await gateway.tables.password_resets.mail(user, gateway.ports.random.uuid(), act)
    except TooManyLinks:
        return TOO_MANY_LINKS
    except MailQueueFull:
        return TOO_MANY_WAIT
    return USER_NOT_FOUND if row is None else MAILED


async def request_link(gateway: Gateway, email: str) -> Done | Problem:
    """Write the mail that the Mailer sends to the user of an address, if there is one.

    Who has the address is looked up by the Mailer, so that neither the answer nor its time says
    something about it. Too many requests for one address change nothing and get the same answer.
    """
    if not gateway.settings.mail.url:
        return MAIL_OFF
    counted = await gateway.rates.count("login", f"password/{email.lower()}")
    if not isinstance(counted, RateState):
        return counted
    if counted.is_over:
        return ASKED
    id_, now = gateway.ports.random.uuid(), gateway.ports.clock.now()
    if not await gateway.tables.mails.request_reset(id_, email, now):
        log.warning("too many mails wait: a forgotten password was refused")
        return TOO_MANY_WAIT
    return ASKED


async def choose_password(gateway: Gateway, wanted: PasswordReset) -> Done | Problem:
    """Set the password of the user of a token; all their sessions end."""
    resets, digest = gateway.tables.password_resets, digest_of(wanted.token)
    if not await resets.is_valid(digest, gateway.ports.clock.now()):
        return TOKEN_INVALID  # before the password is hashed, which takes long
    password_hash = await gateway.identity.passwords.hash(wanted.new_password)
    now = gateway.ports.clock.now()
    try:
        ended = await resets.use(digest, password_hash, now, mail_id(gateway))
    except ResetTokenInvalid:  # another use was faster
        return TOKEN_INVALID
    gateway.identity.revocations.add(*ended.sessions, *ended.keys)
    log.info("password reset", user=str(ended.user.id), ended=len(ended.sessions))
    return CHANGED


async def make_link(
    doer: ActingUser, user: UUID, reason: str, base: str | None
) -> ResetLink | Problem:
    """Make a link on an admin's behalf. ``base``: the gateway's address, as the admin sees it;
    None: the address in the settings.
    """
    gateway = doer.gateway
    act = await act_upon(doer, "user.reset_link", user, reason)
    if isinstance(act, Problem):
        return act
    token = link_token(RESET, gateway.ports.random.token(BYTES), act.at)
    if await gateway.tables.password_resets.insert(user, token, act) is None:
        return USER_NOT_FOUND
    return ResetLink(link_of(RESET, base or gateway.url(), token.text), token.expires_at)
