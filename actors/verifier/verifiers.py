"""The verifiers that are connected, and the check that each of them makes now."""

from collections.abc import Collection, Set
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.node_session.messages import DropCheck, NodeSession, RunCheck
from actors.verifier.case import Case
from sql.kin import is_kin


@attrs.define(eq=False)
class Verifying:
    """A verifier of the gateway's. It makes one check at a time: ``busy``."""

    node: UUID
    device_class: str
    session: Ref[NodeSession]
    busy: UUID | None = None

    def can_compare(self, case: Case) -> bool:
        """Return whether it renders what the case's node renders: the same kind of device, the
        same build of Blender.
        """
        return is_kin(self.device_class, case.device_class)


@attrs.frozen(eq=False)
class Running:
    """A check that was asked for; ``since`` and ``until`` are seconds of the monotonic clock."""

    order: RunCheck
    case: Case
    by: Verifying
    since: float
    until: float


class Verifiers:
    """Those that are there. A check that is lost with one of them is made again."""

    def __init__(self) -> None:
        self._known: dict[UUID, Verifying] = {}
        self._running: dict[UUID, Running] = {}

    def come(self, node: UUID, device_class: str, session: Ref[Any]) -> Running | None:
        """Note that it is there; return the check that is lost as it came anew."""
        before = self._known.get(node)
        if before is not None and (before.device_class, before.session) == (device_class, session):
            return None
        lost = self._lose(before)
        self._known[node] = Verifying(node, device_class, session)
        return lost

    def go(self, node: UUID, session: Ref[Any]) -> Running | None:
        """Note that it left, unless by another session; return the check that is lost with it."""
        found = self._known.get(node)
        if found is None or found.session is not session:
            return None
        del self._known[node]
        return self._lose(found)

    @property
    def are_any(self) -> bool:
        """Whether one is connected here."""
        return bool(self._known)

    def are_for(self, case: Case) -> bool:
        """Return whether one that can compare it is connected here, free or not."""
        return any(one.can_compare(case) for one in self._known.values())

    def free_for(self, case: Case) -> Verifying | None:
        """Return who makes its next check: rather one of the very class, as that can be exact.

        Any one can open what was delivered.
        """
        able = [one for one in self._known.values() if one.busy is None]
        if case.step != "open":
            able = [one for one in able if one.can_compare(case)]
        wanted, failed = case.device_class, case.failed_by
        return min(
            able,
            key=lambda one: (one.node in failed, one.device_class != wanted, one.node),
            default=None,
        )

    def ask(self, case: Case, by: Verifying, order: RunCheck, times: tuple[float, float]) -> bool:
        """Return whether it was asked: its session may be full, or gone.

        ``times``: now, and when it must have answered.
        """
        if not by.session.tell(order):
            return False
        by.busy = case.check = order.check
        self._running[order.check] = Running(order, case, by, *times)
        return True

    def end(self, check: UUID, node: UUID) -> Running | None:
        """Forget a check, and return it; None: this node does not make it."""
        running = self._running.get(check)
        if running is None or running.by.node != node:
            return None
        del self._running[check]
        running.by.busy = running.case.check = None
        return running

    def drop(self, running: Running) -> None:
        """End a check that nobody waits for any more."""
        self.end(running.order.check, running.by.node)
        running.by.session.tell(DropCheck(running.order.check))

    def overdue(self, now: float) -> list[Running]:
        """Return those that took too long."""
        return [one for one in self._running.values() if one.until <= now]

    def about_none_of(self, cases: Collection[Case]) -> list[Running]:
        """Return those of cases that wait no more."""
        wait = {id(case) for case in cases}
        return [one for one in self._running.values() if id(one.case) not in wait]

    @property
    def running(self) -> Set[UUID]:
        """Checks that are made now."""
        return self._running.keys()

    def _lose(self, one: Verifying | None) -> Running | None:
        if one is None or one.busy is None:
            return None
        lost = self._running[one.busy]
        self.drop(lost)
        return lost
