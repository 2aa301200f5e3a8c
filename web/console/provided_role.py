"""The role that the groups of a provider give a user, at the end of their sign-in."""

import attrs
import structlog

from sql.audit_log import Act
from sql.login_sessions import LoginState
from web.gateway import Gateway

log = structlog.get_logger("provider_sign_in")


async def with_given_role(gateway: Gateway, checked: LoginState) -> LoginState:
    """Set the role that a provider gives a user, and return the user's state with it.

    Call it after the second factor, as it ends the user's other sessions.
    """
    role, provider = checked.given_role, checked.provider
    checked = attrs.evolve(checked, provider="", given_role="")
    if not role:
        return checked
    found = gateway.providers.get(provider)
    act = Act(
        at=gateway.ports.clock.now(),
        actor_id=None,
        actor=f"provider:{provider}",
        act="user.role",
        target=f"user:{checked.user}",
        reason=f"groups at {provider if found is None else found.settings.label}",
        details={"role": role},
    )
    ended = await gateway.tables.identities.set_role(checked.user, role, checked.role, act)
    if ended is None:
        log.warning("a role was kept", user=str(checked.user), wanted=role)
        return checked
    gateway.identity.revocations.add(*ended)
    gateway.identity.revocations.changed(checked.user)
    return attrs.evolve(checked, role=role)
