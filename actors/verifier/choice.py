"""Who may look at whose work: a node of another owner and the same class, or the gateway's own.

A node says itself what class it is of. So a class that nobody else has must not keep its work from
being looked at: the gateway's own looks at every class whose build is its own, and always has its
lot, as there may be as many strangers of a class as somebody cares to enrol.
"""

from collections.abc import Iterable, Set
from typing import Final
from uuid import UUID

import attrs

from actors.verifier.odds import draw
from sql.work import ANY

OURS: Final = b""  # the lot of the gateway's own nodes


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


def is_kin(one: str, other: str) -> bool:
    """Whether two classes render alike but for their instruction sets: the same kind of device, the
    same build of Blender.
    """
    return _kind(one) == _kind(other)


def _kind(device_class: str) -> tuple[str, str]:
    device, *rest = device_class.split("/")
    return device, rest[-1] if rest else ""


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
) -> Candidate | None:
    """Who does, drawn by secret, so that nobody can arrange to check a friend; None: nobody can.

    Owners are drawn, and then one of their nodes: who has many is not asked more often. The
    gateway's own are as one owner more; they alone look at the work of a node that nobody owns.
    """
    able = [one for one in candidates if may_check(one, subject, asked)]
    by_owner: dict[bytes, list[Candidate]] = {}
    for one in able:
        by_owner.setdefault(_lot(one), []).append(one)
    if subject.owner is None and OURS in by_owner:
        by_owner = {OURS: by_owner[OURS]}
    if not by_owner:
        return None
    turn, owners = len(asked), sorted(by_owner)
    owner = owners[int(draw(secret, b"owner", unit, result, turn) * len(owners))]
    # Of ours, who has the very class: what it says is exact.
    nodes = sorted(by_owner[owner], key=lambda one: one.id)
    alike = [one for one in nodes if one.device_class == subject.device_class] or nodes
    return alike[int(draw(secret, b"node", unit, result, turn) * len(alike))]


def _lot(candidate: Candidate) -> bytes:
    """Whose lot draws it."""
    if candidate.is_own or candidate.owner is None:
        return OURS
    return candidate.owner.bytes
