"""Accounts that an admin opens for others, each with a link for the first password."""

from datetime import datetime

import attrs

from sql.link_tokens import BYTES, FIRST_PASSWORD, LinkToken, link_of, link_token
from sql.users import MailQueueFull, NewUser
from web.http.converter import Email
from web.http.operations import TOKEN_REFUSED, Audience, Call, Operations
from web.http.problem import Problem
from web.identity.acting_user import ActingUser
from web.identity.roles import RoleName
from web.openapi.examples import reference as examples
from web.routes.account import PASSWORD_BYTES
from web.routes.admin import Account, Reason, doer_of, factor_refusal, shown
from web.routes.auth import EMAIL_REGISTERED, Name
from web.routes.password_resets import TOO_MANY_WAIT

operations = Operations(audience=Audience.ADMIN)


@attrs.frozen
class UserToCreate:
    """A user to create; they choose the password themselves, by a link."""

    email: Email
    name: Name
    reason: Reason
    role: RoleName = "user"


@attrs.frozen
class CreatedUser:
    """A new user. ``link``: where they choose their password, once, until ``expires_at``.

    The link is shown only now, for you to hand over. Both are null if the gateway has sent it by
    mail: then ``mailed`` is true.
    """

    user: Account
    mailed: bool
    link: str | None = attrs.field(repr=False)
    expires_at: datetime | None


@operations.post(
    "/api/v1/admin/users",
    answers={201: CreatedUser},
    refusals={409: "The e-mail address is already registered"},
    request_example=examples.USER_TO_CREATE,
    example=examples.CREATED_USER,
)
async def create(call: Call[UserToCreate]) -> CreatedUser | Problem:
    """Create a user, who chooses their password by a link.

    The gateway sends the link by mail; if it sends no mail, you get the link. The link works once,
    for three days. If you have a second factor, you must have given it in this session in the last
    ten minutes.
    """
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    return await open_for(doer_of(call), call.body, call.base)


async def open_for(
    doer: ActingUser, wanted: UserToCreate, base: str | None
) -> CreatedUser | Problem:
    """Create a user on an admin's behalf. ``base``: the gateway's address, as the admin sees it;
    None: the address in the settings.
    """
    gateway, random = doer.gateway, doer.gateway.ports.random
    user = random.uuid()
    details = {"role": wanted.role}
    act = await doer.act("user.create", f"user:{user}", wanted.reason, details)
    if act is None:
        return TOKEN_REFUSED
    mail = random.uuid() if gateway.settings.mail.url else None
    link: LinkToken | None = None
    if mail is None:
        link = link_token(FIRST_PASSWORD, random.token(BYTES), act.at)
    unusable = await gateway.identity.passwords.hash(random.token(PASSWORD_BYTES).hex())
    new = NewUser(user, wanted.email, wanted.name, unusable, wanted.role)
    try:
        row = await gateway.tables.administration.create(new, act, link=link, mail=mail)
    except MailQueueFull:
        return TOO_MANY_WAIT
    if row is None:
        return EMAIL_REGISTERED
    address = None if link is None else link_of(FIRST_PASSWORD, base or gateway.url(), link.text)
    until = None if link is None else link.expires_at
    return CreatedUser(shown(row), mail is not None, address, until)
