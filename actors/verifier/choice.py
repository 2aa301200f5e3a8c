"""Who may look at whose work: a node of another owner and the same class, or the gateway's own.

A node says itself what class it is of. So a class that nobody else has must not keep its work from
being looked at: the gateway's own looks at every class whose build is its own, and now and then
where strangers could, as somebody may enrol as many of them as he cares to.
"""

from collections.abc import Iterable, Set
from uuid import UUID

import attrs

from sql.kin import is_kin
from sql.sampling import draw
from sql.work import ANY


@attrs.frozen
class Candidate:
    """A node as far as it matters. ``owner`` None: nobody is known to own it.

    ``device_class`` as its hello says: device, instruction set, Blender's build. ``is_own``: it is
    the gateway's own verifier. ``is_free``: active, healthy, its key proved, with room.
    """

    id: UUID
    owner: UUID | None
    device_class: str
    is_own: bool = False
    is_free: bool = True


def may_check(candidate: Candidate, subject: Candidate, asked: Set[UUID] = frozenset()) -> bool:
    """Whether one may look at the other's work. ``asked``: owners who looked at it already.

    Nodes of one owner, and those that nobody owns, could cover each other.
    """
    if candidate.id == subject.id or not candidate.is_free:
        return False
    if candidate.is_own:
        return is_kin(candidate.device_class, subject.device_class)
    if candidate.device_class != subject.device_class:
        return False
    owner = candidate.owner
    return owner is not None and owner != subject.owner and owner not in asked


def may_see(candidate: Candidate, pool: str) -> bool:
    """Whether it may look at work of a pool. A check shows the scene, as rendering it does: work
    that strangers may not see is looked at by the gateway's own alone.
    """
    return candidate.is_own or pool == ANY


def glance(candidates: Iterable[Candidate], subject: Candidate) -> Candidate | None:
    """Which of the gateway's own looks at what nobody is to check. The class does not matter, as
    nothing is compared; None: there is none that is free.
    """
    able = (one for one in candidates if one.is_own and one.is_free and one.id != subject.id)
    return min(able, key=lambda one: one.id, default=None)


def choose(
    candidates: Iterable[Candidate],
    subject: Candidate,
    *,
    secret: bytes,
    unit: bytes,
    result: bytes,
    asked: Set[UUID] = frozenset(),
    last: Set[UUID] = frozenset(),
    resting: Set[UUID] = frozenset(),
    own_odds: float = 0.0,
) -> Candidate | None:
    """Who does, drawn by secret, so that nobody can arrange to check a friend; None: nobody can.

    Owners are drawn, and then one of their nodes: who has many is not asked more often. The
    gateway's own look where no stranger could, and of the others at so many as ``own_odds`` says.
    Who is to confirm what a stranger said (``asked``) is always the gateway's own, where one could.
    Nodes of ``last`` are asked when there is nobody else, if they are others'. Where the lot falls
    to an owner of ``resting`` one of the gateway's own looks, or else an owner who is not.
    """
    could = [one for one in candidates if may_check(_free(one), subject, asked)]
    could = [one for one in could if one.is_own or one.id not in last] or could
    if asked:
        could = [one for one in could if one.is_own] or could
    able = [one for one in could if one.is_free]
    own = [one for one in able if one.is_own]
    by_owner: dict[UUID, list[Candidate]] = {}
    for one in able:
        if not one.is_own and one.owner is not None:
            by_owner.setdefault(one.owner, []).append(one)
    turn = len(asked)
    drawn = own and draw(secret, b"ours", unit, result, turn) < own_odds
    if not by_owner or drawn or (subject.owner is None and own):
        return _ours(own, subject)
    owners = sorted(by_owner)
    owner = owners[int(draw(secret, b"owner", unit, result, turn) * len(owners))]
    if owner in resting and own:  # no other stranger: he may be who kept those from answering
        return _ours(own, subject)
    if owner in resting:
        owners = sorted(by_owner.keys() - resting) or owners
        owner = owners[int(draw(secret, b"other", unit, result, turn) * len(owners))]
    nodes = sorted(by_owner[owner], key=lambda one: one.id)
    return nodes[int(draw(secret, b"node", unit, result, turn) * len(nodes))]


def ours(candidates: Iterable[Candidate], subject: Candidate) -> Candidate | None:
    """Which of the gateway's own holds it against its scene; None: none that is free can."""
    return _ours([one for one in candidates if one.is_own and may_check(one, subject)], subject)


def _free(one: Candidate) -> Candidate:
    return attrs.evolve(one, is_free=True)


def _ours(own: list[Candidate], subject: Candidate) -> Candidate | None:
    """Rather one of the very class: what it says is exact."""
    other = subject.device_class
    return min(own, key=lambda one: (one.device_class != other, one.id), default=None)
