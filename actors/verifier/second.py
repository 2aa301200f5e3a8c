"""What a stranger alone called valid, of a node of whose work the gateway's own know little: one of
them looks there, too, in its spare time, before it is paid out. Else who has a friend for a checker
need but leave before he is caught.

It holds nobody's share: what is seen wrong is held back then, and decided as what waits again is
(``recall.py``).
"""

from collections import deque
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import attrs

from actors.ports import Store
from actors.verifier.case import VALID, Case
from actors.verifier.checkers import Running
from actors.verifier.choice import Candidate, ours
from actors.verifier.claims import Claims
from actors.verifier.losing import Losing
from actors.verifier.notes import Notes
from actors.verifier.recall import Doubted, holding
from actors.verifier.report import Report
from sql.checks import Place, SecondLook
from sql.earnings import Unlooked

AT_ONCE: Final = 16
REST_SECONDS: Final = 60.0  # until the database is asked again, where it had none
BEGIN: Final[Place] = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0), 0)
REASON: Final = "the gateway: another's check called it valid, which one of its own saw it is not"


@attrs.define
class SecondLooks:
    """One at a time; ``case`` is it. ``_after``: up to where they were read in this life."""

    _store: Store
    case: Case | None = None
    _due: deque[Case] = attrs.field(factory=deque[Case])
    _after: Place = BEGIN
    _read_at: float = float("-inf")

    async def next(self, monotonic: float) -> Case | None:
        """What is to be looked at, if nothing is. Raises Unavailable."""
        if self.case is not None and self.case.check is None:  # that came to nothing
            self.again(self.case)
            self.case = None
        if self.case is not None:
            return None
        if not self._due and monotonic - self._read_at >= REST_SECONDS:
            found = await self._store.vouched(AT_ONCE, self._after)
            self._due.extend(Case.opened(one) for one in found)
            self._after = found[-1].place if found else self._after
            self._read_at = float("-inf") if len(found) == AT_ONCE else monotonic
        self._due.rotate(-1)  # what nobody can look at now keeps no other waiting
        return self._due[0] if self._due else None

    def begin(self, case: Case) -> None:
        """Somebody looks at it: the one that was next."""
        self.case = case
        self._due.remove(case)

    def again(self, case: Case) -> None:
        """It is to be looked at anew, after the others."""
        self._due.append(Case.opened(case.pending))


class LookingTwice(Losing, partial=True):
    """By the gateway's own, where one has nothing else to do."""

    _secret: bytes
    _notes: Notes
    _second: SecondLooks
    _claims: Claims

    async def _look_twice(self) -> None:
        """Raises Unavailable: then again."""
        now = self._peers.clock.monotonic()
        case = await self._second.next(now)
        if case is None or self._checkers.is_recalling:
            return
        chosen = ours(self._checkers.able(case, now, own=True), case.subject)
        if chosen is None or not await self._claims.take([case]):
            return
        order = case.asks(self._peers.random.uuid(), case.places(self._secret, is_own=True))
        self._ask(case, chosen, order)
        if case.check is not None:
            self._second.begin(case)

    def _is_second(self, running: Running) -> bool:
        return running.case is not None and running.case is self._second.case

    def _hear_twice(self, case: Case, report: Report, checker: Candidate) -> None:
        """Hold its share back where something is wrong: then it waits for a check as any."""
        self._second.case = None
        case.hear(report, checker, self._settings.thresholds)
        if case.is_accused:
            share = Unlooked(*case.id[:2], case.pending.user)
            commit = holding(self._peers, share, REASON, self.ref, Doubted(case))
            if not self._peers.ledger.tell(commit):
                self._second.again(case)
            return
        row, held = case.pending.row, True if case.verdict in VALID else None
        of = (*case.id, row.node_id, row.device_class)
        self._notes.add(SecondLook(*of, self._peers.clock.now(), held))
