"""Connected verifiers and the checks that they run."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, Final
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.node_session.messages import DropCheck, NodeSession, RunCheck
from actors.ports import Store
from actors.verifier.case import Case
from rendertrust.device_class import are_comparable, is_kin
from rendertrust.job_types import RENDERED
from sql.checks import SeenVerifier, VerifierLoad

MEET_SECONDS: Final = 10.0  # interval at which gateways exchange their lists of verifiers
LOAD_SECONDS: Final = 300.0  # a verifier's load is its mean over this time


@attrs.define
class BusyTime:
    """How long a verifier was busy: ``ended`` is the time of its ended checks, in seconds."""

    ended: float = 0.0
    _readings: deque[tuple[float, float]] = attrs.field(factory=deque[tuple[float, float]])

    def share(self, now: float, running: float) -> float:
        """Return the share of the last ``LOAD_SECONDS`` in which the verifier was busy.

        ``running``: seconds since the start of the running check. Each call adds a reading, and
        the share counts from the oldest reading within the time.
        """
        busy = self.ended + running
        self._readings.append((now, busy))
        while len(self._readings) > 2 and self._readings[1][0] <= now - LOAD_SECONDS:
            self._readings.popleft()
        since, before = self._readings[0]
        return min(max((busy - before) / (now - since), 0.0), 1.0) if now > since else 0.0


@attrs.define(eq=False)
class ConnectedVerifier:
    """A connected verifier, which runs one check at a time.

    ``busy``: the id of the check that the verifier runs. ``batches``: the verifier can open several
    results in one check. ``cores``: None if the verifier does not say. ``checks``: job types that
    it can check. ``others``: its device classes with its other builds of Blender. ``time``: for its
    load.
    """

    node: UUID
    device_class: str
    session: Ref[NodeSession]
    batches: bool = False
    cores: int | None = None
    checks: frozenset[str] = RENDERED
    others: tuple[str, ...] = ()
    busy: UUID | None = None
    time: BusyTime = attrs.field(factory=BusyTime)

    def class_for(self, case: Case) -> str:
        """Return the device class in which the verifier checks a case.

        The case's own class if the verifier has it, or else one with the case's build of Blender,
        or else the verifier's own.
        """
        wanted, classes = case.device_class, (self.device_class, *self.others)
        if wanted in classes:
            return wanted
        same_build = (one for one in classes if are_comparable(one, wanted))
        return next(same_build, self.device_class)

    def can_compare(self, case: Case) -> bool:
        """Return True if the verifier has the Blender build that rendered the case's result."""
        return are_comparable(self.class_for(case), case.device_class)

    def has_kind_of(self, case: Case) -> bool:
        """Return True if the verifier has the device kind of the case's node.

        Renders with the same seed can then be compared directly, without statistics.
        """
        return is_kin(self.class_for(case), case.device_class)


@attrs.frozen(eq=False)
class RunningCheck:
    """A check that a verifier runs. A batch has several cases, all of one job.

    ``device_class``: the class in which it runs. ``since``: the start of the check; ``until``: its
    deadline; both by the monotonic clock.
    """

    order: RunCheck
    cases: tuple[Case, ...]
    by: ConnectedVerifier
    device_class: str
    since: float
    until: float

    @property
    def is_batch(self) -> bool:
        """True if the check opens several results."""
        return len(self.cases) > 1


@attrs.define
class VerifierFleet:
    """The verifiers that were connected to any gateway within the last ``seconds``.

    ``own``: ids of all nodes that serve as verifiers, connected or not.
    """

    store: Store
    seconds: float
    own: frozenset[UUID] = frozenset()
    seen: Mapping[UUID, SeenVerifier] = attrs.field(factory=dict[UUID, SeenVerifier])
    due: float = float("-inf")  # time of the next exchange

    async def meet(self, here: "VerifierRegistry", now: float) -> None:
        """Publish the verifiers connected here, and read the verifiers of other gateways.

        Raises Unavailable.
        """
        if now >= self.due:
            seen = await self.store.meet_verifiers(here.loads(now), self.seconds)
            self.seen = {one.node: one for one in seen}
            self.due = now + MEET_SECONDS

    def may_check(self, verifier: UUID, case: Case) -> bool:
        """Return True if a verifier may check the case, and can check its job type.

        A verifier does not check other nodes of its owner, unless these are verifiers, too.
        """
        seen, owner = self.seen.get(verifier), case.pending.owner
        if seen is None:
            return False  # the verifier's owner is not known yet
        if not seen.can_check(case.pending.job_type):
            return False
        return owner is None or seen.owner != owner or case.pending.row.node in self.own

    def classes_for(self, case: Case) -> frozenset[str]:
        """Return the device classes of the verifiers that may check the case."""
        able = (one for one in self.seen.values() if self.may_check(one.node, case))
        return frozenset(each for one in able for each in one.classes)

    def has_class_of(self, case: Case) -> bool:
        """Return True if a verifier of the device class of the case's node may check the case."""
        return case.device_class in self.classes_for(case)

    def is_barred(self, case: Case) -> bool:
        """Return True if verifiers are known, but none may check the case."""
        return bool(self.seen) and not self.classes_for(case)

    def lacks(self, case: Case) -> bool:
        """Return True if verifiers may check the case, but none has its node's Blender build.

        False for results of plugins.
        """
        if case.is_by_plugin:
            return False
        classes, wanted = self.classes_for(case), case.device_class
        return bool(classes) and not any(are_comparable(one, wanted) for one in classes)


class VerifierRegistry:
    """The connected verifiers. A check that is lost with a verifier is repeated."""

    def __init__(self) -> None:
        self._known: dict[UUID, ConnectedVerifier] = {}
        self._running: dict[UUID, RunningCheck] = {}

    def come(
        self,
        node: UUID,
        device_class: str,
        session: Ref[Any],
        *,
        batches: bool = False,
        cores: int | None = None,
        checks: frozenset[str] = RENDERED,
        others: tuple[str, ...] = (),
    ) -> RunningCheck | None:
        """Add a verifier; if the verifier reconnected, return the check that is lost."""
        before = self._known.get(node)
        known = None if before is None else (before.device_class, before.session, before.checks)
        if before is not None and known == (device_class, session, checks):
            before.others = others  # a store installs and removes builds beside running checks
            return None
        lost = self._lose(before)
        self._known[node] = ConnectedVerifier(
            node, device_class, session, batches, cores, checks, others
        )
        return lost

    def go(self, node: UUID, session: Ref[Any]) -> RunningCheck | None:
        """Remove a verifier, unless it has reconnected; return the check that is lost with the
        verifier.
        """
        found = self._known.get(node)
        if found is None or found.session is not session:
            return None
        del self._known[node]
        return self._lose(found)

    def loads(self, now: float) -> Sequence[VerifierLoad]:
        """Return the connected verifiers with their loads."""
        return [self._load_of(one, now) for one in self._known.values()]

    def _load_of(self, one: ConnectedVerifier, now: float) -> VerifierLoad:
        running = None if one.busy is None else self._running.get(one.busy)
        checking = 0 if running is None else len(running.cases)
        share = one.time.share(now, 0.0 if running is None else now - running.since)
        checks, others = " ".join(sorted(one.checks)), " ".join(one.others)
        return VerifierLoad(one.node, one.device_class, one.cores, checking, share, checks, others)

    @property
    def has_free(self) -> bool:
        """True if a connected verifier runs no check."""
        return any(one.busy is None for one in self._known.values())

    def free_for(self, case: Case, fleet: VerifierFleet) -> ConnectedVerifier | None:
        """Return the verifier for the case's next check, or None.

        Any verifier can open a result. To compare a result, a verifier of the node's device class
        is preferred, since only such a verifier can find the result exact. A verifier of another
        device kind is used only if no verifier of the node's kind is connected here or was recently
        connected to any gateway (``fleet``).
        """
        wanted, failed = case.device_class, case.failed_by
        return min(
            (one for one in self.able_for(case, fleet) if one.busy is None),
            key=lambda one: (one.node in failed, one.class_for(case) != wanted, one.node),
            default=None,
        )

    def able_for(self, case: Case, fleet: VerifierFleet) -> list[ConnectedVerifier]:
        """Return the verifiers that may run the case's next check, free or busy."""
        able = [one for one in self._known.values() if fleet.may_check(one.node, case)]
        if case.step != "open" and not case.is_by_plugin:
            able = [one for one in able if one.can_compare(case)]
            same = [one for one in able if one.has_kind_of(case)]
            is_known = any(is_kin(one, case.device_class) for one in fleet.classes_for(case))
            able = same if same or is_known else able
        if case.needs_same_class and fleet.has_class_of(case):
            able = [one for one in able if one.class_for(case) == case.device_class]
        return able

    def start(
        self,
        cases: tuple[Case, ...],
        by: ConnectedVerifier,
        order: RunCheck,
        times: tuple[float, float],
    ) -> bool:
        """Send a check to a verifier; return False if its session's mailbox is full or closed.

        ``times``: the present, and the deadline for the report.
        """
        if not by.session.tell(order):
            return False
        by.busy = order.check
        for case in cases:
            case.check = order.check
        self._running[order.check] = RunningCheck(order, cases, by, by.class_for(cases[0]), *times)
        return True

    def end(self, check: UUID, node: UUID) -> RunningCheck | None:
        """End a check and return it; None if this node does not run the check."""
        running = self._running.get(check)
        if running is None or running.by.node != node:
            return None
        del self._running[check]
        running.by.busy = None
        for case in running.cases:
            case.check = None
        return running

    def drop(self, running: RunningCheck) -> None:
        """End a running check, and tell its verifier's session to cancel it."""
        self.end(running.order.check, running.by.node)
        running.by.session.tell(DropCheck(running.order.check))

    def overdue(self, now: float) -> list[RunningCheck]:
        """Return the checks past their deadline."""
        return [one for one in self._running.values() if one.until <= now]

    def begun_before(self, then: float) -> list[RunningCheck]:
        """Return the checks that began by that time."""
        return [one for one in self._running.values() if one.since <= then]

    def about_none_of(self, cases: Collection[Case]) -> list[RunningCheck]:
        """Return the checks all of whose cases are no longer pending."""
        wait = {id(case) for case in cases}
        return [
            one for one in self._running.values() if not any(id(case) in wait for case in one.cases)
        ]

    @property
    def running(self) -> Set[UUID]:
        """Ids of the running checks."""
        return self._running.keys()

    def _lose(self, one: ConnectedVerifier | None) -> RunningCheck | None:
        if one is None or one.busy is None:
            return None
        lost = self._running[one.busy]
        self.drop(lost)
        return lost
