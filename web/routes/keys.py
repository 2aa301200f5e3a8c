"""API keys: for programs, limited to the key's scopes."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust.api.accounts import ApiKey, ApiKeys, CreatedApiKey
from rendertrust.api.refusal_code import RefusalCode
from sql.api_keys import LIVING_MAX, ApiKeyRow, NewApiKey
from web.gateway import Gateway
from web.http.operations import Call, Operations
from web.http.pagination import Window
from web.http.problem import Fault, Problem, invalid
from web.http.responses import from_row
from web.identity.api_keys import HINT, digest, make_key
from web.identity.roles import Scope, ScopeName
from web.identity.second_factor import recent_factor_refusal
from web.openapi.examples import reference as examples
from web.routes.auth import Done

operations = Operations()
KEY_NOT_FOUND: Final = Problem(404, "API key not found", code=RefusalCode.KEY_NOT_FOUND)


@attrs.frozen
class NewKey:
    """A new key. ``expires_at``: with a time zone, in the future; omitted, the key is valid
    until revoked.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[ScopeName], Meta(min_length=1, max_length=len(Scope))]
    expires_at: datetime | None = None


@operations.post(
    "/api/v1/auth/keys",
    answers={201: CreatedApiKey},
    refusals={
        403: "The second factor was not given in the last ten minutes",
        409: f"There are {LIVING_MAX} keys already",
    },
    request_example=examples.NEW_KEY,
    example=examples.CREATED_KEY,
)
async def create(call: Call[NewKey]) -> CreatedApiKey | Problem:
    """Create a key. The key is shown in this answer and never again.

    If you have a second factor, you must have given it in this session in the last ten minutes.
    """
    claims = call.claims
    assert claims is not None, "this operation needs a token"
    return await create_key(call.gateway, claims.subject, claims.family, call.body)


async def create_key(
    gateway: Gateway, user: UUID, session: UUID, body: NewKey
) -> CreatedApiKey | Problem:
    """Create a key of a user, who is signed in with ``session``."""
    refused = await recent_factor_refusal(gateway, user, session)
    if refused is not None:
        return refused
    now = gateway.ports.clock.now()
    if (fault := expiry_fault(body.expires_at, now)) is not None:
        return invalid([fault])
    key = make_key(gateway.ports.random)
    scopes = list(dict.fromkeys(body.scopes))
    new = NewApiKey(
        id=gateway.ports.random.uuid(),
        name=body.name,
        sha256=digest(key),
        hint=key[-HINT:],
        scopes=scopes,
        created_at=now,
        expires_at=body.expires_at,
    )
    row = await gateway.tables.api_keys.insert(user, new)
    if row is None:
        return Problem(
            409,
            f"You already have {LIVING_MAX} keys; revoke one first",
            code=RefusalCode.TOO_MANY_KEYS,
        )
    return CreatedApiKey(**attrs.asdict(shown(row)), key=key)


@operations.get(
    "/api/v1/auth/keys",
    example=examples.KEYS,
)
async def index(call: Call[None, Window]) -> ApiKeys:
    """List your keys that are not revoked, newest first."""
    rows, window = call.gateway.tables.api_keys, call.query
    found = await rows.page(call.caller, window.limit, window.offset)
    return ApiKeys(tuple(map(shown, found)), await rows.count(call.caller))


@operations.delete(
    "/api/v1/auth/keys/{key_id}",
    absent=KEY_NOT_FOUND,
    example=examples.KEY_REVOKED,
)
async def revoke(call: Call) -> Done | Problem:
    """Revoke a key; it is refused from now on."""
    return await revoke_key(call.gateway, call.caller, call.ids["key_id"])


async def revoke_key(gateway: Gateway, user: UUID, key: UUID) -> Done | Problem:
    """Revoke a key of a user."""
    if not await gateway.tables.api_keys.revoke(key, user, gateway.ports.clock.now()):
        return KEY_NOT_FOUND
    gateway.identity.revocations.add(key)
    return Done("The key was revoked")


def expiry_fault(expires_at: datetime | None, now: datetime) -> Fault | None:
    """Return the fault of an expiry time; None if the time is valid."""
    if expires_at is None or expires_at > now:
        return None
    return Fault("expires_at", "value", "must be in the future")


def shown(row: ApiKeyRow) -> ApiKey:
    return from_row(ApiKey, row, last_used_at=row.used_at)
