"""A change of a node's standing, by its owner or an admin, through the API or in the console."""

from typing import Final, Literal

from actors.scheduler.messages import Scheduler, StandingChanged
from rendertrust.api.refusal_code import RefusalCode
from sql.audit_log import Act
from sql.nodes import NodeShown, StandingChange
from web.http.problem import Problem, unavailable
from web.identity.acting_user import ActingUser
from web.identity.roles import UserRole
from web.nodes.standing_policy import StandingAction, after

LOOK_ONLY: Final = Problem(403, "This needs the role admin", code=RefusalCode.ADMIN_ONLY)
CHANGED: Final = unavailable("The node has changed; try again", code=RefusalCode.CHANGED_MEANWHILE)
TRIES: Final = 8  # each failed one means that another change was stored


async def change_standing(
    doer: ActingUser, role: UserRole, node: NodeShown, verb: StandingAction, reason: str
) -> NodeShown | Problem:
    """Store the new standing, tell the Scheduler, and return the node. ``doer`` must be allowed to
    see the node.

    An admin's change of another user's node gets an audit record.
    """
    is_admin, is_owner = role is UserRole.ADMIN, node.owner_id == doer.user
    if not is_admin and not is_owner:
        return LOOK_ONLY  # an auditor
    act = None if is_owner else await _act(doer, node, verb, reason)
    kept = doer.gateway.tables.nodes
    for _ in range(TRIES):
        standing = after(verb, node.standing.name, is_admin=is_admin)
        if isinstance(standing, Problem):
            return standing
        if standing == node.standing.name and reason in ("", node.standing_reason):
            return node  # the node has this standing already
        by: Literal["OWNER", "ADMIN"] = "OWNER" if is_owner else "ADMIN"
        word = StandingChange(node.id, node.standing.version, standing, reason, by)
        said = await kept.stand(word, act)
        if said is not None:
            doer.gateway.registry.ref(Scheduler).tell(StandingChanged(said.id, said.standing))
            return said
        node = await kept.shown(node.id) or node
    return CHANGED


async def _act(doer: ActingUser, node: NodeShown, verb: StandingAction, reason: str) -> Act | None:
    """Return the audit record of an admin's change of another user's node."""
    said = reason or "none was given"
    return await doer.act(f"node.{verb.value}", f"node:{node.id}", said, {})
