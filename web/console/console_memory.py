"""In-memory state of the console, lost when the gateway stops."""

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
    """The Auditor's last report; while it audits, it does not answer."""

    last: Audit | None = None


@attrs.frozen
class ConsoleMemory:
    """Recent figures of actors, gateways and loop lag, and the last audit's findings."""

    history: ActorHistory
    gateways: Gateways
    lag: LagHistory
    audit: KnownAudit = attrs.field(factory=KnownAudit)

    @classmethod
    def of(cls, id_: UUID, snapshot: Callable[[], Snapshot], clock: Clock) -> "ConsoleMemory":
        """Return a new memory. ``id_`` identifies this gateway among the others."""
        gateways, lag = Gateways(id_, clock), LagHistory(clock)
        return cls(ActorHistory(snapshot, clock), gateways, lag)
