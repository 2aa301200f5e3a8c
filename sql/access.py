"""Access between users: organisations, nodes lent to them, and trust."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

Ties: TypeAlias = Mapping[UUID, frozenset[UUID]]


def _ties(pairs: Iterable[tuple[UUID, UUID]]) -> Ties:
    found: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for one, other in pairs:
        found[one].add(other)
    return {one: frozenset(others) for one, others in found.items()}


@attrs.frozen
class Access:
    """Relations between users.

    ``organisations``: the organisations of each user. ``trusts``: for each user, the users whom
    they trust. ``trusting``: for each user, the users who trust them. ``lent``: for each lent node,
    the organisation to which it is lent.
    """

    organisations: Ties = attrs.field(factory=dict[UUID, frozenset[UUID]])
    lent: Mapping[UUID, UUID] = attrs.field(factory=dict[UUID, UUID])
    trusts: Ties = attrs.field(factory=dict[UUID, frozenset[UUID]])
    trusting: Ties = attrs.field(factory=dict[UUID, frozenset[UUID]])

    @classmethod
    def of(
        cls,
        members: Iterable[tuple[UUID, UUID]] = (),
        lent: Iterable[tuple[UUID, UUID]] = (),
        trusts: Iterable[tuple[UUID, UUID]] = (),
    ) -> "Access":
        """Build an Access from (user, organisation), (node, organisation) and (truster, trusted
        user) pairs.
        """
        pairs = tuple(trusts)
        return cls(_ties(members), dict(lent), _ties(pairs), _ties((b, a) for a, b in pairs))

    def of_user(self, user: UUID) -> frozenset[UUID]:
        """Return the organisations that the user is a member of."""
        return self.organisations.get(user, frozenset())

    def trust(self, user: UUID | None, other: UUID | None) -> bool:
        return user is not None and other is not None and other in self.trusts.get(user, ())


ALONE: Final = Access()


def circles_of(rows: Iterable[Any]) -> Access:
    """Build an Access from rows of the query ``access_circles``."""
    found: dict[str, list[tuple[UUID, UUID]]] = {"member": [], "lent": [], "trust": []}
    for row in rows:
        found[row["kind"]].append((row["one"], row["other"]))
    return Access.of(found["member"], found["lent"], found["trust"])
