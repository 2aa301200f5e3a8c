"""Confirmation of who a user is before an action that a stolen cookie must not do.

Users with a second factor give it, others their password. Users without a password sign in at their
provider again.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import attrs

from config.oidc_providers import OidcProvider
from sql.identities import IdentityRow
from sql.users import UserRow
from web.console.view import View, session_of
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED
from web.http.problem import Fault, Problem, invalid
from web.identity.second_factor import RECENT, stale_refusal

PROVIDER_FIRST: Final = Problem(
    409, "Sign in at your provider again first; then do this within ten minutes"
)


async def is_confirmed_by_provider(gateway: Gateway, user: UUID, session: UUID) -> bool:
    """Return True if the user signed in at a provider in the last ten minutes in this session."""
    now = gateway.ports.clock.now()
    at = await gateway.tables.sessions.identity_at(session, user, now)
    return at is not None and now - at <= RECENT


async def password_refusal(
    gateway: Gateway, row: UserRow | None, session: UUID, given: str, field: str
) -> Problem | None:
    """Return why a user's password, or a sign-in at their provider instead, does not count.

    ``field``: the form's field with the password.
    """
    if row is None:
        return TOKEN_REFUSED
    if not row.has_password:
        done = await is_confirmed_by_provider(gateway, row.id, session)
        return None if done else PROVIDER_FIRST
    fits = await gateway.identity.passwords.matches(given, row.password_hash)
    return None if fits else invalid([Fault(field, "value", "is incorrect")])


async def confirmation_refusal(
    gateway: Gateway, user: UUID, session: UUID, password: str, field: str
) -> Problem | None:
    """Return why an action that needs a confirmation is refused: a recent factor, or as
    ``password_refusal`` without a factor.
    """
    state = await gateway.tables.second_factors.state(user)
    if state.has_factor:
        return await stale_refusal(gateway, user, session, state)
    row = await gateway.tables.users.by_id(user)
    return await password_refusal(gateway, row, session, password, field)


@attrs.frozen
class Confirmation:
    """The way in which a user confirms who they are. ``providers``: where they can sign in again.

    ``is_done``: they have no password, and signed in at a provider in the last ten minutes.
    """

    asks_password: bool
    is_done: bool
    providers: Sequence[OidcProvider]

    @property
    def is_ready(self) -> bool:
        """Return True if the form can be sent now."""
        return self.asks_password or self.is_done


async def confirmation_of(view: View[Any], row: UserRow) -> Confirmation:
    """Return the user's confirmation, if they have no second factor."""
    if row.has_password:
        return Confirmation(asks_password=True, is_done=False, providers=())
    done = await is_confirmed_by_provider(view.gateway, row.id, session_of(view))
    linked = await view.gateway.tables.identities.of(row.id)
    return Confirmation(asks_password=False, is_done=done, providers=providers_of(view, linked))


def providers_of(view: View[Any], linked: Sequence[IdentityRow]) -> list[OidcProvider]:
    """Return the providers of the settings at which the user has an identity."""
    issuers = {each.issuer for each in linked}
    return [each for each in view.gateway.providers.settings if each.issuer in issuers]
