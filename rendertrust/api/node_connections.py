"""What a gateway says of the connections of nodes; as in ``answers``."""

from datetime import datetime

import attrs


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
