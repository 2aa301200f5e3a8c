"""Verified addresses: what users may do only once they have shown that mail reaches them."""

from typing import Final
from uuid import UUID

from rendertrust.api.refusal_code import RefusalCode
from web.gateway import Gateway
from web.http.problem import Problem

UNVERIFIED: Final = Problem(
    403,
    "Verify your e-mail address first: open the link in the mail that you got",
    code=RefusalCode.ADDRESS_UNVERIFIED,
)


async def address_refusal(gateway: Gateway, user: UUID) -> Problem | None:
    """Return a 403 if the user must verify their address first.

    A gateway that sends no mail does not ask for it.
    """
    if not gateway.settings.mail.url:
        return None
    row = await gateway.tables.users.by_id(user)
    return UNVERIFIED if row is None or row.verified_at is None else None
