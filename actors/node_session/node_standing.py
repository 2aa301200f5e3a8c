"""Standing of a session's node, and renewal of the token with which the node reconnects."""

from collections.abc import Callable
from typing import Final

from actors.node_session.connection import NodeConnection
from actors.node_session.messages import StandingUpdate, TokenDue
from actors.node_session.session_state import ActorContext, SessionState
from actors.ports import NodeTokens
from rendertrust.protocol import CloseCode, Drain, NodeStanding, TokenRenewal
from sql.nodes import ACTIVE, DRAINING, QUARANTINED, REVOKED, StandingRecord

TOKEN_SHARE: Final = 0.5  # share of a token's life after which the node gets a new token
REASON_CHARACTERS_MOST: Final = 500  # limit of the relay frame's field


class StandingUpdates:
    """Sends the node each change of its standing, and a new token before its token expires.

    ``on_change`` is called when the standing changes, but not when only its reason does.
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
        self._is_draining = False  # a Drain relay frame was sent

    def start(self) -> None:
        """Start the timer for the node's next token; send Drain again if the node is DRAINING."""
        state = self._state
        if state.standing.name == DRAINING:
            self._actor.after(0.0, StandingUpdate(state.standing))
        expires = state.node.token_expires
        if expires is not None:
            self._renew_token_before((expires - state.clock.now()).total_seconds())

    async def update(self, standing: StandingRecord) -> bool:
        """Apply a standing and send it to the node.

        Returns False if the standing is outdated, or the node is revoked, which ends the session.
        """
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
            await self._send_standing(standing)
        was_draining, self._is_draining = self._is_draining, standing.name == DRAINING
        if self._is_draining and not was_draining:
            await self._connection.send(Drain())
        return True

    async def greet(self) -> None:
        """Send the standing of a quarantined node, in answer to its hello."""
        if self._state.standing.name == QUARANTINED:
            await self._connection.send(relay_frame_of(self._state.standing))

    async def renew_token(self) -> None:
        """Send the node a new token, and start the timer for the next token."""
        token = self._tokens.issue(self._state.node.id)
        if await self._connection.send(TokenRenewal(token=token.text)):
            self._renew_token_before(token.seconds)

    async def _send_standing(self, standing: StandingRecord) -> None:
        """Send the standing if it is ACTIVE or QUARANTINED; DRAINING is sent as ``Drain``."""
        if self._state.hello is not None and standing.name in (ACTIVE, QUARANTINED):
            await self._connection.send(relay_frame_of(standing))

    def _renew_token_before(self, seconds: float) -> None:
        self._actor.after(max(seconds, 0.0) * TOKEN_SHARE, TokenDue(), jitter=0.2)


def relay_frame_of(standing: StandingRecord) -> NodeStanding:
    """Return the relay frame that contains a node's standing."""
    name, reason = _content(standing)
    return NodeStanding(standing=name, reason=reason[:REASON_CHARACTERS_MOST] or None)


def _content(standing: StandingRecord) -> tuple[str, str]:
    """Return the part of a standing that is sent to the node: name, and reason of a quarantine."""
    return standing.name, standing.reason if standing.name == QUARANTINED else ""
