"""Fair shares of users by weight; within a user priority, age and turn."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Message, Ref
from actors.node_session.messages import NodeSession
from actors.scheduler import placement
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import DEPTH, Node
from actors.scheduler.policy import turn
from actors.scheduler.queues import FEW, UnitQueue
from actors.scheduler.state import REFILL, WINDOW, SchedulerState
from actors.scheduler.units import AssignmentTag, PlacementRequest, Unit
from sql.job_plan import NewUnit
from sql.units import OpenUnit
from tests.support.plans import planned
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import (
    JOB,
    NODE,
    USER,
    insert,
    node_row,
    open_unit,
    state_of,
    with_plan,
)

PIECE = NewUnit(0)
ANYWHERE = Node(NODE)
USERS = [UUID(int=100 + number) for number in range(3)]


@st.composite
def waiting(draw: st.DrawFn) -> list[Unit]:
    found: list[Unit] = []
    for job in range(draw(st.integers(1, 5))):
        user, priority = draw(st.sampled_from(USERS)), draw(st.integers(-1, 1))
        at = EPOCH + timedelta(seconds=draw(st.integers(0, 5)))
        places = draw(st.permutations(range(draw(st.integers(1, 6)))))
        for number, place in enumerate(places):
            unit = Unit(UUID(int=job), number, user, planned(), at, state="QUEUED")
            unit.place, unit.priority = place, priority
            found.append(unit)
    return found


def anywhere(demand: PlacementRequest, avoid: frozenset[UUID], failed: frozenset[UUID], /) -> Node:
    return ANYWHERE


def take(node: Node, message: Message[NodeSession, None]) -> bool:
    return True


def rank(unit: Unit) -> tuple[object, ...]:
    return (-unit.priority, unit.queued_at, unit.job.int, unit.place)


@given(waiting(), st.dictionaries(st.sampled_from(USERS), st.integers(1, 4)), st.randoms())
def test_who_would_have_least_by_weight_is_next_and_priority_orders_his_own(
    units: list[Unit], had: dict[UUID, int], random: object
) -> None:
    queue = UnitQueue()
    for user, count in had.items():
        queue.share(user, count)
    for unit in units:
        queue.add(unit, EPOCH)
    left, shares = list(units), Counter(had)
    for unit, _ in queue.placeable(anywhere):
        firsts = [
            min((u for u in left if u.user == user), key=rank) for user in {u.user for u in left}
        ]
        best = min(turn(u.priority, shares[u.user], u.queued_at) for u in firsts)
        assert turn(unit.priority, shares[unit.user], unit.queued_at) == best
        assert unit in firsts
        left.remove(unit)
        shares[unit.user] += 1
        queue.share(unit.user, +1)
    assert left == []


def test_a_newcomer_of_few_frames_goes_before_the_rest_of_a_long_job() -> None:
    queue = UnitQueue()
    for number in range(50):
        long = Unit(JOB, number, USERS[0], planned(), EPOCH, state="QUEUED")
        long.place = number
        queue.add(long, EPOCH)
    queue.share(USERS[0], 6)
    for number in range(3):
        short = Unit(UUID(int=7), number, USERS[1], planned(), EPOCH, state="QUEUED")
        queue.add(short, EPOCH)
    placed: list[UUID] = []
    for unit, _ in queue.placeable(anywhere):
        placed.append(unit.user)
        queue.share(unit.user, +1)
    assert placed[:3] == [USERS[1]] * 3


def rows_of(count: int, start: int = 0, job: UUID = JOB) -> list[OpenUnit]:
    return [
        attrs.evolve(open_unit(job), number=number, place=number, units=1000)
        for number in range(start, start + count)
    ]


def board_with(slots: int = 1, nodes: int = 1) -> SchedulerState:
    board = SchedulerState(take)
    board.refresh([node_row(UUID(int=n + 1)) for n in range(nodes)], 0.0)
    for node in board.index:
        node.session, node.slots = Ref("session"), slots
        board.index.changed(node)
    return board


def place(board: SchedulerState) -> list[AssignmentTag]:
    return list(placement.place(board, EPOCH, 0.0))


def test_nodes_are_given_what_they_need_for_now_and_no_more() -> None:
    board = board_with(slots=2, nodes=3)
    board.reconcile(rows_of(WINDOW), EPOCH)
    bookings = place(board)
    assert Counter(b.node for b in bookings) == {UUID(int=n): 2 * DEPTH for n in (1, 2, 3)}
    assert [b.unit.number for b in bookings] == list(range(12))
    board.confirm(bookings[0], EPOCH, 0.0)
    board.apply(attrs.evolve(state_of("COMPLETED"), unit=0))
    assert [b.unit.number for b in place(board)] == [12]


def test_a_long_job_is_read_piece_by_piece() -> None:
    board = board_with(slots=REFILL, nodes=1)
    board.reconcile(rows_of(WINDOW), EPOCH)
    assert not board.jobs_to_refill
    place(board)
    assert board.jobs_to_refill == {JOB}
    board.top_up(board.jobs_to_refill, rows_of(REFILL, WINDOW), EPOCH)
    assert not board.jobs_to_refill
    assert len(place(board)) == REFILL
    assert board.jobs_to_refill == {JOB}
    board.top_up(board.jobs_to_refill, rows_of(3, WINDOW + REFILL), EPOCH)
    assert len(place(board)) == 3
    assert not board.jobs_to_refill  # fewer units came than were asked for, so there are no more


def test_what_was_read_beyond_the_window_stays_until_the_job_is_another() -> None:
    board = board_with(slots=1)
    board.reconcile(rows_of(WINDOW), EPOCH)
    board.top_up({JOB}, rows_of(40), EPOCH)
    assert len(board.units) == 40
    board.reconcile(rows_of(WINDOW), EPOCH)
    assert len(board.units) == 40
    higher = [attrs.evolve(row, priority=1) for row in rows_of(WINDOW)]
    board.reconcile(higher, EPOCH)
    assert len(board.units) == WINDOW
    board.reconcile([], EPOCH)  # as if the job were paused
    assert len(board.units) == 0


def test_what_is_being_placed_stays_however_the_books_still_show_it() -> None:
    board = board_with(slots=REFILL)
    board.top_up({JOB}, rows_of(REFILL), EPOCH)
    placed = place(board)
    assert len(placed) == REFILL
    for rows in (rows_of(WINDOW), []):  # first no unit is committed, then all are complete
        board.reconcile(rows, EPOCH)
        assert set(board.waiting_keys({JOB})) == {booking.unit.key for booking in placed}
    board.refuse(placed[0])
    board.reconcile([], EPOCH)
    assert placed[0].unit.key not in board.units


def test_what_is_in_line_is_not_read_again() -> None:
    board = board_with(slots=2)
    board.top_up({JOB}, rows_of(REFILL), EPOCH)
    placed = place(board)
    assert len(placed) == 2 * DEPTH
    assert set(board.waiting_keys({JOB})) == {(JOB, number) for number in range(REFILL)}
    board.confirm(placed[0], EPOCH, 0.0)  # a unit that a node has is no waiting unit
    board.refuse(placed[1])  # the unit's state in the database is unknown
    assert set(board.waiting_keys({JOB})) == {(JOB, number) for number in range(2, REFILL)}
    assert board.waiting_keys({UUID(int=7)}) == []


def test_a_unit_that_waits_again_is_found_before_those_in_line() -> None:
    board = board_with(slots=2)
    board.top_up({JOB}, rows_of(REFILL), EPOCH)
    first = place(board)[0]
    board.confirm(first, EPOCH, 0.0)
    board.apply(attrs.evolve(state_of("QUEUED"), unit=first.unit.number))
    assert board.jobs_to_refill == {JOB}
    assert first.unit.key not in board.waiting_keys({JOB})
    board.top_up({JOB}, rows_of(1, first.unit.number), EPOCH)
    assert not board.jobs_to_refill
    assert [booking.unit.key for booking in place(board)] == [first.unit.key]


def test_a_job_of_many_units_waits_where_others_are_refused() -> None:
    board = board_with()
    node = board.index.node(UUID(int=1))
    node.assigned |= {(UUID(int=9), number) for number in range(100)}
    board.index.changed(node)
    assert isinstance(placement.reserve(board, insert(), EPOCH, 0.0), AllNodesFull)
    many = with_plan(insert(), units=(PIECE, PIECE))
    booking = placement.reserve(board, many, EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    assert booking.node is None
    nowhere = SchedulerState(take)
    assert isinstance(placement.reserve(nowhere, many, EPOCH, 0.0), NoCapableNode)


def test_the_rest_of_a_new_job_is_asked_for_at_once() -> None:
    board = board_with()
    booking = placement.reserve(board, with_plan(insert(), units=(PIECE,) * (FEW + 1)), EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    board.confirm(booking, EPOCH, 0.0)
    assert board.jobs_to_refill == {JOB}
    assert board.queue.shares == {USER: 1}


def test_a_node_that_failed_one_unit_is_given_another_of_the_job_last() -> None:
    board = board_with(nodes=2, slots=4)
    barred = frozenset({UUID(int=1)})
    board.reconcile([attrs.evolve(row, barred=barred) for row in rows_of(12)], EPOCH)
    assert {booking.node for booking in place(board)} == {UUID(int=2)}


def test_a_client_of_the_reference_is_not_given_one_of_many_units() -> None:
    board = board_with(nodes=2)
    plain = board.index.node(UUID(int=1))
    plain.slots = None
    board.index.changed(plain)
    single = attrs.evolve(open_unit(UUID(int=5)), units=1)
    board.reconcile([*rows_of(4), single], EPOCH)
    found = {(booking.unit.job, booking.node) for booking in place(board)}
    assert found == {(JOB, UUID(int=2)), (UUID(int=5), UUID(int=1))}
    alone = board_with()
    alone.index.node(UUID(int=1)).slots = None
    alone.index.changed(alone.index.node(UUID(int=1)))
    booking = placement.reserve(alone, with_plan(insert(), units=(PIECE, PIECE)), EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    assert booking.node is None  # the node may still say hello
