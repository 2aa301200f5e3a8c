"""Order of checks: fair queueing over creators, batches of results, and claims of gateways."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.ports import Store
from actors.verifier.case import Case
from actors.verifier.messages import CheckWait
from rendertrust.relay_frames import BATCH_MAX

CREATORS_MOST: Final = 10_000
SECONDS_MOST: Final = 3600.0  # most seconds that a check is expected to take
QUARTER: Final = 4  # checks of overdue cases take at most a quarter of the time
# limit of a batch, as all its files are fetched before the first is opened
BYTES_MOST: Final = 256 << 20
Group: TypeAlias = tuple[UUID, UUID | None, UUID | None]


@attrs.define
class CheckQueue:
    """Fair queueing over creators by virtual finish times, in seconds of verifiers' time.

    A creator's next check begins at the virtual time at which the creator's last check ended, or
    at which the creator arrived if that is later. So creators whose checks take long are served
    less often, and unused time is not saved up. The check that would end first goes first, if each
    took as long as its unit did: short checks do not wait for the long ones of many new creators.
    A case that was delivered more than ``patience`` seconds ago counts as short.

    Cases with failed or dropped checks (``is_last``) come last. A case with ``is_last`` is overdue
    if its result was delivered more than ``patience`` seconds ago. An overdue case is served in
    fair order again, and its check may not be dropped soon. Checks of overdue cases take at most a
    quarter of the time.
    """

    patience: float = math.inf
    _now: float = 0.0  # virtual time of the check that began last
    _ends: dict[UUID, float] = attrs.field(factory=dict[UUID, float])
    _arrivals: dict[UUID, float] = attrs.field(factory=dict[UUID, float])  # of waiting creators
    _rests_until: float = -math.inf  # when the next check of an overdue case may begin

    def of(self, creator: UUID) -> float:
        """Return the virtual time at which the creator's next check begins."""
        return max(self._arrivals.get(creator, self._now), self._ends.get(creator, 0.0))

    def wait(self, creators: Iterable[UUID]) -> None:
        """Record the creators with pending results; those who were not waiting arrive now."""
        before = self._arrivals
        self._arrivals = {who: before.get(who, self._now) for who in creators}

    def in_order(self, cases: Iterable[Case], now: float) -> list[Case]:
        """Sort the cases in fair order; cases with failed or dropped checks come last until they
        are overdue.
        """
        ends = dict[tuple[UUID, bool], float]()
        keys = dict[Case, tuple[bool, float]]()
        by_age = sorted(cases, key=lambda case: case.pending.place)
        for case in by_age:
            is_last = case.is_last and not self.is_overdue(case, now)
            begins = ends.get((case.turn, is_last), self.of(case.turn))
            ends[case.turn, is_last] = begins + self._seconds_of(case, now)
            keys[case] = is_last, ends[case.turn, is_last]
        return sorted(by_age, key=keys.__getitem__)

    def _seconds_of(self, case: Case, now: float) -> float:
        """Return how long the case's next check takes, for its place in the order."""
        is_old = now - case.since >= self.patience
        return 0.0 if is_old else min(case.pending.seconds, SECONDS_MOST)

    def is_overdue(self, case: Case, now: float) -> bool:
        """Return True if the next check of the case may begin although other results wait."""
        is_old = now - case.since >= self.patience
        return case.is_last and is_old and now >= self._rests_until

    def begin_overdue(self, until: float) -> None:
        """Record that the check of an overdue case begins, and when it ends at the latest."""
        self._rests_until = until

    def end_overdue(self, now: float, seconds: float) -> None:
        """Record that the check of an overdue case ended after so many seconds."""
        self._rests_until = now + (QUARTER - 1) * seconds

    def has_used_share(self, creator: UUID) -> bool:
        """Return True if the creator's next check begins later than that of a creator who arrives
        now, because of the time that the creator's checks took.
        """
        return self._ends.get(creator, 0.0) > self._now

    def begin(self, creator: UUID) -> None:
        """Record that a check for this creator begins."""
        self._now = max(self._now, self.of(creator))

    def spend(self, creator: UUID, seconds: float) -> None:
        """Record how long a check for this creator took."""
        self._ends[creator] = self.of(creator) + seconds
        if len(self._ends) > CREATORS_MOST:
            self._ends = {who: end for who, end in self._ends.items() if end > self._now}


@attrs.define
class CheckPlaces:
    """Places of the waiting results in the fair order, computed at most once per second."""

    _places: Mapping[Case, tuple[int, bool]] = attrs.field(factory=dict[Case, tuple[int, bool]])
    _due: float = -math.inf

    def of(self, case: Case, cases: Iterable[Case], queue: CheckQueue, now: float) -> CheckWait:
        """Return the facts about the case's place among all ``cases``."""
        if now >= self._due:
            self._due = now + 1.0
            self._places = _places(queue.in_order((c for c in cases if c.is_waiting(now)), now))
        ahead, is_behind_others = self._places.get(case, (0, False))
        return CheckWait(
            is_running=case.check is not None,
            is_last=case.is_last and not queue.is_overdue(case, now),
            has_used_share=is_behind_others and queue.has_used_share(case.turn),
            ahead=ahead,
        )


def _places(in_order: Sequence[Case]) -> Mapping[Case, tuple[int, bool]]:
    """Return, for each case, the number of cases before it, and if some are of other creators."""
    own = dict[UUID, int]()
    found = dict[Case, tuple[int, bool]]()
    for place, case in enumerate(in_order):
        before = own.get(case.turn, 0)
        found[case] = place, place > before
        own[case.turn] = before + 1
    return found


def batch_of(first: Case, waiting: Sequence[Case], now: float) -> tuple[Case, ...]:
    """Return the batch that one check opens together: the first result, and perhaps results from
    ``waiting``, in their order.

    The scene of a batch is opened once. A batch can only clear results. Results that the batch
    calls wrong, or does not report on, are opened alone next. So a file cannot cause a verdict
    against the results that are opened after it. All results of a batch come from nodes of one
    owner, so a file that attacks its verifier affects only that owner's results.
    """
    found, left = [first], BYTES_MOST - _bytes(first)
    if not _may_join(first, now):
        return (first,)
    for case in waiting:
        if len(found) == BATCH_MAX:
            break
        is_like = case is not first and _group(case) == _group(first)
        if is_like and _may_join(case, now) and _bytes(case) <= left:
            found.append(case)
            left -= _bytes(case)
    return tuple(found)


def _may_join(case: Case, now: float) -> bool:
    """Return True if the next check of a case may be a batch."""
    row = case.pending.row
    is_idle = case.check is None and case.verdict is None and case.unread is None
    is_new = not case.is_alone and case.failed == 0 and case.rests_until <= now
    is_named = row.sha256 is not None and row.size is not None
    return case.step == "open" and case.kind == "frame" and is_idle and is_new and is_named


def _group(case: Case) -> Group:
    """Return the case's job and the owner of the node that delivered the result.

    Results of nodes without an owner are not grouped.
    """
    owner, row = case.pending.owner, case.pending.row
    return row.job, owner, row.node if owner is None else None


def _bytes(case: Case) -> int:
    row = case.pending.row
    return (row.size or 0) + (row.evidence_size or 0)


@attrs.frozen
class Claims:
    """Claims of pending results by this ``gateway``, so that no other gateway checks them, too.

    A claim expires after ``seconds`` unless the gateway renews it in its next round.
    """

    store: Store
    gateway: UUID
    seconds: float

    async def take(self, cases: Sequence[Case]) -> set[Case]:
        """Claim the cases; return the cases that this gateway has claimed now.

        Raises Unavailable.
        """
        if not cases:
            return set()
        ids = [case.id for case in cases]
        ours = await self.store.claim_checks(self.gateway, ids, self.seconds)
        return {case for case in cases if case.id in ours}

    async def give_up(self, cases: Iterable[Case]) -> None:
        """Give up this gateway's claims on the cases that it has not begun, so that another gateway
        may take them.

        Raises Unavailable.
        """
        idle = [case.id for case in cases if not case.is_begun]
        if idle:
            await self.store.release_checks(self.gateway, idle)
