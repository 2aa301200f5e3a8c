"""Accounts and sessions: register, log in, refresh, log out, change the password."""

from typing import Annotated, Any
from uuid import UUID

import attrs
import structlog
from aiohttp import web
from msgspec import Meta

from actors.kernel import AskFailed
from actors.ledger.effects import Transfer
from actors.ledger.messages import Commit, Posted
from rendertrust import money
from rendertrust.api.accounts import Registered, Tokens, User
from rendertrust.api.refusal_code import RefusalCode
from sql.account_names import ADJUSTMENTS, user_account
from sql.database import Unavailable
from sql.invitations import NotInvited
from sql.login_sessions import LoginState, TokenFamily
from sql.users import NewUser, UserRow
from web.gateway import Gateway
from web.http.converter import Email
from web.http.operations import TOKEN_REFUSED, Audience, Call, Operations
from web.http.problem import Problem
from web.identity.invitation_tokens import TOKEN_MAX, digest_of
from web.identity.roles import UserRole
from web.identity.second_factor import CODE_MAX, factor_of_login
from web.identity.tokens import Claims, TokenType
from web.money.ledger_client import commit
from web.openapi.examples import reference as examples

operations = Operations()
log = structlog.get_logger("auth")

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Password = Annotated[str, Meta(min_length=8, max_length=1024)]
PasswordGuess = Annotated[str, Meta(min_length=1, max_length=1024)]
CLIENT_CHARACTERS_MAX = 200
LOGIN_REFUSED = Problem(
    401, "Invalid credentials or inactive account", code=RefusalCode.CREDENTIALS_INVALID
)
DEACTIVATED = Problem(
    401, "The account is deactivated: ask an admin", code=RefusalCode.ACCOUNT_DEACTIVATED
)
REFRESH_REFUSED = Problem(
    401, "Invalid, expired or used refresh token", code=RefusalCode.REFRESH_TOKEN_INVALID
)
REGISTRATION_CLOSED = Problem(
    403, "New accounts cannot be opened here", code=RefusalCode.REGISTRATION_CLOSED
)
INVITATION_NEEDED = Problem(
    403,
    "Accounts are opened here by invitation: use the link that an admin gave you",
    code=RefusalCode.INVITATION_NEEDED,
)
INVITATION_INVALID = Problem(
    403,
    "The invitation is invalid, used, expired, revoked, or for another address",
    code=RefusalCode.INVITATION_INVALID,
)
PASSWORD_INCORRECT = Problem(
    403, "The current password is incorrect", code=RefusalCode.PASSWORD_INCORRECT
)
EMAIL_REGISTERED = Problem(409, "Email already registered", code=RefusalCode.EMAIL_REGISTERED)


@attrs.frozen
class Registration:
    """A new account. ``invitation``: the token of an invitation, if accounts are opened by
    invitation.
    """

    email: Email
    name: Name
    password: Password = attrs.field(repr=False)
    invitation: Annotated[str, Meta(max_length=TOKEN_MAX)] | None = attrs.field(
        default=None, repr=False
    )


@attrs.frozen
class Credentials:
    """Credentials. ``otp``: a code of the authenticator app or a recovery code, if the user has a
    second factor.
    """

    email: Email
    password: PasswordGuess = attrs.field(repr=False)
    otp: Annotated[str, Meta(min_length=1, max_length=CODE_MAX)] | None = attrs.field(
        default=None, repr=False
    )


@attrs.frozen
class Refresh:
    refresh_token: Annotated[str, Meta(min_length=1, max_length=4096)] = attrs.field(repr=False)


@attrs.frozen
class PasswordChange:
    old_password: PasswordGuess = attrs.field(repr=False)
    new_password: Password = attrs.field(repr=False)


@attrs.frozen
class Done:
    message: str


@operations.post(
    "/api/v1/auth/register",
    audience=Audience.PUBLIC,
    answers={201: Registered},
    refusals={
        403: "Accounts cannot be opened here, or only with a valid invitation",
        409: "The e-mail address is already registered",
    },
    rate="register",
    new_work=True,
    request_example=examples.REGISTRATION,
    example=examples.REGISTERED,
)
async def register(call: Call[Registration]) -> Registered | Problem:
    """Open an account; you are logged in at once."""
    user = call.gateway.ports.random.uuid()
    tokens, family = issue(call, user, UserRole.USER)
    row = await open_account(call.gateway, call.body, user, family)
    if isinstance(row, Problem):
        return row
    return Registered(User(str(row.id), row.email, row.name, row.is_active), tokens)


@operations.post(
    "/api/v1/auth/login",
    audience=Audience.PUBLIC,
    refusals={
        401: "Invalid credentials or inactive account, or the second factor is missing or wrong"
    },
    rate="login",
    while_halted=True,
    request_example=examples.CREDENTIALS,
    example=examples.TOKENS,
)
async def login(call: Call[Credentials]) -> Tokens | Problem:
    """Get an access token and a refresh token.

    If the user has a second factor, a login without ``otp`` gets 401 with the code
    ``second_factor_required``.
    """
    gateway, body = call.gateway, call.body
    checked = await checked_password(gateway, body.email, body.password)
    if isinstance(checked, Problem):
        return checked
    factor = await factor_of_login(gateway, checked, body.otp)
    if isinstance(factor, Problem):
        return factor
    checked = attrs.evolve(checked, with_factor=factor)
    tokens, family = issue(call, checked.user, UserRole(checked.role))
    if not await gateway.tables.sessions.open(checked, family, gateway.ports.clock.now()):
        return LOGIN_REFUSED  # the user was deactivated or changed while the password was checked
    await grant_starter(gateway, checked.user)
    return tokens


@operations.post(
    "/api/v1/auth/refresh",
    audience=Audience.PUBLIC,
    refusals={401: "Not a refresh token, expired, used before, or its session has ended"},
    rate="refresh",
    while_halted=True,
    request_example=examples.REFRESH,
    example=examples.TOKENS,
)
async def refresh(call: Call[Refresh]) -> Tokens | Problem:
    """Exchange a refresh token, once, for new tokens of the same session."""
    gateway = call.gateway
    spent = await gateway.identity.tokens.verify(call.body.refresh_token, TokenType.REFRESH)
    if spent is None:
        return REFRESH_REFUSED
    tokens, family = issue(call, spent.subject, spent.role, spent.family)
    if await gateway.tables.sessions.rotate(family, spent.identity, gateway.ports.clock.now()):
        return tokens
    await end_if_stolen(gateway, spent)
    return REFRESH_REFUSED


@operations.post(
    "/api/v1/auth/logout",
    while_halted=True,
    example=examples.LOGGED_OUT,
)
async def logout(call: Call) -> Done | Problem:
    """End this session: its access token and its refresh token are refused from now on."""
    gateway, claims = call.gateway, call.claims
    assert claims is not None, "this operation needs a token"
    await gateway.tables.sessions.end(claims.family, claims.subject, gateway.ports.clock.now())
    gateway.identity.revocations.add(claims.family)
    return Done("Logged out successfully")


@operations.post(
    "/api/v1/auth/password",
    refusals={
        403: "The current password is incorrect",
        409: "The account was changed at the same time",
    },
    rate="login",
    request_example=examples.PASSWORD_CHANGE,
    example=examples.PASSWORD_CHANGED,
)
async def change_password(call: Call[PasswordChange]) -> Done | Problem:
    """Change your password; all other sessions end."""
    claims = call.claims
    assert claims is not None, "this operation needs a token"
    return await set_own_password(call.gateway, claims.subject, claims.family, call.body)


async def set_own_password(
    gateway: Gateway, user: UUID, session: UUID, wanted: PasswordChange
) -> Done | Problem:
    """Change a user's own password; all their sessions but ``session`` end."""
    row = await gateway.tables.users.by_id(user)
    if row is None or row.password_hash is None:
        return TOKEN_REFUSED
    if not await gateway.identity.passwords.matches(wanted.old_password, row.password_hash):
        return PASSWORD_INCORRECT
    fresh = await gateway.identity.passwords.hash(wanted.new_password)
    ended = await gateway.tables.administration.change_password(
        *(row.id, row.password_hash, fresh, session, gateway.ports.clock.now()),
        notice=mail_id(gateway),
    )
    if ended is None:
        return Problem(
            409, "The password was changed at the same time", code=RefusalCode.CHANGED_MEANWHILE
        )
    gateway.identity.revocations.add(*ended.sessions)
    log.info("password changed", user=str(row.id), ended=len(ended.sessions))
    return Done("Password changed; all other sessions have ended")


def mail_id(gateway: Gateway) -> UUID | None:
    """Return the id of a mail to write; None if the gateway sends no mail."""
    return gateway.ports.random.uuid() if gateway.settings.mail.url else None


async def open_account(
    gateway: Gateway, wanted: Registration, user: UUID, family: TokenFamily
) -> UserRow | Problem:
    """Open an account with the id ``user`` and a first session, as far as
    ``accounts.registration`` allows.

    An invitation is checked first, so that only people who are invited learn which addresses are
    registered.
    """
    refused = await registration_refusal(gateway, wanted)
    if refused is not None:
        return refused
    password_hash = await gateway.identity.passwords.hash(wanted.password)
    named, now = (user, wanted.email, wanted.name, password_hash), gateway.ports.clock.now()
    new = NewUser(*named, verification=mail_id(gateway))
    if gateway.settings.accounts.registration == "open":
        row = await gateway.tables.users.insert(new, family, now)
    else:
        invitation = digest_of(wanted.invitation or "")
        try:
            row = await gateway.tables.invitations.use(invitation, new, family, now)
        except NotInvited:  # it was used while the password was hashed
            return INVITATION_INVALID
    if row is None:
        return EMAIL_REGISTERED
    await grant_starter(gateway, row.id)
    return row


async def registration_refusal(gateway: Gateway, wanted: Registration) -> Problem | None:
    """Return why this account may not be opened; None if it may."""
    mode = gateway.settings.accounts.registration
    if mode == "open":
        return None
    if mode == "closed":
        return REGISTRATION_CLOSED
    if not wanted.invitation:
        return INVITATION_NEEDED
    invitations, now = gateway.tables.invitations, gateway.ports.clock.now()
    is_open = await invitations.is_open(digest_of(wanted.invitation), wanted.email, now)
    return None if is_open else INVITATION_INVALID


async def checked_password(gateway: Gateway, email: str, password: str) -> LoginState | Problem:
    """Return the active user with this password; a refusal otherwise, after the same time.

    Only a user who knows the password learns that the account is deactivated.
    """
    row = await gateway.tables.users.by_email(email)
    kept = None if row is None else row.password_hash
    fits = await gateway.identity.passwords.matches(password, kept)
    if not fits or row is None or kept is None:
        return LOGIN_REFUSED
    if not row.is_active:
        return DEACTIVATED
    return LoginState(row.id, kept, row.role)


def issue(
    call: Call[Any, None], user: UUID, role: UserRole, sid: UUID | None = None
) -> tuple[Tokens, TokenFamily]:
    """Return the tokens and the row of a session: of a new session unless ``sid`` is given."""
    gateway = call.gateway
    sid = sid or gateway.ports.random.uuid()
    access, _ = gateway.identity.tokens.issue(TokenType.ACCESS, user, sid, role)
    refresh_token, claims = gateway.identity.tokens.issue(TokenType.REFRESH, user, sid, role)
    family = TokenFamily(sid, claims.identity, claims.expires, client_of(call.request))
    return Tokens(access, refresh_token), family


def client_of(request: web.Request) -> str:
    """Return the client's name for itself, by which users recognise their sessions."""
    named = request.headers.get("User-Agent", "")
    return "".join(c for c in named if c.isprintable())[:CLIENT_CHARACTERS_MAX]


async def end_if_stolen(gateway: Gateway, spent: Claims) -> None:
    """End the session of a refresh token that is presented again late, as it may be stolen."""
    sid, jti = spent.family, spent.identity
    if await gateway.tables.sessions.reused(sid, jti, gateway.ports.clock.now()):
        gateway.identity.revocations.add(sid)
        log.warning(
            "a refresh token was used again: its session was ended", user=str(spent.subject)
        )


async def grant_starter(gateway: Gateway, user: UUID) -> None:
    """Grant starter credits once per address; also at a login, if the grant was interrupted."""
    if gateway.starter == 0:
        return
    grant = Transfer(
        debit=ADJUSTMENTS,
        credit=user_account(user),
        subject=user_account(user),
        amount=gateway.starter,
        kind="ADJUSTMENT",
        reference=f"starter:{user}",
        description=f"Starter credits: {money.plain(gateway.starter)}",
    )
    try:
        if await gateway.tables.account_deletion.had_starter(user):
            return
        outcome = await commit(gateway, Commit(transfers=(grant,)))
    except (AskFailed, Unavailable) as failure:
        log.warning("starter credits not granted", user=str(user), reason=str(failure))
        return
    if isinstance(outcome, Posted):
        log.info("starter credits granted", user=str(user))
