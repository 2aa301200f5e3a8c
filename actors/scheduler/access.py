"""Access rules: whose work a node may do, by pools, organisations and trust.

A job's pool says which nodes may do the job: nodes of its owner and their organisations (``mine``),
also nodes of operators whom the owner trusts (``trusted``), or all nodes (``any``). A node's pools
say whose work it takes: that of its owner and organisation (``mine``), of users whom *its owner*
trusts (``trusted``), or of every user (``any``). Trust has a direction: a creator trusts an
operator with their scenes, an operator trusts a creator with their machine.
"""

from typing import TypeAlias
from uuid import UUID

from actors.scheduler.node import Node
from sql.access import Access
from sql.nodes import QUARANTINED
from sql.units import ANY, MINE, TRUSTED

# A group of nodes: (kind, id of their owner or organisation). OPEN and SHARED: nodes of this owner
# or organisation that take every user's work. PRIVATE and LENT: nodes that take work of this owner
# or organisation. TRUSTING: nodes that take work of users whom this owner trusts.
AccessGroup: TypeAlias = tuple[str, UUID] | None  # None for all nodes that take every user's work
OPEN, SHARED, PRIVATE, LENT, TRUSTING = "open", "shared", "private", "lent", "trusting"
CLOSED = frozenset({PRIVATE, LENT, TRUSTING})


def is_own(node: Node, user: UUID | None, access: Access) -> bool:
    """Return whether a node belongs to the user, or is lent to one of their organisations."""
    if user is None:
        return False
    return node.owner == user or access.lent.get(node.id) in access.of_user(user)


def is_trusted(node: Node, user: UUID | None, access: Access) -> bool:
    """Return whether a user trusts a node.

    Users trust a node that the gateway's owner runs, nodes of their own and of their organisations,
    and nodes of owners whom they trust.
    """
    trusts = user is not None and access.trust(user, node.owner)
    return node.is_ours or trusts or is_own(node, user, access)


def may_do(node: Node, user: UUID | None, pool: str, access: Access) -> bool:
    """Return whether a node may get a user's work that was submitted to this pool."""
    if node.standing.name == QUARANTINED:
        return user is not None and node.owner == user
    as_own = is_own(node, user, access) and (node.is_open or MINE in node.pools)
    takes = node.is_open or (TRUSTED in node.pools and access.trust(node.owner, user))
    if as_own or pool == MINE:
        return as_own
    return takes and (pool != TRUSTED or access.trust(user, node.owner))


def takes_every_user(node: Node) -> bool:
    """Return whether a node may get every user's work that was submitted to the pool ``any``."""
    return node.is_open and node.standing.name != QUARANTINED


def related_users(node: Node, access: Access) -> frozenset[UUID]:
    """Return a node's owner, users with a trust relation to them, and its organisation's members.

    The node may get more work of these users than of strangers.
    """
    owner, lent = node.owner, access.lent.get(node.id)
    found: set[UUID] = set()
    if lent is not None:
        found |= {user for user, orgs in access.organisations.items() if lent in orgs}
    if owner is not None:
        found |= {owner, *access.trusting.get(owner, ()), *access.trusts.get(owner, ())}
    return frozenset(found)


def pool_for_node(node: Node, user: UUID, access: Access) -> str:
    """Return the pool that describes a user to a node to which their unit is sent.

    ``mine`` for the node's owner and members of its organisation, ``trusted`` for a user whom its
    owner trusts, and ``any`` for other users.
    """
    if is_own(node, user, access):
        return MINE
    return TRUSTED if access.trust(node.owner, user) else ANY


def groups_of_node(node: Node, access: Access) -> frozenset[AccessGroup]:
    """Return the access groups that a node belongs to."""
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
    """Return the groups that together contain exactly the nodes that may do a user's work."""
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
