"""Fair shares, priority and blocklists of several gateways over one database.

Each gateway's nodes run many units at once. Each Scheduler knows its own placements at once, and
the other gateways' placements from its periodic readings.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import attrs
import pytest

from actors.kernel import Message, Ref
from actors.ledger.messages import UnitState
from actors.node_session.messages import NodeSession
from actors.scheduler import placement
from actors.scheduler.node import DEPTH, Node, UnitKey
from actors.scheduler.state import REFILL, WINDOW, SchedulerState
from actors.scheduler.units import AssignmentTag
from sql.units import OpenUnit
from tests.support.plans import planned
from tests.twins.clock import EPOCH

SLOTS = 64
LOST = 0.1
POLL_EVERY = 5  # ticks, of a second each
LEASED = EPOCH + timedelta(days=1)


def job(number: int) -> UUID:
    return UUID(int=10_000 + number)


def node(number: int) -> UUID:
    return UUID(int=1 + number)


@attrs.define
class Books:
    """The database of the test; the first commit of a unit wins."""

    rows: dict[UnitKey, OpenUnit] = attrs.field(factory=dict[UnitKey, OpenUnit])
    given: list[tuple[int, UUID, UUID]] = attrs.field(factory=list[tuple[int, UUID, UUID]])
    refused: int = 0

    def order(self, number: int, *, user: int, frames: int, priority: int = 0) -> None:
        for unit in range(frames):
            self.rows[job(number), unit] = OpenUnit(
                job=job(number),
                number=unit,
                user=UUID(int=user),
                plan=planned("render", f"s3://scenes/{number}"),
                state="QUEUED",
                queued_at=EPOCH + timedelta(milliseconds=number),
                place=unit,
                priority=priority,
                units=frames,
            )

    def waiting(
        self, jobs: Iterable[UUID], most: int, known: Iterable[UnitKey] = ()
    ) -> list[OpenUnit]:
        skip, lines = set(known), defaultdict[UUID, list[OpenUnit]](list)
        for key, row in self.rows.items():
            if row.state == "QUEUED" and key not in skip:
                lines[key[0]].append(row)
        return [row for one in jobs for row in lines[one][:most]]

    def open(self) -> list[OpenUnit]:
        at_work = [row for row in self.rows.values() if row.state != "QUEUED"]
        return at_work + self.waiting(dict.fromkeys(key[0] for key in self.rows), WINDOW)

    def commit(self, booking: AssignmentTag, at: int) -> bool:
        row = self.rows.get(booking.unit.key)
        if row is None or row.state != "QUEUED" or booking.attempt != row.attempt + 1:
            self.refused += 1
            return False
        assert booking.node is not None
        self.given.append((at, row.job, booking.node))
        self.rows[booking.unit.key] = attrs.evolve(
            row,
            state="DISPATCHED",
            attempt=booking.attempt,
            node=booking.node,
            assigned_at=EPOCH + timedelta(seconds=at),
            lease_until=LEASED,
        )
        return True

    def bar(self, number: int, barred: UUID) -> None:
        """Exclude a node from a job, as after a failed unit."""
        for key, row in self.rows.items():
            if key[0] == job(number):
                self.rows[key] = attrs.evolve(row, barred=row.barred | {barred})


def accept_message(_: Node, __: Message[NodeSession, None]) -> bool:
    return True


class Farm:
    """Several gateways, each with nodes of its own; every unit takes about ten seconds."""

    def __init__(self, books: Books, *, gateways: int = 2, nodes: int = 2, seed: int = 1) -> None:
        self.books = books
        self.now = 0
        self._chance = random.Random(seed)
        self._ends: dict[UnitKey, int] = {}
        self.boards = [SchedulerState(accept_message) for _ in range(gateways)]
        for number, board in enumerate(self.boards):
            board.membership = (number, gateways)
        for number, board in enumerate(self.boards):
            for one in range(nodes):
                served = board.index.node(node(number * nodes + one))
                served.capabilities, served.healthy = frozenset({"render"}), True
                served.session, served.slots = Ref(str(served.id)), SLOTS
                board.index.changed(served)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self._end_some()
            for number, board in enumerate(self.boards):
                if (self.now + 2 * number) % POLL_EVERY == 0:
                    board.reconcile(self.books.open(), EPOCH + timedelta(seconds=self.now))
                self._place(board)

    def _place(self, board: SchedulerState) -> None:
        now = EPOCH + timedelta(seconds=self.now)
        while True:
            given = 0
            placed = list(placement.place(board, now, float(self.now)))
            self._tell_others(board, placed)
            for booking in placed:
                if self.books.commit(booking, self.now):
                    board.confirm(booking, now, 0.0)
                    self._ends[booking.unit.key] = self.now + self._chance.randint(8, 12)
                    given += 1
                else:
                    board.refuse(booking)
            jobs = sorted(board.jobs_to_refill)
            rows = self.books.waiting(jobs, REFILL, board.waiting_keys(jobs))
            board.top_up(jobs, rows, now)
            if not rows and not given:
                return

    def _tell_others(self, board: SchedulerState, placed: list[AssignmentTag]) -> None:
        """Tell the other gateways about the placements; one hint in ten is lost."""
        claims = [(*booking.unit.key, booking.attempt) for booking in placed]
        for other in self.boards:
            if other is not board and self._chance.random() > LOST:
                other.note_claims(claims, EPOCH + timedelta(seconds=self.now))

    def _end_some(self) -> None:
        for key in [key for key, at in self._ends.items() if at <= self.now]:
            del self._ends[key]
            row = self.books.rows.pop(key)
            state = UnitState(*key, "COMPLETED", row.attempt, row.node, "RUNNING")
            for board in self.boards:
                if row.node is not None and board.serves(row.node):
                    board.apply(state)


@pytest.mark.parametrize("frames", [1, 4000])
def test_gateways_hardly_ever_claim_what_another_one_did(frames: int) -> None:
    books = Books()
    for number in range(4000 // frames):
        books.order(number, user=number % 5, frames=frames)
    Farm(books).run(30)
    assert len(books.given) > 800
    assert books.refused < len(books.given) / 10  # without hints, over half are refused


def shares(books: Books, until: int) -> Counter[UUID]:
    """Return the number of units of each job that were placed by the tick ``until``."""
    return Counter(of for at, of, _ in books.given if at <= until)


@pytest.mark.parametrize("seed", [1, 2])
def test_users_have_shares_by_weight_over_all_gateways(seed: int) -> None:
    books = Books()
    for number, priority in enumerate((-1, 0, 1)):
        books.order(number, user=number, frames=2500, priority=priority)
    farm = Farm(books, seed=seed)
    farm.run(30)
    assert all(farm.books.waiting([job(number)], 1) for number in range(3)), "all three jobs wait"
    given = shares(books, 30)
    assert given[job(1)] == pytest.approx(2 * given[job(0)], rel=0.15)
    assert given[job(2)] == pytest.approx(4 * given[job(0)], rel=0.15)


def test_of_one_user_the_greater_priority_is_first_over_all_gateways() -> None:
    books = Books()
    books.order(0, user=1, frames=2500)
    farm = Farm(books)
    farm.run(10)
    books.order(1, user=1, frames=300, priority=1)
    farm.run(2 * POLL_EVERY)
    late = [of for at, of, _ in books.given if at > 10 + POLL_EVERY]
    assert late[:1] == [job(1)]
    assert set(late[: late.count(job(1))]) == {job(1)}


def test_a_node_that_failed_a_job_gets_none_of_it_by_any_gateway() -> None:
    books = Books()
    books.order(0, user=1, frames=2000)
    books.order(1, user=2, frames=2000)
    farm = Farm(books)
    farm.run(10)
    books.bar(0, node(3))
    farm.run(20)
    after = [(of, who) for at, of, who in books.given if at > 10 + POLL_EVERY]
    assert (job(0), node(3)) not in after
    assert (job(1), node(3)) in after, "the node gets the other job's work"
    assert {who for of, who in after if of == job(0)} == {node(0), node(1), node(2)}


def test_no_gateway_claims_more_than_its_nodes_need_for_now() -> None:
    books = Books()
    books.order(0, user=1, frames=5000)
    farm = Farm(books)
    farm.run(20)
    held = Counter(row.node for row in books.rows.values() if row.node is not None)
    assert set(held) == {node(number) for number in range(4)}
    assert max(held.values()) <= DEPTH * SLOTS
    assert min(held.values()) >= SLOTS, "all slots of the nodes have work"
