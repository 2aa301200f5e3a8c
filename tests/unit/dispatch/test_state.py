"""The Scheduler's state, and how it follows messages and readings of the database."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.node_session.messages import Assignments, Recall, Send, Withdraw
from actors.scheduler import placement
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import BACKLOG, Node
from actors.scheduler.placement import NEW_JOB_SECONDS
from actors.scheduler.state import CLAIMED, SchedulerState
from actors.scheduler.units import AssignmentTag
from sql.nodes import StandingRecord
from sql.units import PartResult
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import (
    JOB,
    JOB2,
    NODE,
    OTHER,
    OWNER,
    USER,
    insert,
    node_row,
    open_unit,
    state_of,
)

SESSION: Ref[Any] = Ref("session")
HOUR = 3600.0


class MessageRecorder(list[Any]):
    """Recorder of the messages to sessions; while ``deaf`` it refuses them."""

    deaf = False

    def say(self, node: Node, message: Any) -> bool:
        if not self.deaf:
            self.append((node.id, message))
        return not self.deaf


def board_with(*nodes: Any, session: bool = True) -> tuple[SchedulerState, MessageRecorder]:
    heard = MessageRecorder()
    board = SchedulerState(heard.say)
    board.refresh(nodes or (node_row(),), 0.0)
    for node in board.index:
        node.session = SESSION if session else None
        board.index.changed(node)
    return board, heard


def booked(board: SchedulerState, **changes: Any) -> AssignmentTag:
    booking = placement.reserve(board, insert(**changes), EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    return booking


def taken(board: SchedulerState, node: Any = NODE) -> int:
    found = board.index.get(node)
    assert found is not None
    return len(found.assigned)


def test_a_booking_takes_a_slot_and_is_sent_when_it_is_confirmed() -> None:
    board, heard = board_with()
    booking = booked(board)
    assert (taken(board), heard) == (1, [])
    board.confirm(booking, EPOCH, 0.0)
    [(node, sent)] = heard
    assert node == NODE
    assert isinstance(sent, Send)
    assert (sent.assignment.job, sent.assignment.attempt) == (JOB, 1)


def test_a_refused_booking_gives_its_slot_back() -> None:
    board, heard = board_with()
    board.refuse(booked(board))
    assert (taken(board), dict(board.units), heard) == (0, {}, [])


def test_a_booking_that_is_never_answered_gives_its_slot_back() -> None:
    board, _ = board_with()
    for number in range(BACKLOG):
        booked(board, job=type(JOB)(int=number))
    assert placement.reserve(board, insert(), EPOCH, 1.0) == AllNodesFull()
    assert isinstance(placement.reserve(board, insert(), EPOCH, NEW_JOB_SECONDS), AssignmentTag)
    assert taken(board) == 1


def test_a_confirmation_that_comes_after_all_is_taken() -> None:
    board, heard = board_with()
    booking = booked(board)
    board.expire(EPOCH, NEW_JOB_SECONDS)
    board.confirm(booking, EPOCH, 0.0)
    assert taken(board) == 1
    assert isinstance(heard[0][1], Send)


def test_a_confirmation_of_an_earlier_instance_is_taken() -> None:
    before, _ = board_with()
    booking = booked(before)
    after, heard = board_with()
    after.confirm(booking, EPOCH, 0.0)
    assert taken(after) == 1
    assert isinstance(heard[0][1], Send)


def test_no_capable_node_is_said_or_queued_as_the_order_wishes() -> None:
    board, _ = board_with(node_row(NODE, "render"))
    assert placement.reserve(board, insert(), EPOCH, 0.0) == NoCapableNode()
    booking = booked(board, queue=True)
    assert booking.node is None
    board.confirm(booking, EPOCH, 0.0)
    board.refresh([node_row(NODE, "render"), node_row(OTHER, "echo")], 0.0)
    [placed] = list(placement.place(board, EPOCH, 0.0))
    assert (placed.node, placed.attempt) == (OTHER, 1)


def test_where_all_nodes_are_full_those_wait_who_wish_to() -> None:
    board, _ = board_with()
    board.index.node(NODE).assigned |= {(JOB2, n) for n in range(BACKLOG)}
    board.index.changed(board.index.node(NODE))
    assert placement.reserve(board, insert(), EPOCH, 0.0) == AllNodesFull()
    waits = placement.reserve(board, insert(queue=True), EPOCH, 0.0)
    assert isinstance(waits, AssignmentTag)
    assert waits.node is None


def test_a_finished_unit_frees_its_slot_and_its_node_is_not_told() -> None:
    board, heard = board_with()
    board.confirm(booked(board), EPOCH, 0.0)
    assert not board.apply(state_of("RUNNING"))
    assert not board.apply(state_of("COMPLETED"))
    assert (taken(board), dict(board.units), len(heard)) == (0, {}, 1)


def test_a_cancelled_unit_is_withdrawn_from_its_node() -> None:
    board, heard = board_with()
    board.confirm(booked(board), EPOCH, 0.0)
    board.apply(state_of("CANCELLED"))
    assert heard[-1] == (NODE, Withdraw(JOB, 0, 1))


def test_what_a_node_was_given_of_a_paused_job_is_recalled_once() -> None:
    board, heard = board_with()
    board.confirm(booked(board), EPOCH, 0.0)
    board.confirm(booked(board, job=JOB2), EPOCH, 0.0)
    board.pause(JOB)
    assert heard[-1] == (NODE, Recall(JOB, 0, 1))
    row = open_unit(state="DISPATCHED", attempt=1, node=NODE)
    other = open_unit(JOB2, state="DISPATCHED", attempt=1, node=NODE)
    board.reconcile([attrs.evolve(row, paused="owner"), attrs.evolve(other, paused="cap")], EPOCH)
    assert len(heard) == 3
    board.reconcile([row, other], EPOCH)  # the job is resumed before the node has returned the unit
    board.reconcile([attrs.evolve(row, paused="owner"), other], EPOCH)
    assert heard[3:] == [(NODE, Recall(JOB, 0, 1))]


def test_a_session_that_opens_while_a_job_is_paused_hears_that_it_is() -> None:
    board, heard = board_with(session=False)
    row = open_unit(state="DISPATCHED", attempt=1, node=NODE)
    board.reconcile([attrs.evolve(row, paused="owner")], EPOCH)
    node = board.index.node(NODE)
    node.session = SESSION
    board.fall_behind(node)
    board.catch_up()
    [(_, said)] = heard
    assert isinstance(said, Assignments)
    assert [unit.paused for unit in said.units] == [True]


def test_a_late_hint_changes_nothing() -> None:
    board, _ = board_with()
    board.reconcile([open_unit(state="DISPATCHED", attempt=2, node=NODE)], EPOCH)
    assert not board.apply(state_of("RUNNING", attempt=1))
    assert not board.apply(state_of("QUEUED", attempt=1))
    assert board.units[JOB, 0].state == "DISPATCHED"


def test_a_unit_that_is_queued_again_is_read_before_it_is_placed() -> None:
    board, heard = board_with(node_row(NODE), node_row(OTHER))
    board.confirm(booked(board), EPOCH, 0.0)
    assert board.apply(state_of("QUEUED"))
    assert heard[-1] == (NODE, Withdraw(JOB, 0, 1))
    assert list(placement.place(board, EPOCH, 0.0)) == []
    later = EPOCH + timedelta(seconds=2)
    row = open_unit(attempt=1, avoid=frozenset({NODE}), not_before=later)
    board.reconcile([row], EPOCH)
    assert board.queue.due(EPOCH) == later
    assert list(placement.place(board, EPOCH, 0.0)) == []
    assert board.queue.due(later) is None
    [placed] = list(placement.place(board, later, 2.0))
    assert (placed.node, placed.attempt) == (OTHER, 2)


def test_the_database_is_right_about_units_whose_hints_were_lost() -> None:
    board, heard = board_with(node_row(NODE), node_row(OTHER))
    board.confirm(booked(board), EPOCH, 0.0)
    there = {n.id: len(n.assigned) for n in board.index}
    assert there == {NODE: 1, OTHER: 0}
    board.reconcile([open_unit(state="RUNNING", attempt=2, node=OTHER)], EPOCH)
    assert {n.id: len(n.assigned) for n in board.index} == {NODE: 0, OTHER: 1}
    assert heard[-2] == (NODE, Withdraw(JOB, 0, 1))
    assert heard[-1][0] == OTHER
    board.reconcile([], EPOCH)
    assert heard[-1] == (OTHER, Withdraw(JOB, 0, 2))
    assert board.units == {}


def test_reading_that_a_unit_runs_does_not_withdraw_it() -> None:
    board, heard = board_with()
    board.confirm(booked(board), EPOCH, 0.0)
    board.reconcile([open_unit(state="RUNNING", attempt=1, node=NODE)], EPOCH)
    assert len(heard) == 1
    assert board.units[JOB, 0].state == "RUNNING"


def test_a_booking_under_way_outlives_a_reading_without_it() -> None:
    board, _ = board_with()
    booking = booked(board)
    board.reconcile([], EPOCH)
    assert taken(board) == 1
    board.confirm(booking, EPOCH, 0.0)
    assert board.units[JOB, 0].state == "DISPATCHED"


def test_a_booking_that_is_read_before_it_is_confirmed_is_known_once() -> None:
    board, heard = board_with()
    booking = booked(board)
    board.reconcile([open_unit(state="DISPATCHED", attempt=1, node=NODE)], EPOCH)
    board.confirm(booking, EPOCH, 0.0)
    assert taken(board) == 1
    assert [type(message) for _, message in heard] == [Send]


def test_a_session_that_missed_a_message_is_told_everything_when_it_can_be() -> None:
    board, heard = board_with()
    heard.deaf = True
    board.confirm(booked(board), EPOCH, 0.0)
    board.catch_up()
    assert board.is_behind
    heard.deaf = False
    board.apply(state_of("RUNNING"))
    board.catch_up()
    assert not board.is_behind
    [(node, told)] = heard
    assert node == NODE
    assert isinstance(told, Assignments)
    assert [unit.job for unit in told.units] == [JOB]


def test_waiting_units_are_placed_oldest_first_and_none_hides_those_behind_it() -> None:
    board, _ = board_with()
    old = open_unit(JOB2, queued_at=EPOCH)
    young = open_unit(JOB, queued_at=EPOCH + timedelta(seconds=1))
    board.reconcile([young, old], EPOCH)
    assert [b.unit.job for b in placement.place(board, EPOCH, 0.0)] == [JOB2, JOB]


def test_a_placing_that_is_refused_waits_for_the_next_reading() -> None:
    board, _ = board_with()
    board.reconcile([open_unit()], EPOCH)
    [booking] = list(placement.place(board, EPOCH, 0.0))
    board.refuse(booking)
    assert taken(board) == 0
    assert list(placement.place(board, EPOCH, 0.0)) == []
    board.reconcile([open_unit()], EPOCH)
    assert len(list(placement.place(board, EPOCH, 0.0))) == 1


def test_a_node_that_is_healthy_no_more_gets_nothing_and_keeps_its_units() -> None:
    board, _ = board_with(session=False)
    board.confirm(booked(board), EPOCH, 0.0)
    board.refresh([], 0.0)
    assert taken(board) == 1
    assert placement.reserve(board, insert(JOB2), EPOCH, 0.0) == NoCapableNode()


def test_open_jobs_are_counted_for_each_user_from_the_booking_to_the_end() -> None:
    board, _ = board_with()
    booking = booked(board)
    assert (board.units.jobs_of(USER), board.units.jobs_of(OWNER)) == (1, 0)
    board.confirm(booking, EPOCH, 0.0)
    assert board.units.jobs_of(USER) == 1
    board.apply(state_of("COMPLETED"))
    assert board.units.jobs_of(USER) == 0


def test_a_job_that_is_to_queue_is_counted_before_it_is_in_the_books() -> None:
    board, _ = board_with(node_row(NODE, "render"))
    booking = booked(board, queue=True)
    assert board.units.jobs_of(USER) == 1
    board.refuse(booking)
    assert board.units.jobs_of(USER) == 0
    board.confirm(booked(board, queue=True), EPOCH, 0.0)
    assert board.units.jobs_of(USER) == 1


def test_free_jobs_and_kinds_are_counted_for_each_user_as_long_as_they_are_open() -> None:
    board, _ = board_with()
    rows = [
        attrs.evolve(open_unit(JOB, job_type="echo"), units=2),
        attrs.evolve(open_unit(JOB, job_type="echo"), units=2, number=1, price=5),
        open_unit(JOB2, job_type="render"),
        attrs.evolve(open_unit(NODE, job_type="render"), parts=(PartResult(1, 1, None, None),)),
    ]
    units = board.units
    board.reconcile(rows, EPOCH)
    assert (units.jobs_of(USER), units.free_jobs_of(USER)) == (3, 1), (
        "a job with a unit or parts that are paid for is not free"
    )
    assert {kind.job_type for kind in units.kinds_of(USER)} == {"echo", "render"}
    board.reconcile(rows[:1], EPOCH)
    assert (units.jobs_of(USER), units.free_jobs_of(USER)) == (3, 2), "JOB's paid unit is unknown"
    units.forget(JOB2)
    units.forget(NODE)
    assert (units.jobs_of(USER), units.free_jobs_of(USER)) == (1, 1)
    assert {kind.job_type for kind in units.kinds_of(USER)} == {"echo"}
    units.forget(JOB)
    assert units.jobs_of(USER) == 1, "a unit of the job is still known"
    board.reconcile([], EPOCH)
    units.forget(JOB)
    assert (units.free_jobs_of(USER), units.kinds_of(USER)) == (0, frozenset())


def test_a_node_that_is_silent_for_a_day_is_forgotten_unless_something_is_known_of_it() -> None:
    board, _ = board_with(session=False)
    board.note_silent(NODE)
    busy, spoken, there = (board.index.node(UUID(int=900 + n)) for n in range(3))
    board.index.take(busy, (JOB, 0))
    spoken.standing = StandingRecord("QUARANTINED", 1)
    there.session = SESSION
    board.index.cache_affinity.note(NODE, "s3://elsewhere/scene")
    board.forget_silent(0.0)
    board.forget_silent(23 * HOUR)
    assert board.index.get(NODE) is not None
    board.forget_silent(25 * HOUR)
    assert {node.id for node in board.index} == {busy.id, spoken.id, there.id}
    assert isinstance(placement.reserve(board, insert(), EPOCH, 0.0), NoCapableNode)
    board.refresh([node_row()], 25 * HOUR)
    assert booked(board).node == NODE, "the node is known anew when it is back"


def test_a_node_that_is_heard_of_within_the_day_is_kept() -> None:
    board, _ = board_with(session=False)
    for hour in range(0, 72, 6):
        board.refresh([node_row()] if hour % 12 else [], hour * HOUR)
        board.forget_silent(hour * HOUR)
    assert board.index.get(NODE) is not None


def test_one_that_was_to_queue_and_is_never_answered_is_forgotten() -> None:
    board, _ = board_with(node_row(NODE, "render"))
    booked(board, queue=True)
    board.expire(EPOCH, NEW_JOB_SECONDS)
    assert (board.units.jobs_of(USER), dict(board.units)) == (0, {})


def test_a_job_is_open_once_however_many_units_it_has() -> None:
    board, _ = board_with()
    rows = [attrs.evolve(open_unit(), number=number) for number in range(5)]
    board.reconcile(rows, EPOCH)
    assert board.units.jobs_of(USER) == 1
    board.reconcile(rows[:1], EPOCH)
    assert board.units.jobs_of(USER) == 1
    board.reconcile([], EPOCH)
    assert board.units.jobs_of(USER) == 1, "a job without open units may be paused"
    board.apply(state_of("COMPLETED"))
    assert board.units.jobs_of(USER) == 0


def test_a_node_is_told_when_this_gateway_gave_it_a_unit_but_not_of_one_that_was_read() -> None:
    board, heard = board_with()
    board.confirm(booked(board), EPOCH, 7.0)
    board.reconcile([open_unit(), open_unit(JOB2, state="RUNNING", attempt=1, node=NODE)], EPOCH)
    told = [message.assignment for _, message in heard if isinstance(message, Send)]
    assert {unit.job: unit.given_at for unit in told} == {JOB: 7.0, JOB2: None}


def test_a_unit_that_another_gateway_claims_waits_here_no_more() -> None:
    board, _ = board_with()
    board.reconcile([open_unit()], EPOCH)
    board.note_claims([(JOB, 0, 1)], EPOCH)
    assert list(placement.place(board, EPOCH, 0.0)) == []
    board.reconcile([open_unit()], EPOCH)
    assert list(placement.place(board, EPOCH, 0.0)) == [], (
        "the row may be older than the other gateway's commit"
    )
    later = EPOCH + CLAIMED
    board.reconcile([open_unit()], later)
    [booking] = placement.place(board, later, 2.0)
    assert (booking.unit.job, booking.attempt) == (JOB, 1), "the other gateway did not commit"


def test_a_claim_of_an_earlier_attempt_changes_nothing() -> None:
    board, _ = board_with()
    board.reconcile([open_unit(attempt=1)], EPOCH)
    board.note_claims([(JOB, 0, 1)], EPOCH)
    [booking] = placement.place(board, EPOCH, 0.0)
    assert booking.attempt == 2
