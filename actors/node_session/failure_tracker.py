"""Record of a node's failures: kept by its session, stored, and reported to the Scheduler.

What is stored shows the node's owner since when and why the node fails often, and goes on with the
node's next session, which may be at another gateway.
"""

import logging
from typing import Final

from actors.kernel import Ref
from actors.ledger.effects import UnitComplete, UnitDeliver, UnitFail
from actors.ledger.messages import DataRefused, GuardFailed, Outcome
from actors.node_session.session_state import ActorContext, HeldUnit, SessionState
from actors.ports import Store
from actors.scheduler.messages import NodeFailed, Scheduler
from rendertrust.unit_error_code import GIVEN_BACK
from sql.database import Conflict, Unavailable
from sql.node_failures import FailureNote, FailureRecord

NODE: Final = "node"
log = logging.getLogger(__name__)


class FailureTracker:
    """Counts the ends of a node's units by ``sql.node_failures``."""

    def __init__(
        self, state: SessionState, scheduler: Ref[Scheduler], store: Store, actor: ActorContext
    ) -> None:
        self._state, self._scheduler, self._store, self._actor = state, scheduler, store, actor
        self._record = FailureRecord()

    def begin(self, failures: int) -> None:
        """Go on with the failures that are stored."""
        self._record = FailureRecord(failures)

    async def note(self, held: HeldUnit, outcome: Outcome) -> None:
        """Count a unit whose end is booked."""
        effect, before = held.effect, self._record
        if isinstance(outcome, GuardFailed | DataRefused):
            return
        if isinstance(effect, UnitDeliver | UnitComplete):
            self._record = before.succeeded()
            if self._record.failures != before.failures:
                await self._keep(FailureNote(self._record.failures))
        elif isinstance(effect, UnitFail) and is_nodes_fault(effect):
            self._record = record = before.failed(effect.job)
            if record.is_failing:
                node = self._state.node.id
                self._scheduler.tell(NodeFailed(node, self._actor.ref, record.failures))
            note = (record.failures, record.is_failing, effect.error_code, effect.error)
            await self._keep(FailureNote(*note))

    async def _keep(self, note: FailureNote) -> None:
        try:
            await self._store.note_failures(self._state.node.id, note)
        except (Unavailable, Conflict) as error:
            log.warning("a node's failures were not stored: %s", type(error).__name__)


def is_nodes_fault(effect: UnitFail) -> bool:
    """Return whether a failed attempt counts against its node."""
    return effect.error_class == NODE and not effect.returned and effect.error_code != GIVEN_BACK
