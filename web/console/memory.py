"""What the console remembers while the gateway runs, and forgets with it."""

from collections.abc import Callable
from uuid import UUID

import attrs

from actors.ports import Clock
from supervisors.snapshot import Snapshot
from web.console.gateways import Gateways
from web.console.history import History
from web.nodes.connections import Connections
from web.process.lag import LagHistory


@attrs.frozen
class Memory:
    """How actors did of late, which gateways there are, how nodes came and went, the lag."""

    history: History
    gateways: Gateways
    connections: Connections
    lag: LagHistory

    @classmethod
    def of(cls, id_: UUID, snapshot: Callable[[], Snapshot], clock: Clock) -> "Memory":
        """A fresh one. ``id_`` names this gateway among the others."""
        gateways, lag = Gateways(id_, clock), LagHistory(clock)
        return cls(History(snapshot, clock), gateways, Connections(clock), lag)
