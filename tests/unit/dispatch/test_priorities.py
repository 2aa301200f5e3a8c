"""A user's units are placed by priority, wherever the user's other units wait."""

from typing import Any
from uuid import UUID

import attrs

from actors.node_session.messages import Promote
from actors.scheduler import placement
from actors.scheduler.state import REFILL, WINDOW, SchedulerState
from actors.scheduler.units import AssignmentTag
from rendertrust.protocol import Ack, JobDispatch
from sql.units import OpenUnit
from tests.twins.clock import EPOCH
from tests.unit.dispatch.session_stage import result, session
from tests.unit.dispatch.stage import JOB, NODE, OTHER, node_row, open_unit, state_of
from tests.unit.dispatch.test_session_fair_order import ANNA, jobs
from tests.unit.dispatch.test_state import MessageRecorder, board_with
from tests.unit.simulated_time import simulated

LOW, HIGH = -1, 1


def units_of(job: UUID, many: int, *, priority: int = 0, first: int = 0) -> list[OpenUnit]:
    """Return waiting units of one job."""
    row = attrs.evolve(open_unit(job), user=ANNA, priority=priority, units=many + first)
    return [attrs.evolve(row, number=n, place=n) for n in range(first, first + many)]


def given_to(node: UUID, many: int, *, first: int = 0, **of: Any) -> list[OpenUnit]:
    """Return single-unit jobs that a node already has."""
    rows = (
        open_unit(unit.job, state="DISPATCHED", attempt=1, node=node, queued_at=unit.queued_at)
        for unit in jobs(ANNA, many, first=first)
    )
    return [attrs.evolve(row, user=ANNA, **of) for row in rows]


def with_slots(*nodes: UUID, slots: int = 1) -> tuple[SchedulerState, MessageRecorder]:
    board, heard = board_with(*(node_row(node) for node in nodes))
    for name in nodes:
        node = board.index.node(name)
        node.slots = slots
        board.index.changed(node)
    return board, heard


def placed(board: SchedulerState) -> list[AssignmentTag]:
    """Place and confirm all units that can be placed now."""
    found = list(placement.place(board, EPOCH, 0.0))
    for booking in found:
        board.confirm(booking, EPOCH, 0.0)
    return found


# -- units that nodes already have


def test_a_greater_priority_does_not_wait_for_the_end_of_ones_own_backlog() -> None:
    """The node gets one high-priority unit at a time; its session sends that unit before the
    backlog.
    """
    board, _ = with_slots(NODE)
    board.reconcile([*given_to(NODE, 9, priority=LOW), *units_of(JOB, 5, priority=HIGH)], EPOCH)
    for number in range(5):
        [booking] = placed(board)
        assert (booking.unit.job, booking.unit.number) == (JOB, number)
        assert not placed(board), "one unit of the high priority waits at the node already"
        board.apply(attrs.evolve(state_of("RUNNING", JOB), unit=number))


def test_it_is_the_same_at_each_node_that_was_given_more() -> None:
    board, _ = with_slots(NODE, OTHER)
    backlogs = [*given_to(NODE, 4, priority=LOW), *given_to(OTHER, 9, first=50, priority=LOW)]
    board.reconcile([*backlogs, *units_of(JOB, 5, priority=HIGH)], EPOCH)
    assert {booking.node for booking in placed(board)} == {NODE, OTHER}


def test_a_node_of_several_slots_has_one_for_each() -> None:
    board, _ = with_slots(NODE, slots=3)
    board.reconcile([*given_to(NODE, 9, priority=LOW), *units_of(JOB, 5, priority=HIGH)], EPOCH)
    assert len(placed(board)) == 3


def test_a_greater_priority_goes_before_what_just_fills_the_node() -> None:
    board, _ = with_slots(NODE)
    board.reconcile([*given_to(NODE, 2, priority=LOW), *units_of(JOB, 5, priority=HIGH)], EPOCH)
    assert [booking.unit.number for booking in placed(board)] == [0]


def test_of_jobs_of_one_priority_the_older_one_is_done_first() -> None:
    board, _ = with_slots(NODE)
    board.reconcile([*units_of(JOB, 5), *given_to(NODE, 9, first=1)], EPOCH)
    assert [booking.unit.job for booking in placed(board)] == [JOB]


def test_what_comes_later_in_turn_waits_in_the_queue() -> None:
    board, _ = with_slots(NODE)
    board.reconcile([*given_to(NODE, 9, priority=HIGH), *units_of(JOB, 5, priority=LOW)], EPOCH)
    assert not placed(board)


# -- raised priorities


def low_and_raised() -> tuple[SchedulerState, list[OpenUnit]]:
    """Return a state in which a job, larger than one reading, was raised to high priority."""
    board, _ = with_slots(NODE)
    rows = units_of(JOB, 40, priority=LOW)
    board.reconcile(rows[:WINDOW], EPOCH)
    board.top_up([JOB], rows[WINDOW:], EPOCH)
    raised = [attrs.evolve(row, priority=HIGH) for row in rows]
    board.reconcile(raised[:WINDOW], EPOCH)
    return board, raised


def test_a_raised_priority_is_read_for_all_units_that_wait() -> None:
    board, raised = low_and_raised()
    assert board.jobs_to_refill == {JOB}
    assert len(board.waiting_keys([JOB])) == WINDOW
    board.top_up([JOB], raised[WINDOW:], EPOCH)
    assert {unit.priority for unit in board.units.of(JOB)} == {HIGH}
    assert len(board.units.of(JOB)) == 40


def test_what_is_read_anew_is_placed_once() -> None:
    board, raised = low_and_raised()
    board.top_up([JOB], raised[WINDOW:], EPOCH)
    numbers = list[int]()
    while found := placed(board):
        for booking in found:
            numbers.append(booking.unit.number)
            done = attrs.evolve(state_of("COMPLETED", JOB), unit=booking.unit.number)
            board.apply(done)
    assert numbers == list(range(40))


def test_old_places_do_not_count_as_units_that_wait() -> None:
    """A job is read on when few of its units are left, however often its priority changed."""
    board, raised = low_and_raised()
    more = units_of(JOB, REFILL, priority=HIGH, first=WINDOW)
    board.top_up([JOB], more, EPOCH)
    assert not board.jobs_to_refill
    for booking in (found for _ in range(WINDOW + REFILL) for found in placed(board)):
        board.apply(attrs.evolve(state_of("COMPLETED", JOB), unit=booking.unit.number))
    assert board.jobs_to_refill == {JOB}
    assert raised[0].priority == HIGH


@simulated
async def test_a_priority_that_comes_when_the_unit_is_done_sends_nothing_again() -> None:
    unit, other = jobs(ANNA, 2)
    async with session() as play:
        await play.greeted(unit)
        await play.socket.expect(JobDispatch)
        play.hear(attrs.evolve(result(status="failed", error="x"), job_id=str(unit.job)))
        await play.effect()
        await play.socket.expect(Ack)
        play.ref.tell(Promote(unit.job, unit.number, unit.attempt, HIGH))
        play.send(other)
        assert (await play.socket.expect(JobDispatch)).job_id == str(other.job)
