"""The nodes that can look, and what each of them is looking at now."""

from collections.abc import Collection, Set
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.node_session.messages import DropCheck, NodeSession, RunCheck
from actors.verifier.away import Rests
from actors.verifier.case import Case
from actors.verifier.choice import Candidate, may_check, may_see
from sql.kin import is_kin


@attrs.define(eq=False)
class Checker:
    """A node that checks, and the check that it makes now."""

    candidate: Candidate
    session: Ref[NodeSession]
    busy: UUID | None = None


@attrs.frozen(eq=False)
class Running:
    """A check that was asked for. ``case`` None: a trial of the verifier.

    ``since`` and ``until``: seconds of the monotonic clock.
    """

    order: RunCheck
    case: Case | None
    checker: Checker
    since: float
    until: float

    @property
    def check(self) -> UUID:
        """Its name."""
        return self.order.check


class Checkers:
    """Each makes one check at a time; one that is lost is nobody's fault."""

    def __init__(self) -> None:
        self._known: dict[UUID, Checker] = {}
        self._running: dict[UUID, Running] = {}
        self._ours: set[str] = set()  # classes of the gateway's own that were seen in this life
        self._rests = Rests()

    @property
    def nodes(self) -> set[UUID]:
        """Those that are there."""
        return {*self._known}

    def come(self, candidate: Candidate, session: Ref[Any]) -> Running | None:
        """It is there; where it came anew, or as another one, what it was looking at is lost."""
        if candidate.is_own:
            self._ours.add(candidate.device_class)
        before = self._known.get(candidate.id)
        if before is not None and (before.candidate, before.session) == (candidate, session):
            return None
        lost = self._lose(before)
        self._known[candidate.id] = Checker(candidate, session)
        return lost

    def go(self, node: UUID, session: Ref[Any]) -> Running | None:
        """It is not there any more, unless by another session; what is lost with it."""
        found = self._known.get(node)
        if found is None or found.session is not session:
            return None
        del self._known[node]
        return self._lose(found)

    def able(self, case: Case, now: float, *, own: bool = False) -> list[Candidate]:
        """Those that may see it and did not come to nothing just now, in seconds of the monotonic
        clock; ``own``: of the gateway's.
        """
        own = own or case.is_again  # strangers would not be paid for it
        left_out = {*case.tried, *case.away.resting(now), case.pending.row.node_id}
        return [
            attrs.evolve(one.candidate, is_free=one.busy is None)
            for one in self._known.values()
            if may_see(one.candidate, case.pool)
            and one.candidate.id not in left_out
            and (one.candidate.is_own or not (own or one.candidate.owner in case.barred))
        ]

    @property
    def has_own(self) -> bool:
        """Whether one of the gateway's own is connected here."""
        return any(one.candidate.is_own for one in self._known.values())

    def has_free_for(self, case: Case, now: float) -> bool:
        """Whether one that is free can hold it against its scene."""
        return any(may_check(one, case.subject, case.asked) for one in self.able(case, now))

    def has_own_kin_of(self, subject: Candidate) -> bool:
        """Whether one of the gateway's own is there, free or not, that has its build."""
        there = (one.candidate for one in self._known.values())
        return any(one.is_own and is_kin(one.device_class, subject.device_class) for one in there)

    def has_kin_of(self, subject: Candidate) -> bool:
        """Whether one of the gateway's own has its build; where none was seen, nobody can tell."""
        return not self._ours or any(is_kin(one, subject.device_class) for one in self._ours)

    def ask(
        self, case: Case | None, chosen: Candidate, order: RunCheck, times: tuple[float, float]
    ) -> bool:
        """Whether it was asked; its session may be full, or gone. ``times``: now, and its end."""
        checker = self._known[chosen.id]
        if not checker.session.tell(order):
            return False
        checker.busy = order.check
        self._running[order.check] = Running(order, case, checker, *times)
        if case is not None:
            case.check = order.check
        return True

    def end(self, check: UUID, node: UUID) -> Running | None:
        """Nobody makes it any more; None: this node does not."""
        running = self._running.get(check)
        if running is None or running.checker.candidate.id != node:
            return None
        del self._running[check]
        running.checker.busy = None
        if running.case is not None:
            running.case.check = None
        return running

    def rest(self, running: Running, now: float) -> None:
        """It came to nothing, in whatever way: who owns its node, if that is another, is asked last
        for a while.
        """
        who = running.checker.candidate
        if not who.is_own and who.owner is not None:
            self._rests.begin(who.owner, running.since, now)

    def resting(self, now: float) -> Set[UUID]:
        """Owners who are asked last now."""
        return self._rests.at(now)

    def held(self, case: Case) -> Running | None:
        """The check of it that a node of another's makes now."""
        found = None if case.check is None else self._running.get(case.check)
        return None if found is None or found.checker.candidate.is_own else found

    @property
    def running(self) -> Set[UUID]:
        """Checks that are made now."""
        return self._running.keys()

    @property
    def is_recalling(self) -> bool:
        """Whether one of them is of what was settled before: there is one at a time."""
        cases = (running.case for running in self._running.values())
        return any(case is not None and case.is_again for case in cases)

    def overdue(self, now: float) -> list[Running]:
        """Those that took too long."""
        return [one for one in self._running.values() if one.until <= now]

    def about_none_of(self, cases: Collection[Case]) -> list[Running]:
        """Those of cases that are none any more."""
        return [
            one
            for one in self._running.values()
            if one.case is not None and not any(one.case is case for case in cases)
        ]

    def drop(self, running: Running) -> None:
        """Its node need not make it; one that does not hear of it makes it for nobody."""
        self.end(running.check, running.checker.candidate.id)
        running.checker.session.tell(DropCheck(running.check))

    def _lose(self, checker: Checker | None) -> Running | None:
        if checker is None or checker.busy is None:
            return None
        lost = self._running[checker.busy]
        self.drop(lost)
        return lost
