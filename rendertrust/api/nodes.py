"""Response models for nodes: their state, reputation, checks and connections."""

from datetime import datetime

import attrs


@attrs.frozen
class Reputation:
    """By the verdicts of whoever looked; three ``strikes`` end in quarantine; ``score``: 0 to 1."""

    device_class: str
    valid: int
    invalid: int
    valid_in_row: int
    strikes: int
    score: float


@attrs.frozen
class Node:
    """A node. ``status`` is how alive it is, ``standing`` what people say: whether it may work.

    ``current_load`` is 0 (idle) to 1. ``checkable`` False: no verifier of the gateway that is
    connected can compare what it renders.
    """

    id: str
    owner_id: str | None
    name: str
    capabilities: tuple[str, ...]
    status: str
    standing: str
    standing_reason: str
    standing_at: datetime | None
    current_load: float
    verified_at: datetime | None
    seen_at: datetime | None
    created_at: datetime
    reputation: tuple[Reputation, ...] = ()
    checkable: bool | None = None


@attrs.frozen
class NodeList:
    """Newest first; ``count`` is how many there are, not how many are here."""

    nodes: tuple[Node, ...]
    count: int
    next: str | None = None


@attrs.frozen
class NodeCheck:
    """What was found of one attempt, and why; without a verdict it waits for it.

    ``strike``: it counts against the node.
    """

    job_id: str
    unit: int
    attempt: int
    device_class: str
    verdict: str | None
    said: str
    opened_at: datetime
    decided_at: datetime | None
    strike: bool = False


@attrs.frozen
class NodeChecks:
    """Newest first."""

    checks: tuple[NodeCheck, ...]


@attrs.frozen
class NodeConnection:
    """A socket of a node: ``code`` and ``why`` say how it ended; ``by_us``: by the gateway."""

    address: str
    opened_at: datetime
    pong_at: datetime | None
    ended_at: datetime | None
    code: int | None
    why: str | None
    by_us: bool


@attrs.frozen
class NodeConnections:
    """The newest first, twenty at most, of all gateways of one farm."""

    connections: tuple[NodeConnection, ...]
