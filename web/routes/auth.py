"""Registering and logging in."""

from typing import Annotated, Literal
from uuid import UUID

import attrs
import structlog
from msgspec import Meta

from actors.kernel import AskFailed
from actors.ledger.messages import ADJUSTMENTS, Commit, Posted, Transfer, user_account
from rendertrust import money
from sql.database import Unavailable
from sql.users import Family
from web import examples
from web.books import commit
from web.converter import Email
from web.gateway import Gateway
from web.operations import Audience, Call, Operations
from web.problem import Problem
from web.tokens import TokenType

operations = Operations()
log = structlog.get_logger("auth")

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Password = Annotated[str, Meta(min_length=8, max_length=1024)]


@attrs.frozen
class Registration:
    email: Email
    name: Name
    password: Password = attrs.field(repr=False)


@attrs.frozen
class Credentials:
    email: Email
    password: Annotated[str, Meta(min_length=1, max_length=1024)] = attrs.field(repr=False)


@attrs.frozen
class User:
    id: UUID
    email: str
    name: str
    is_active: bool


@attrs.frozen
class TokenPair:
    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme, no secret


@attrs.frozen
class Registered:
    user: User
    tokens: TokenPair


@operations.post(
    "/api/v1/auth/register",
    audience=Audience.PUBLIC,
    body=Registration,
    answers={201: Registered},
    refusals={409: "The e-mail is registered already"},
    rate="register",
    new_work=True,
    request_example=examples.REGISTRATION,
    example=examples.REGISTERED,
)
async def register(call: Call[Registration]) -> Registered | Problem:
    """Open an account; one is logged in at once."""
    gateway, body = call.gateway, call.body
    password_hash = await gateway.passwords.hash(body.password)
    user = gateway.random.uuid()
    tokens, family = issue(gateway, user)
    row = await gateway.users.insert(user, body.email, body.name, password_hash, family)
    if row is None:
        return Problem(409, "Email already registered")
    await grant_starter(gateway, user)
    return Registered(User(row.id, row.email, row.name, row.is_active), tokens)


@operations.post(
    "/api/v1/auth/login",
    audience=Audience.PUBLIC,
    body=Credentials,
    answers={200: TokenPair},
    refusals={401: "Invalid credentials or inactive account"},
    rate="login",
    request_example=examples.CREDENTIALS,
    example=examples.TOKENS,
)
async def login(call: Call[Credentials]) -> TokenPair | Problem:
    """Get an access token and a refresh token."""
    gateway, body = call.gateway, call.body
    row = await gateway.users.by_email(body.email)
    kept = None if row is None else row.password_hash
    if not await gateway.passwords.matches(body.password, kept) or row is None or not row.is_active:
        return Problem(401, "Invalid credentials or inactive account")
    tokens, family = issue(gateway, row.id)
    await gateway.users.insert_family(row.id, family)
    await grant_starter(gateway, row.id)
    return tokens


def issue(gateway: Gateway, user: UUID) -> tuple[TokenPair, Family]:
    """The tokens of a new login, and the row that remembers them."""
    sid = gateway.random.uuid()
    access, _ = gateway.tokens.issue(TokenType.ACCESS, user, sid)
    refresh, claims = gateway.tokens.issue(TokenType.REFRESH, user, sid)
    return TokenPair(access, refresh), Family(sid, claims.identity, claims.expires)


async def grant_starter(gateway: Gateway, user: UUID) -> None:
    """Credits to begin with, once per user: at a login too, for a grant that was interrupted."""
    if gateway.starter == 0:
        return
    grant = Transfer(
        debit=ADJUSTMENTS,
        credit=user_account(user),
        subject=user_account(user),
        amount=gateway.starter,
        kind="ADJUSTMENT",
        reference=f"starter:{user}",
        description=f"Starter credits: {money.render(gateway.starter)}",
    )
    try:
        outcome = await commit(gateway, Commit(postings=(grant,)))
    except (AskFailed, Unavailable) as failure:
        log.warning("starter credits not granted", user=str(user), reason=str(failure))
        return
    if isinstance(outcome, Posted):
        log.info("starter credits granted", user=str(user))
