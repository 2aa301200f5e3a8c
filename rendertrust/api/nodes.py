"""Response models for nodes: their state, reputation, checks and connections."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import attrs

from rendertrust.value_types import Id, Limits, one_of
from rendertrust.verdict_reason import VerdictReason

StandingBy: TypeAlias = Annotated[str, Limits(enum=("admin", "gateway", "owner"))]


@attrs.frozen
class Reputation:
    """Verdicts of the gateway's verifiers on a node's results with one device class.

    More valid results in a row make checks rarer. Three ``strikes`` (invalid results that were not
    made good) end in quarantine; twenty valid results in a row remove a strike, twice at most.
    Results for the node's owner do not count. ``score`` is 0 to 1.
    """

    device_class: str
    valid: int
    invalid: int
    valid_in_row: int
    strikes: int
    score: float


@attrs.frozen
class Node:
    """A node. ``status`` is the node's liveness; ``standing`` says whether the node may work.

    ``current_load`` is 0 (idle) to 1. The owner earns since ``verified_at``. ``checkable`` is true
    if a connected verifier of the gateway can compare the node's results. ``checkable`` is null if
    the node is not connected to this gateway, does not render, or nothing is checked.

    ``failing_since``: since then the node fails often by its own fault, so other nodes get work
    first; null: it does not. ``failing_reason`` is its last such failure.
    """

    id: Id
    owner_id: Id | None
    name: str
    capabilities: tuple[str, ...]
    metadata: Mapping[str, Any]
    status: str
    standing: str
    standing_reason: str
    standing_at: datetime | None
    current_load: float
    verified_at: datetime | None
    seen_at: datetime | None
    created_at: datetime
    reputation: tuple[Reputation, ...]
    checkable: bool | None
    failing_since: datetime | None = None
    failing_reason: str = ""
    standing_by: StandingBy | None = None


@attrs.frozen
class NodeList:
    """A page of nodes, newest first.

    ``count`` is the number of all nodes; ``next`` is the ``after`` of the next page.
    """

    nodes: tuple[Node, ...]
    count: int
    next: Id | None


@attrs.frozen
class JoinCode:
    """A join code that is open, or was used in the last hour. ``node_id``: the node that joined."""

    id: Id
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    node_id: Id | None


@attrs.frozen
class CreatedJoinCode(JoinCode):
    """A join code with its text, and the commands for the machine. They are shown only once.

    ``command`` needs the program on the machine. ``install_command`` also installs it.
    """

    code: str = attrs.field(repr=False, kw_only=True)
    command: str = attrs.field(repr=False, kw_only=True)
    install_command: str = attrs.field(repr=False, kw_only=True)


@attrs.frozen
class JoinCodes:
    """Your newest join codes."""

    codes: tuple[JoinCode, ...]


@attrs.frozen
class NodeCheck:
    """A check of an attempt.

    ``verdict`` is null while the check is pending; ``said`` explains the verdict. ``reason`` is the
    code why the result is ``unverifiable``.

    ``strike`` is true if the check counts against the node. Three strikes put a node into
    quarantine.
    """

    job_id: Id
    unit: int
    attempt: int
    device_class: str
    verdict: str | None
    said: str
    strike: bool
    opened_at: datetime
    decided_at: datetime | None
    reason: Annotated[str, one_of(VerdictReason)] | None = None


@attrs.frozen
class NodeChecks:
    """Checks of a node's results and of its reports on scenes, newest first."""

    checks: tuple[NodeCheck, ...]


@attrs.frozen
class NodeConnection:
    """A connection of a node. ``code`` and ``why`` say how the connection was closed.

    ``by_us`` is true if the gateway closed the connection. All three are null or false while the
    connection is open. ``pong_at`` is the time of the node's last answer to a ping. If the gateway
    stopped abruptly, the code is 1006.
    """

    address: str
    opened_at: datetime
    pong_at: datetime | None
    ended_at: datetime | None
    code: int | None
    why: str | None
    by_us: bool


@attrs.frozen
class NodeConnections:
    """The newest connections of a node, at most twenty, to any gateway of the farm."""

    connections: tuple[NodeConnection, ...]
