"""What the Scheduler hears of nodes: that they live, and how their sessions come and go."""

import logging
from datetime import timedelta
from typing import Any, Final

from actors.kernel import Actor, Down, Ref, Timer, handles
from actors.node_session.messages import Close, KeyProved, NodeSession
from actors.ports import Clock, Store
from actors.scheduler.messages import (
    EVER,
    AccessChanged,
    Hint,
    NodeDeclined,
    NodeGone,
    NodeProved,
    NodeSeen,
    PauseOver,
    PeerServes,
    ResendMissed,
    Scheduler,
    SessionClosed,
    SessionOpened,
    SessionReady,
    StandingChanged,
    StandingsDue,
)
from actors.scheduler.node import Node
from actors.scheduler.policy import pause_seconds
from actors.scheduler.settings import SchedulerSettings
from actors.scheduler.state import SchedulerState
from rendertrust.protocol import CloseCode
from sql.database import Unavailable

OVERLAP: Final = timedelta(seconds=10)  # what was said earlier may be committed later
log = logging.getLogger(__name__)


class NodeEvents(Actor[Scheduler], partial=True):
    """The handlers that are about nodes. ``_place`` follows whatever may be of use to a unit."""

    def __init__(self, store: Store, clock: Clock, settings: SchedulerSettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._board = SchedulerState(Node.tell, settings.ours)
        self._serving: dict[Ref[NodeSession], Node] = {}
        self._loaded = False
        self._spoken = EVER  # what was said about nodes until then is known
        self._catch_up_due: Timer | None = None

    def _place(self) -> None:
        raise NotImplementedError

    def _tell_others(self, hint: Hint) -> None:
        raise NotImplementedError

    @handles(NodeSeen)
    async def node_seen(self, message: NodeSeen) -> None:
        node = self._board.index.node(message.node)
        node.owner, node.capabilities = message.owner, frozenset(message.capabilities)
        node.healthy = True
        if message.load is not None:
            node.load = message.load
        self._board.index.changed(node)
        self._place()

    @handles(NodeProved)
    async def node_proved(self, message: NodeProved) -> None:
        node = self._board.index.get(message.node)
        if node is not None:
            node.tell(KeyProved(message.owner))

    @handles(StandingChanged)
    async def node_stands(self, message: StandingChanged) -> None:
        if self._board.stand(self._board.index.node(message.node), message.standing):
            self._place()

    @handles(StandingsDue)
    async def standings_due(self, message: StandingsDue) -> None:
        try:
            await self._read_standings()
        except Unavailable as error:
            log.warning("standings cannot be read: %s", type(error).__name__)
        self.after(self._settings.standings_seconds, StandingsDue(), jitter=0.1)

    async def _read_standings(self) -> None:
        rows = await self._store.standings(self._spoken)
        if rows:
            self._spoken = max(self._spoken, rows[-1].at - OVERLAP)
        if self._board.stand_all(rows):
            self._place()

    @handles(AccessChanged)
    async def circles_changed(self, _: AccessChanged) -> None:
        self._board.index.regroup(await self._store.circles())
        self._place()

    @handles(NodeGone)
    async def node_gone(self, message: NodeGone) -> None:
        self._board.note_silent(message.node)

    @handles(SessionOpened)
    async def session_opened(self, message: SessionOpened) -> None:
        node = self._board.index.node(message.node)
        if node.session is not message.session and not self._serve(node, message):
            return
        node.owner, node.capabilities = message.owner, frozenset(message.capabilities)
        self._board.index.changed(node)
        self._board.stand(node, message.standing)
        self._board.fall_behind(node)
        self._catch_up()
        self._place()

    def _serve(self, node: Node, message: SessionOpened) -> bool:
        """Let a new session serve the node, or close it if there is a newer one anywhere."""
        if message.epoch < node.epoch:
            message.session.tell(Close(CloseCode.REPLACED, "replaced"))
            return False
        if node.session is not None:
            node.session.tell(Close(CloseCode.REPLACED, "replaced"))
            self._serving.pop(node.session, None)
        node.session, node.epoch = message.session, message.epoch
        node.forget()
        self._serving[message.session] = node
        self.watch(message.session)
        self._tell_others(PeerServes(node.id, node.epoch))
        return True

    @handles(PeerServes)
    async def serves(self, message: PeerServes) -> None:
        self._heed(self._board.index.node(message.node), message.epoch)

    def _heed(self, node: Node, epoch: int) -> None:
        """Close the node's session here if another gateway has a newer one."""
        if epoch <= node.epoch:
            return
        node.epoch, session = epoch, node.session
        if session is not None:
            session.tell(Close(CloseCode.REPLACED, "replaced"))
            self._lose(session)

    @handles(SessionReady)
    async def session_ready(self, message: SessionReady) -> None:
        node = self._serving.get(message.session)
        if node is not None:
            node.hear(message)
            self._board.index.changed(node)
            self._place()

    @handles(SessionClosed)
    async def session_closed(self, message: SessionClosed) -> None:
        self._lose(message.session)

    @handles(Down)
    async def session_down(self, message: Down) -> None:
        self._lose(message.ref)

    @handles(NodeDeclined)
    async def node_declined(self, message: NodeDeclined) -> None:
        node = self._serving.get(message.session)
        if node is None or node.is_paused:
            return
        node.declines += 1
        node.is_paused = True
        self._board.index.changed(node)
        self.after(pause_seconds(node.declines), PauseOver(node.id))

    @handles(PauseOver)
    async def pause_over(self, message: PauseOver) -> None:
        node = self._board.index.get(message.node)
        if node is None:
            return
        node.is_paused = False
        self._board.index.changed(node)
        self._place()

    @handles(ResendMissed)
    async def catch_up(self, message: ResendMissed) -> None:
        self._catch_up_due = None
        self._catch_up()

    def _catch_up(self) -> None:
        """Tell sessions what they missed; before the first reading nothing is known to tell."""
        if self._loaded and self._board.is_behind:
            self._board.catch_up()
        self._see_who_is_behind()

    def _see_who_is_behind(self) -> None:
        if self._board.is_behind and self._catch_up_due is None and self._loaded:
            self._catch_up_due = self.after(self._settings.soon_seconds, ResendMissed())

    def _lose(self, session: Ref[Any]) -> None:
        node = self._serving.pop(session, None)
        if node is not None:
            node.leave(self._clock.monotonic())
            self._board.index.changed(node)
