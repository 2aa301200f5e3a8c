"""Who is asked, and checks that come to nothing: their nodes went, or said nothing in time. Nobody
is blamed for it, and nobody's pay is to hang on it.
"""

import logging
from typing import Final
from uuid import UUID

from actors.kernel import Actor, handles
from actors.node_session.messages import RunCheck
from actors.verifier.case import Case
from actors.verifier.checkers import Checkers, Running
from actors.verifier.choice import Candidate
from actors.verifier.messages import CheckerGone, CheckerSeen, Verifier
from actors.verifier.settings import Peers, VerifierSettings
from actors.verifier.trials import Trials

STRANGERS_PART: Final = 0.5  # of the time that a delivery may wait
log = logging.getLogger(__name__)


class Losing(Actor[Verifier], partial=True):
    """Who can look, and what is another's to look at."""

    _checkers: Checkers
    _peers: Peers
    _settings: VerifierSettings
    _since: float
    _trials: Trials

    @handles(CheckerSeen)
    async def checker_seen(self, message: CheckerSeen) -> None:
        own = message.node in self._settings.own
        candidate = Candidate(message.node, message.owner, message.device_class, is_own=own)
        self._lose(self._checkers.come(candidate, message.session))

    @handles(CheckerGone)
    async def checker_gone(self, message: CheckerGone) -> None:
        self._lose(self._checkers.go(message.node, message.session))

    def _ask(self, case: Case | None, chosen: Candidate, order: RunCheck) -> None:
        """What is long to render is long to check."""
        took = self._trials.took(order.check) if case is None else case.pending.took
        now = self._peers.clock.monotonic()
        until = now + self._settings.seconds_of(order) + took
        if not self._checkers.ask(case, chosen, order, (now, until)):
            self._trials.lose(order.check)

    def _lose(self, running: Running | None) -> None:
        """What it was looking at is another's to look at; that is nobody's fault."""
        if running is not None:
            now, wait = self._peers.clock.monotonic(), self._settings.again_seconds
            self._trials.lose(running.check)
            self._checkers.rest(running, now)
            if running.case is not None:
                running.case.away.lose(running.checker.candidate.id, now, wait)

    def _expire(self) -> None:
        for running in self._checkers.overdue(self._peers.clock.monotonic()):
            log.warning("a check took too long: node %s", running.checker.candidate.id)
            self._end(running)

    def _end(self, running: Running) -> None:
        self._checkers.drop(running)
        self._checkers.rest(running, self._peers.clock.monotonic())
        self._trials.lose(running.check)
        if running.case is not None:
            node = running.checker.candidate.id
            self._note_failed(running.case, node, whole=running.order.whole)

    def _note_failed(self, case: Case, node: UUID, *, whole: bool = False) -> None:
        """He is asked again, last, after a while; for a whole frame not."""
        if whole:
            case.end_whole()
        else:
            case.away.fail(node, self._peers.clock.monotonic(), self._settings.again_seconds)

    def _waited(self, case: Case) -> float:
        """Seconds in which somebody could look: while no gateway ran nobody could."""
        return self._peers.clock.monotonic() - max(case.since, self._since)

    def _is_long(self, case: Case) -> bool:
        """Whether it waited for others as long as it may, where the gateway's own could look."""
        return self._waited(case) >= STRANGERS_PART * self._settings.wait_seconds
