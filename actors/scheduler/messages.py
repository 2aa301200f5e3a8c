"""What the Scheduler is asked and told."""

from collections.abc import Hashable
from datetime import datetime
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow, Ref
from actors.ledger.messages import Outcome, UnitState
from sql.work import NOTHING_SAID, Standing


class Scheduler:
    """Marker: the address of the scheduler actor."""


@attrs.frozen
class Dispatched:
    """Answer: the job is booked. ``node`` None: it waits in the queue."""

    job: UUID
    node: UUID | None


@attrs.frozen
class NoCapableNode:
    """Answer: no healthy node has the capability."""


@attrs.frozen
class AllNodesFull:
    """Answer: every capable node has its backlog full; try again in ``retry_after`` seconds."""

    retry_after: int = 5


@attrs.frozen
class TooManyOpen:
    """Answer: the user has ``most`` jobs open, as many as he may."""

    most: int


DispatchOutcome: TypeAlias = NoCapableNode | AllNodesFull | TooManyOpen | Outcome


@attrs.frozen
class Dispatch(Message[Scheduler, DispatchOutcome]):
    """From the web: place a job of one unit. The Ledger answers for us, unless no node will do.

    ``job`` is chosen by the caller. With ``queue`` the job waits when no node is capable.
    On success the Ledger's answer is ``Posted`` whose unit names the node, or ``Replayed`` with the
    first answer. ``idempotency``: (key, SHA-256 of the request). ``price_number``: which price.
    """

    job: UUID
    user: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    price: int
    queue: bool = False
    idempotency: tuple[str, bytes] | None = None
    price_number: int | None = None


@attrs.frozen
class NodeProved(Message[Scheduler, None]):
    """From the web: the node's key was proved, and who owns it now; its session is to know."""

    node: UUID
    owner: UUID | None


@attrs.frozen
class NodeSeen(Message[Scheduler, None]):
    """From the web (heartbeat, verify) and NodeSession (pong, hello): the node lives."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    node: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    load: float | None  # None: unchanged

    def coalesce_key(self) -> Hashable:
        return self.node


@attrs.frozen
class NodeStands(Message[Scheduler, None]):
    """From the web: what was just said about a node. Other gateways read it from the database."""

    node: UUID
    standing: Standing


@attrs.frozen
class NodeGone(Message[Scheduler, None]):
    """From the Lifeline: silent for 90 s (not healthy)."""

    node: UUID


@attrs.frozen
class SessionOpened(Message[Scheduler, None]):
    """From a NodeSession, until it is answered: it serves this node now.

    Answered by a told ``Assignments``. ``epoch`` orders the sessions of one node: the one with the
    greatest serves it, any other is closed with 4003.
    """

    node: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    session: Ref[Any]
    epoch: float
    standing: Standing = NOTHING_SAID


@attrs.frozen
class SessionReady(Message[Scheduler, None]):
    """From a NodeSession, after hello: how many units its node takes at once, and of which types.

    ``offered`` narrows the registered capabilities; None: it did not say.
    """

    node: UUID
    session: Ref[Any]
    slots: int | None
    offered: tuple[str, ...] | None = None


@attrs.frozen
class SessionClosed(Message[Scheduler, None]):
    """From a NodeSession at its end; without effect if a newer session serves the node."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class NodeDeclined(Message[Scheduler, None]):
    """From a NodeSession: its node gave a unit back, by nobody's fault: it drains, or stops."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class UnitsChanged(Message[Scheduler, None]):
    """From whoever committed a change of units: what they are now."""

    units: tuple[UnitState, ...]


@attrs.frozen
class Wake(Message[Scheduler, None]):
    """From the web and the Bus: there is something new in the database; look soon."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE


@attrs.frozen
class Poll(Message[Scheduler, None]):
    """A timer: read what is open, and mend what is known differently here."""


@attrs.frozen
class StandingsDue(Message[Scheduler, None]):
    """A timer: read what was said about nodes lately, here or at another gateway."""


@attrs.frozen
class PlaceDue(Message[Scheduler, None]):
    """A timer: a unit that had to wait may be placed now."""


@attrs.frozen
class PauseOver(Message[Scheduler, None]):
    """A timer: a node that gave units back may be tried again."""

    node: UUID


@attrs.frozen
class CatchUp(Message[Scheduler, None]):
    """A timer: tell sessions that missed a message everything again."""


@attrs.frozen
class Assignment:
    """One unit that a node is to work on. ``avoid`` are the nodes that failed it before."""

    job: UUID
    unit: int
    attempt: int
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    user: UUID
    state: str = "DISPATCHED"
    assigned_at: datetime | None = None
    failures: int = 0
    avoid: frozenset[UUID] = frozenset()
