"""Decisions on changes of a node's standing by its owner or admins (pure)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from rendertrust.api.refusal_code import RefusalCode
from sql.nodes import ACTIVE, DRAINING, QUARANTINED, REVOKED
from web.http.problem import Problem


class StandingAction(Enum):
    """A change of a node's standing."""

    DRAIN = "drain"
    QUARANTINE = "quarantine"
    RELEASE = "release"
    REVOKE = "revoke"


ADMINS_ONLY: Final = Problem(
    403,
    "Only admins can order a quarantine or end it by request",
    code=RefusalCode.ADMIN_ONLY,
)
# The standing after each action, by the one before; missing combinations are not allowed.
_NEXT: Final[Mapping[StandingAction, Mapping[str, str]]] = {
    StandingAction.DRAIN: {ACTIVE: DRAINING, DRAINING: DRAINING},
    StandingAction.QUARANTINE: {
        ACTIVE: QUARANTINED,
        DRAINING: QUARANTINED,
        QUARANTINED: QUARANTINED,
    },
    StandingAction.RELEASE: {ACTIVE: ACTIVE, DRAINING: ACTIVE, QUARANTINED: ACTIVE},
    StandingAction.REVOKE: dict.fromkeys((ACTIVE, DRAINING, QUARANTINED, REVOKED), REVOKED),
}


def after(verb: StandingAction, standing: str, *, is_admin: bool) -> str | Problem:
    """Return the standing after an action; 403 or 409 if the action is not allowed.

    Owners drain, release and revoke their own nodes; only admins quarantine a node or end a
    quarantine by request. A revocation is final.
    """
    leaves_quarantine = verb is StandingAction.RELEASE and standing == QUARANTINED
    if not is_admin and (verb is StandingAction.QUARANTINE or leaves_quarantine):
        return ADMINS_ONLY
    found = _NEXT[verb].get(standing)
    if found is None:
        return Problem(
            409,
            f"The node is {standing}: {verb.value} is not possible",
            code=RefusalCode.NODE_STATUS_CONFLICT,
        )
    return found
