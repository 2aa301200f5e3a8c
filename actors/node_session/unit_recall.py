"""What the Scheduler says later about units that its node was given: they may still wait here."""

import attrs

from actors.kernel import handles
from actors.node_session import unit_failures
from actors.node_session.held_units import HeldUnit, Phase
from actors.node_session.messages import Promote, Recall
from actors.node_session.session_state import SessionState
from actors.scheduler.messages import RecallDeclined


class UnitRecall(SessionState, partial=True):
    """Only the session knows whether the node has a unit; what it has stays as it is."""

    @handles(Recall)
    async def recall(self, message: Recall) -> None:
        held = self._work.exactly(message.job, message.unit, message.attempt)
        if message.for_another:
            self._leave_to_another(message, held)
        elif held is not None:
            held.assignment = attrs.evolve(held.assignment, paused=True)
            await self._pump()

    def _leave_to_another(self, message: Recall, held: HeldUnit | None) -> None:
        if held is not None and held.phase is Phase.WAITING:
            self._end(held, unit_failures.relieved(held.assignment))
        elif held is None or held.phase is not Phase.ENDING:
            self._peers.scheduler.tell(RecallDeclined(message.job, message.unit, message.attempt))

    @handles(Promote)
    async def promote(self, message: Promote) -> None:
        held = self._work.exactly(message.job, message.unit, message.attempt)
        if held is not None:
            held.assignment = attrs.evolve(held.assignment, priority=message.priority)
