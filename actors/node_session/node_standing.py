"""Whether a node may work, as people say, and the token with which it comes back."""

from typing import Final

from actors.kernel import handles
from actors.node_session.messages import StandingUpdate, TokenDue
from actors.node_session.result_settlement import ResultSettlement
from rendertrust.protocol import CloseCode, Drain, NodeStanding, TokenRenewal
from sql.scheduler_rows import ACTIVE, DRAINING, QUARANTINED, REVOKED, StandingRecord

REASON_MOST: Final = 500  # as the frame takes it


class NodeStandingUpdates(ResultSettlement, partial=True):
    """What the Scheduler has heard of its node is told it here; tokens are renewed unasked."""

    def _admit(self) -> None:
        """At the start: a node that drains is told again, and its token has some of its life."""
        if self._standing.name == DRAINING:
            self.after(0.0, StandingUpdate(self._standing))
        expires = self._node.token_expires
        if expires is not None:
            self._token_in((expires - self._peers.clock.now()).total_seconds())

    @handles(StandingUpdate)
    async def stand(self, message: StandingUpdate) -> None:
        await self._stand(message.standing)

    async def _stand(self, standing: StandingRecord) -> None:
        """Take over what was said, unless it is old."""
        if standing.version < self._standing.version:
            return
        before, self._standing = self._standing, standing
        if standing.name == REVOKED:
            await self._close(CloseCode.AUTHENTICATION_FAILED, "the node was revoked")
            return
        if standing.name != before.name:
            self._tell_standing()
        if _told(standing) != _told(before):
            await self._tell_it(standing)
        was_told, self._is_draining = self._is_draining, standing.name == DRAINING
        if self._is_draining and not was_told:
            await self._say(Drain())
        await self._pump()

    async def _tell_it(self, now: StandingRecord) -> None:
        """That it begins, or why; that it or a drain is over. A drain's begin is another frame."""
        if self._hello is not None and now.name in (ACTIVE, QUARANTINED):
            await self._say(frame_of(now))

    def _tell_standing(self) -> None:
        """Whether its node may check others' work."""
        raise NotImplementedError

    @handles(TokenDue)
    async def token_due(self, message: TokenDue) -> None:
        token = self._peers.tokens.issue(self._node.id)
        if await self._say(TokenRenewal(token=token.text)):
            self._token_in(token.seconds)

    def _token_in(self, seconds: float) -> None:
        share = self._settings.token_share
        self.after(max(seconds, 0.0) * share, TokenDue(), jitter=0.2)


def frame_of(standing: StandingRecord) -> NodeStanding:
    """As its node is told it: with the reason where it is in quarantine."""
    return NodeStanding(standing=standing.name, reason=_told(standing)[1][:REASON_MOST] or None)


def _told(standing: StandingRecord) -> tuple[str, str]:
    """What its node is told of it."""
    return standing.name, standing.reason if standing.name == QUARANTINED else ""
