"""What the console remembers while the gateway runs, and forgets with it."""

from collections.abc import Callable
from uuid import UUID

import attrs

from actors.auditor.messages import Audit
from actors.ports import Clock
from supervisors.snapshot import Snapshot
from web.console.actor_history import ActorHistory
from web.console.gateways import Gateways
from web.process.loop_lag import LagHistory


@attrs.define
class KnownAudit:
    """What the Auditor said last: while it audits it answers nobody."""

    last: Audit | None = None


@attrs.frozen
class ConsoleMemory:
    """How actors did of late, which gateways there are, the lag, what the last audit found."""

    history: ActorHistory
    gateways: Gateways
    lag: LagHistory
    audit: KnownAudit = attrs.field(factory=KnownAudit)

    @classmethod
    def of(cls, id_: UUID, snapshot: Callable[[], Snapshot], clock: Clock) -> "ConsoleMemory":
        """A fresh one. ``id_`` names this gateway among the others."""
        gateways, lag = Gateways(id_, clock), LagHistory(clock)
        return cls(ActorHistory(snapshot, clock), gateways, lag)
