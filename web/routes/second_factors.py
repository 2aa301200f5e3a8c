"""The second factor in a session: give it again before an action that needs it."""

from typing import Annotated, Final

import attrs
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from web.http.operations import TOKEN_REFUSED, Call, Operations
from web.http.problem import Problem
from web.identity.second_factor import CODE_MAX, is_right
from web.openapi.examples import reference as examples
from web.routes.auth import Done

operations = Operations()
GIVEN: Final = Done("Your second factor counts for ten minutes")
WRONG: Final = Problem(
    403,
    "The code is wrong or was used, or too many codes were wrong",
    code=RefusalCode.SECOND_FACTOR_INVALID,
)


@attrs.frozen
class FactorCode:
    """``otp``: a code of the authenticator app, or a recovery code."""

    otp: Annotated[str, Meta(min_length=1, max_length=CODE_MAX)] = attrs.field(repr=False)


@operations.post(
    "/api/v1/auth/second-factor",
    refusals={403: "The code is wrong or was used, or too many codes were wrong"},
    rate="login",
    while_halted=True,
    request_example=examples.FACTOR_CODE,
    example=examples.FACTOR_GIVEN,
)
async def give(call: Call[FactorCode]) -> Done | Problem:
    """Give your second factor again in this session.

    For ten minutes you can then create API keys, approve payouts, and set roles and passwords.
    """
    gateway, claims = call.gateway, call.claims
    assert claims is not None, "this operation needs a token"
    if not await is_right(gateway, claims.subject, call.body.otp):
        return WRONG
    now = gateway.ports.clock.now()
    if not await gateway.tables.sessions.factor_given(claims.family, claims.subject, now):
        return TOKEN_REFUSED
    return GIVEN
