"""Messages of a session to the Scheduler: the session is open, and what its node can do."""

from typing import Final

import attrs

from actors.kernel import Ref
from actors.node_session.messages import AnnounceDue, ReadyDue
from actors.node_session.session_state import ActorContext, SessionState
from actors.scheduler.messages import (
    NodeSeen,
    Scheduler,
    SessionClosed,
    SessionOpened,
    SessionReady,
)

ANNOUNCE_SECONDS: Final = 5.0  # wait for the assignments, then announce the session again
READY_SECONDS: Final = 3.0  # least time between reports of changed hellos to the Scheduler


class Announcements:
    """Sends the Scheduler news about the node; changes of its hello at a limited rate."""

    def __init__(self, state: SessionState, scheduler: Ref[Scheduler], actor: ActorContext) -> None:
        self._state = state
        self._scheduler = scheduler
        self._actor = actor
        self._ready: SessionReady | None = None  # the last SessionReady that was sent
        self._ready_at: float | None = None  # monotonic time when ``_ready`` was sent
        self._is_ready_due = False  # a ReadyDue timer is running

    def opened(self) -> None:
        """Tell the Scheduler that the session is open; repeat until the Scheduler sends the
        assignments.
        """
        state, node = self._state, self._state.node
        opened = SessionOpened(
            node.id, node.owner, node.capabilities, self._actor.ref, state.epoch, state.standing
        )
        self._scheduler.tell(opened)
        self._ready = self._ready_at = None
        self.ready()
        if not state.is_assigned:
            self._actor.after(ANNOUNCE_SECONDS, AnnounceDue())

    def ready(self) -> None:
        """Tell the Scheduler what the node can do, as its hello says.

        Each change of a hello makes the Scheduler reconsider all waiting units. So of changes that
        follow each other within ``READY_SECONDS`` only the last is sent, up to that much later.
        """
        ready = self._readiness()
        now = self._state.now
        if ready is None or ready == self._ready:
            return
        is_early = self._ready_at is not None and now - self._ready_at < READY_SECONDS
        if not is_early and self._scheduler.tell(ready):
            self._ready, self._ready_at = ready, now
        elif not self._is_ready_due:
            self._is_ready_due = True
            self._actor.after(READY_SECONDS, ReadyDue())

    def ready_again(self) -> None:
        """Send the Scheduler a change that was held back to limit the rate."""
        self._is_ready_due = False
        self.ready()

    def seen(self) -> None:
        """Tell the Scheduler that the node is alive."""
        node = self._state.node
        self._scheduler.tell(NodeSeen(node.id, node.owner, node.capabilities, None))

    def closed(self) -> None:
        """Tell the Scheduler that the session ends."""
        self._scheduler.tell(SessionClosed(self._state.node.id, self._actor.ref))

    def _readiness(self) -> SessionReady | None:
        """Return the node's hello for the Scheduler, without the running units that it lists."""
        hello = self._state.hello
        if hello is None:
            return None
        return SessionReady(self._state.node.id, self._actor.ref, attrs.evolve(hello, running=()))
