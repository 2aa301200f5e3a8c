"""Standing of a session's node, and the token with which it comes back."""

from collections.abc import Callable
from typing import Final

from actors.node_session.connection import NodeConnection
from actors.node_session.messages import StandingUpdate, TokenDue
from actors.node_session.session_state import ActorContext, SessionState
from actors.ports import NodeTokens
from rendertrust.protocol import CloseCode, Drain, NodeStanding, TokenRenewal
from sql.nodes import ACTIVE, DRAINING, QUARANTINED, REVOKED, StandingRecord

REASON_CHARACTERS_MOST: Final = 500  # as the frame takes it


class StandingUpdates:
    """Tells the node its standing when that changes, and sends it a new token in time.

    ``on_change`` is called when the standing has another name.
    """

    def __init__(
        self,
        state: SessionState,
        connection: NodeConnection,
        tokens: NodeTokens,
        actor: ActorContext,
        on_change: Callable[[], None],
    ) -> None:
        self._state = state
        self._connection = connection
        self._tokens = tokens
        self._actor = actor
        self._on_change = on_change
        self._is_draining = False  # the node was told so

    def start(self) -> None:
        """Tell a node that drains so again, and plan for its next token."""
        state = self._state
        if state.standing.name == DRAINING:
            self._actor.after(0.0, StandingUpdate(state.standing))
        expires = state.node.token_expires
        if expires is not None:
            self._renew_token_before((expires - state.clock.now()).total_seconds())

    async def update(self, standing: StandingRecord) -> bool:
        """Take over a standing and tell the node; False where it is old, or the node is revoked."""
        before = self._state.standing
        if standing.version < before.version:
            return False
        self._state.standing = standing
        if standing.name == REVOKED:
            await self._connection.end(CloseCode.AUTHENTICATION_FAILED, "the node was revoked")
            return False
        if standing.name != before.name:
            self._on_change()
        if _content(standing) != _content(before):
            await self._tell(standing)
        was_draining, self._is_draining = self._is_draining, standing.name == DRAINING
        if self._is_draining and not was_draining:
            await self._connection.send(Drain())
        return True

    async def greet(self) -> None:
        """Tell a node that is in quarantine so, after its hello."""
        if self._state.standing.name == QUARANTINED:
            await self._connection.send(frame_of(self._state.standing))

    async def renew_token(self) -> None:
        """Send the node another token."""
        token = self._tokens.issue(self._state.node.id)
        if await self._connection.send(TokenRenewal(token=token.text)):
            self._renew_token_before(token.seconds)

    async def _tell(self, standing: StandingRecord) -> None:
        """Send a quarantine, its end, or a new reason; a drain has a frame of its own."""
        if self._state.hello is not None and standing.name in (ACTIVE, QUARANTINED):
            await self._connection.send(frame_of(standing))

    def _renew_token_before(self, seconds: float) -> None:
        share = self._state.settings.token_share
        self._actor.after(max(seconds, 0.0) * share, TokenDue(), jitter=0.2)


def frame_of(standing: StandingRecord) -> NodeStanding:
    """Return the frame that tells a node its standing."""
    name, reason = _content(standing)
    return NodeStanding(standing=name, reason=reason[:REASON_CHARACTERS_MOST] or None)


def _content(standing: StandingRecord) -> tuple[str, str]:
    """Return what a node is told of its standing: the name, and the reason of a quarantine."""
    return standing.name, standing.reason if standing.name == QUARANTINED else ""
