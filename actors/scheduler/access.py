"""Whose work a node may do: pools of jobs, pools of nodes, and who belongs together.

A job's pool says which nodes may see it: its owner's and his organisations' (``mine``), those of
operators whom he trusts too (``trusted``), or all. A node's pools say whose work it takes: a node
without a sandbox takes its own people's and that of those whom *its owner* trusts. Trust has a
direction: he who takes the risk must have said so.
"""

from typing import TypeAlias
from uuid import UUID

from actors.scheduler.node import Node
from actors.scheduler.placement_request import ANY, MINE, TRUSTED
from sql.access import Access
from sql.scheduler_rows import QUARANTINED

# Nodes stand in these: (kind, of whom). OPEN and SHARED take anybody's work, PRIVATE and LENT that
# of their own people alone, TRUSTING that of those whom their owner trusts.
AccessGroup: TypeAlias = tuple[str, UUID] | None  # None: every node that takes anybody's work
OPEN, SHARED, PRIVATE, LENT, TRUSTING = "open", "shared", "private", "lent", "trusting"
CLOSED = frozenset({PRIVATE, LENT, TRUSTING})


def is_own(node: Node, user: UUID | None, access: Access) -> bool:
    """Whether a node is the user's, or an organisation's that he is a member of."""
    if user is None:
        return False
    return node.owner == user or access.lent.get(node.id) in access.of_user(user)


def is_trusted(node: Node, user: UUID | None, access: Access) -> bool:
    """Whether its word counts with the user: it is the gateway's own, his, or whom he trusts."""
    trusts = user is not None and access.trust(user, node.owner)
    return node.is_ours or trusts or is_own(node, user, access)


def may_do(node: Node, user: UUID | None, pool: str, access: Access) -> bool:
    """Whether a node may be given work of a user's in a pool; ``choose`` keeps to it."""
    if node.standing.name == QUARANTINED:
        return user is not None and node.owner == user
    as_own = is_own(node, user, access) and (node.is_open or MINE in node.pools)
    takes = node.is_open or (TRUSTED in node.pools and access.trust(node.owner, user))
    if as_own or pool == MINE:
        return as_own
    return takes and (pool != TRUSTED or access.trust(user, node.owner))


def is_anybodys(node: Node) -> bool:
    """Whether it may be given work of the pool ``any`` of whoever it is."""
    return node.is_open and node.standing.name != QUARANTINED


def people_of(node: Node, access: Access) -> frozenset[UUID]:
    """All whose work it may be given, but for what ``is_anybodys`` says; a few others, perhaps."""
    owner, lent = node.owner, access.lent.get(node.id)
    found: set[UUID] = set()
    if lent is not None:
        found |= {user for user, orgs in access.organisations.items() if lent in orgs}
    if owner is not None:
        found |= {owner, *access.trusting.get(owner, ()), *access.trusts.get(owner, ())}
    return frozenset(found)


def pool_seen_by(node: Node, user: UUID, access: Access) -> str:
    """Whose work it is, as the node's dispatch says: seen by the node."""
    if is_own(node, user, access):
        return MINE
    return TRUSTED if access.trust(node.owner, user) else ANY


def groups_of_node(node: Node, access: Access) -> frozenset[AccessGroup]:
    """Where a node stands."""
    owner, lent = node.owner, access.lent.get(node.id)
    if node.standing.name == QUARANTINED:
        return frozenset() if owner is None else frozenset({(PRIVATE, owner)})
    found: set[AccessGroup] = set()
    if node.is_open:
        found.add(None)
    if owner is not None and node.is_open:
        found.add((OPEN, owner))
    if lent is not None and node.is_open:
        found.add((SHARED, lent))
    if not node.is_open and MINE in node.pools:
        found |= {(kind, of) for kind, of in ((PRIVATE, owner), (LENT, lent)) if of is not None}
    if not node.is_open and TRUSTED in node.pools and owner is not None:
        found.add((TRUSTING, owner))
    return frozenset(found)


def groups_of_user(user: UUID | None, pool: str, access: Access) -> tuple[AccessGroup, ...]:
    """Where the nodes stand that may do his work; all of those may, and no other."""
    if user is None:
        return (None,) if pool == ANY else ()
    orgs = access.of_user(user)
    own: list[AccessGroup] = [(PRIVATE, user), *((LENT, org) for org in orgs)]
    if pool == ANY:
        trusting = access.trusting.get(user, frozenset())
        return (None, *own, *((TRUSTING, owner) for owner in trusting))
    own += [(OPEN, user), *((SHARED, org) for org in orgs)]
    if pool == MINE:
        return tuple(own)
    for owner in access.trusts.get(user, ()):
        own.append((OPEN, owner))
        if access.trust(owner, user):
            own.append((TRUSTING, owner))
    return tuple(own)
