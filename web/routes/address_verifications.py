"""Verification of e-mail addresses, by a link that the gateway sends to them."""

from typing import Annotated, Final
from uuid import UUID

import attrs
import structlog
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from sql.link_tokens import TOKEN_MAX, digest_of
from sql.mails import LINKS_AN_HOUR, MailKind, NewMail
from web.gateway import Gateway
from web.http.operations import Audience, Call, Operations
from web.http.problem import Problem, unavailable
from web.openapi.examples import reference as examples
from web.routes.auth import Done, mail_id
from web.routes.password_resets import MAIL_OFF

operations = Operations()
log = structlog.get_logger("address_verifications")

VERIFIED: Final = Done("The address is verified")
SENT: Final = Done("A link is on its way to your address, unless it is verified already")
TOKEN_INVALID: Final = Problem(
    403,
    "The link for your address is invalid, used or expired",
    code=RefusalCode.VERIFICATION_TOKEN_INVALID,
)
ENOUGH: Final = Problem(
    429,
    "You got three links in the last hour: look into the spam folder, or try again later",
    headers={"Retry-After": "3600"},
    code=RefusalCode.RATE_LIMITED,
)
QUEUE_FULL: Final = unavailable(
    "Too many mails wait to be sent; try again later",
    retry_after=60,
    code=RefusalCode.MAIL_QUEUE_FULL,
)


@attrs.frozen
class AddressVerification:
    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_MAX)] = attrs.field(repr=False)


@operations.post(
    "/api/v1/auth/verify",
    audience=Audience.PUBLIC,
    refusals={403: "The token is invalid, used or expired"},
    rate="login",
    request_example=examples.ADDRESS_VERIFICATION,
    example=examples.ADDRESS_VERIFIED,
)
async def verify(call: Call[AddressVerification]) -> Done | Problem:
    """Verify your e-mail address with the token of a link, which works once, for 24 hours.

    If the gateway sends mail, you may buy credits, request payouts of money and invite people only
    with a verified address.
    """
    return await verify_address(call.gateway, call.body)


@operations.post(
    "/api/v1/auth/verify/send",
    answers={202: Done},
    refusals={404: "This gateway sends no mail"},
    example=examples.VERIFICATION_SENT,
)
async def send(call: Call) -> Done | Problem:
    """Have another link sent to your address, at most three in an hour."""
    return await send_verification(call.gateway, call.caller)


async def verify_address(gateway: Gateway, given: AddressVerification) -> Done | Problem:
    """Verify the address of the user of a token."""
    verifications, digest = gateway.tables.address_verifications, digest_of(given.token)
    user = await verifications.use(digest, gateway.ports.clock.now())
    if user is None:
        return TOKEN_INVALID
    log.info("address verified", user=str(user))
    return VERIFIED


async def send_verification(gateway: Gateway, user: UUID) -> Done | Problem:
    """Write a mail with a link to a user; it is not sent if their address is verified already."""
    id_ = mail_id(gateway)
    if id_ is None:
        return MAIL_OFF
    mails, now = gateway.tables.mails, gateway.ports.clock.now()
    if await mails.add(NewMail(id_, MailKind.VERIFY, user), now):
        return SENT
    return QUEUE_FULL if await mails.lately(user, MailKind.VERIFY, now) < LINKS_AN_HOUR else ENOUGH
