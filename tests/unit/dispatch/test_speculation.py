"""Stragglers, and their speculative copies on other nodes."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import UnitCopy
from actors.ledger.messages import GuardFailed, Posted, RowState, UnitState
from actors.node_session.messages import Send, Withdraw
from actors.scheduler import speculation
from actors.scheduler.speculation import (
    late,
    stragglers,
    straggles,
)
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import Unit, commit_of_waiting, is_committed, of_row
from config.settings import Scheduling
from rendertrust.job_status import UnitStatus
from sql.units import OpenUnit, UnitDuration, UnitDurations, frames_of, paces
from tests.support.probe import Probe
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, JOB2, NODE, OTHER, THIRD, node_row, open_unit, state_of
from tests.unit.dispatch.test_state import MessageRecorder, board_with

MINUTE = EPOCH + timedelta(seconds=60)
USUAL = Scheduling()
SECONDS = st.floats(0.1, 10_000)


def row(
    state: UnitStatus = "RUNNING",
    job: UUID = JOB,
    attempt: int = 1,
    node: UUID | None = NODE,
    **of: Any,
) -> OpenUnit:
    found = open_unit(job, state=state, attempt=attempt, node=node)
    return attrs.evolve(found, **{"units": 9, "frames": "5", **of})


def two_nodes() -> tuple[SchedulerState, MessageRecorder]:
    """Return a state with a node that runs the job's last unit, and an idle node."""
    board, heard = board_with(node_row(NODE), node_row(OTHER))
    for node in board.index:
        node.slots = 1
        board.index.changed(node)
    board.reconcile([row()], EPOCH)
    heard.clear()
    return board, heard


def copied(board: SchedulerState, heard: MessageRecorder) -> None:
    """Reserve and confirm a copy of the unit."""
    (unit,) = speculation.late_units(board, MINUTE, USUAL)
    booking = speculation.reserve_copy(board, unit, 0.0)
    assert booking is not None
    board.confirm(booking, MINUTE, 0.0)
    heard.clear()


def working(board: SchedulerState) -> dict[UUID, int]:
    return {node.id: len(node.assigned) for node in board.index}


# -- stragglers


@given(SECONDS, st.integers(1, 64), SECONDS, st.integers(0, 20))
def test_a_straggler_took_far_longer_than_half_of_the_others(
    seconds: float, frames: int, pace: float, done: int
) -> None:
    found = straggles(seconds, frames, UnitDurations(done, pace), USUAL)
    wanted = done >= 3 and seconds >= 10 and seconds >= 2 * pace * frames
    assert found == wanted


def test_nobody_straggles_where_nobody_can_tell() -> None:
    assert not straggles(1e9, 1, None, USUAL)
    assert not straggles(1e9, 1, UnitDurations(9, 1.0), Scheduling(straggler_times=0))


@given(st.lists(st.tuples(st.integers(1, 10), SECONDS), min_size=1, max_size=30))
def test_a_chunk_counts_by_its_frames(units: list[tuple[int, float]]) -> None:
    done = [UnitDuration(JOB, f"1-{n}" if n > 1 else "1", False, n * each) for n, each in units]
    (pace,) = paces(done).values()
    assert pace.done == len(units)
    each = sorted(seconds for _, seconds in units)
    assert each[0] * 0.999 <= pace.seconds <= each[-1] * 1.001


def test_tiles_have_a_pace_of_their_own() -> None:
    done = [
        UnitDuration(JOB, "1", True, 8.0),
        UnitDuration(JOB, "1", False, 1.0),
        UnitDuration(JOB2, "1", True, 5.0),
    ]
    found = {alike: pace.seconds for alike, pace in paces(done).items()}
    assert found == {(JOB, True): 8.0, (JOB, False): 1.0, (JOB2, True): 5.0}


def test_frames_are_counted() -> None:
    assert [frames_of(text) for text in (None, "7", "1-10", "1-10x3")] == [1, 1, 10, 4]


def units(*rows: OpenUnit) -> list[Unit]:
    return [of_row(each) for each in rows]


def found_late(*rows: OpenUnit, more: tuple[UUID, ...] = (), patience: Scheduling = USUAL) -> int:
    known = units(*rows)
    for unit in known:
        unit.is_at_session = True
    return len(late(known, more, MINUTE, patience))


def test_only_near_the_end_of_a_job_anybody_is_late() -> None:
    assert found_late(row()) == 1
    assert found_late(row("DISPATCHED")) == 1, "a unit that waits at a slow node is late, too"
    assert found_late(row(), row("QUEUED", attempt=0, node=None, number=1)) == 0
    assert found_late(row(), row("QUEUED", JOB2, attempt=0, node=None)) == 1
    assert found_late(row(), more=(JOB,)) == 0
    assert found_late(row(units=1)) == 0, "the job has no other units"
    assert found_late(row(assigned_at=MINUTE - timedelta(seconds=9))) == 0
    assert found_late(row(started_at=MINUTE - timedelta(seconds=9))) == 0
    assert found_late(row(), patience=Scheduling(straggler_times=0)) == 0


def test_who_is_longest_at_work_comes_first() -> None:
    old = row(number=3)
    new = row(number=1, assigned_at=EPOCH + timedelta(seconds=20))
    pace = {(JOB, False): UnitDurations(5, 1.0)}
    found = stragglers(units(new, old), pace, MINUTE, USUAL)
    assert [unit.number for unit in found] == [3, 1]


# -- the copy


def test_an_idle_node_is_given_the_unit_too_and_both_keep_it() -> None:
    board, heard = two_nodes()
    (unit,) = speculation.late_units(board, MINUTE, USUAL)
    booking = speculation.reserve_copy(board, unit, 0.0)
    assert booking is not None
    assert (booking.node, booking.attempt, booking.beside) == (OTHER, 2, 1)
    commit = commit_of_waiting(booking, Probe[Any]("scheduler").ref)
    assert commit.effects == (UnitCopy(JOB, 0, 2, OTHER, 1),)
    assert speculation.late_units(board, MINUTE, USUAL) == [], "a unit has one copy at most"
    board.confirm(booking, MINUTE, 0.0)
    ((node, sent),) = heard
    assert (node, sent.assignment.attempt) == (OTHER, 2)
    assert isinstance(sent, Send)
    assert working(board) == {NODE: 1, OTHER: 1}


def test_a_booking_holds_where_the_copy_stands_in_the_books() -> None:
    board, _ = two_nodes()
    (unit,) = speculation.late_units(board, MINUTE, USUAL)
    booking = speculation.reserve_copy(board, unit, 0.0)
    assert booking is not None
    first = UnitState(JOB, 0, "RUNNING", 1, NODE, "RUNNING")
    assert is_committed(booking, Posted(units=(attrs.evolve(first, copied=2, copy_node=OTHER),)))
    assert not is_committed(booking, Posted(units=(first,)))
    assert not is_committed(booking, GuardFailed("UnitCopy", RowState.COMPLETED))
    board.refuse(booking)
    assert working(board) == {NODE: 1, OTHER: 0}
    assert len(speculation.late_units(board, MINUTE, USUAL)) == 1


def test_an_unanswered_copy_gives_its_slot_back() -> None:
    board, _ = two_nodes()
    (unit,) = speculation.late_units(board, MINUTE, USUAL)
    assert speculation.reserve_copy(board, unit, 0.0) is not None
    assert board.expire(MINUTE, 1e9)
    assert (working(board), board.copies) == ({NODE: 1, OTHER: 0}, {})


def test_there_is_no_copy_where_no_other_node_is_idle() -> None:
    board, _ = two_nodes()
    (unit,) = speculation.late_units(board, MINUTE, USUAL)
    unit.barred = frozenset({OTHER})
    assert speculation.reserve_copy(board, unit, 0.0) is None
    unit.barred = frozenset()
    other = board.index.node(OTHER)
    board.index.take(other, (JOB2, 0))
    assert speculation.reserve_copy(board, unit, 0.0) is None
    assert speculation.late_units(board, MINUTE, USUAL) == [], "no node is idle"


def test_when_the_first_is_done_the_copy_is_taken_back() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    board.apply(attrs.evolve(state_of("COMPLETED"), copied=2))
    assert heard == [(OTHER, Withdraw(JOB, 0, 2))]
    assert (working(board), board.copies) == ({NODE: 0, OTHER: 0}, {})


def test_when_the_copy_is_done_the_first_is_taken_back() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    board.apply(attrs.evolve(state_of("COMPLETED", attempt=2, node=OTHER), copied=2))
    assert heard == [(NODE, Withdraw(JOB, 0, 1))]
    assert (working(board), board.copies) == ({NODE: 0, OTHER: 0}, {})


def test_when_the_first_fails_the_copy_is_the_unit() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    board.apply(attrs.evolve(state_of("RUNNING", attempt=2, node=OTHER), copied=2))
    assert heard == [(NODE, Withdraw(JOB, 0, 1))]
    assert (board.units[JOB, 0].attempt, board.copies) == (2, {})
    assert working(board) == {NODE: 0, OTHER: 1}


def test_when_the_copy_fails_its_number_is_not_used_again() -> None:
    board, heard = two_nodes()
    board.refresh([node_row(NODE), node_row(OTHER), node_row(THIRD)], 0.0)
    third = board.index.node(THIRD)
    third.session, third.slots = board.index.node(NODE).session, 1
    board.index.changed(third)
    copied(board, heard)
    board.apply(attrs.evolve(state_of("RUNNING"), copied=2))
    assert heard == [(OTHER, Withdraw(JOB, 0, 2))]
    (unit,) = speculation.late_units(board, MINUTE, USUAL)
    again = speculation.reserve_copy(board, unit, 0.0)
    assert again is not None
    assert again.attempt == 3


def test_what_was_said_before_the_copy_was_made_does_not_end_it() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    assert not board.apply(state_of("RUNNING"))
    assert (heard, len(board.copies)) == ([], 1)


def test_when_the_first_delivers_the_copy_goes_on_until_its_verdict() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    waits = attrs.evolve(state_of("VERIFYING"), copied=2, copy_node=OTHER)
    board.apply(waits)
    assert (heard, working(board)) == ([], {NODE: 0, OTHER: 1})
    board.apply(attrs.evolve(waits, state="COMPLETED", copy_node=None))
    assert heard == [(OTHER, Withdraw(JOB, 0, 2))]
    assert (working(board), board.copies) == ({NODE: 0, OTHER: 0}, {})


def test_when_what_the_first_delivered_falls_the_copy_is_the_unit() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    board.apply(attrs.evolve(state_of("VERIFYING"), copied=2, copy_node=OTHER))
    board.apply(attrs.evolve(state_of("RUNNING", attempt=2, node=OTHER), copied=2))
    assert (heard, working(board)) == ([], {NODE: 0, OTHER: 1})
    assert (board.units[JOB, 0].attempt, board.copies) == (2, {})


def test_when_the_copy_delivers_the_first_goes_on_until_its_verdict() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    waits = attrs.evolve(state_of("RUNNING"), copied=2, answered=True)
    board.apply(waits)
    assert heard == [(OTHER, Withdraw(JOB, 0, 2))]  # the session has already dropped the copy
    assert (working(board), speculation.late_units(board, MINUTE, USUAL)) == (
        {NODE: 1, OTHER: 0},
        [],
    )
    board.reconcile([row(copied=2, answered=True)], MINUTE)
    assert speculation.late_units(board, MINUTE, USUAL) == []
    heard.clear()
    board.apply(attrs.evolve(state_of("COMPLETED", attempt=2, node=OTHER), copied=2))
    assert heard == [(NODE, Withdraw(JOB, 0, 1))]
    assert working(board) == {NODE: 0, OTHER: 0}


def test_when_what_the_copy_delivered_falls_another_may_be_made() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    board.apply(attrs.evolve(state_of("RUNNING"), copied=2, answered=True))
    board.apply(attrs.evolve(state_of("RUNNING"), copied=2))
    (unit,) = speculation.late_units(board, MINUTE, USUAL)
    assert unit.next_attempt == 3


# -- what the database says


def copy_row(**of: Any) -> OpenUnit:
    return row("DISPATCHED", attempt=2, node=OTHER, copied=2, is_copy=True, **of)


def test_both_attempts_are_read_after_a_restart() -> None:
    board, heard = board_with(node_row(NODE), node_row(OTHER))
    board.reconcile([row(copied=2), copy_row()], MINUTE)
    assert {(node, sent.assignment.attempt) for node, sent in heard} == {(NODE, 1), (OTHER, 2)}
    assert working(board) == {NODE: 1, OTHER: 1}
    heard.clear()
    for node in board.index:
        board.fall_behind(node)
    board.catch_up()
    said = {node: [u.attempt for u in message.units] for node, message in heard}
    assert said == {NODE: [1], OTHER: [2]}


def test_a_copy_that_ended_elsewhere_is_taken_back() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    board.reconcile([row(copied=2)], MINUTE)
    assert heard == [(OTHER, Withdraw(JOB, 0, 2))]
    assert board.copies == {}


def test_a_copy_that_took_over_elsewhere_stays_where_it_is() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    board.reconcile([row(attempt=2, node=OTHER, copied=2)], MINUTE)
    assert heard == [(NODE, Withdraw(JOB, 0, 1))]
    assert (board.units[JOB, 0].attempt, board.copies) == (2, {})
    assert working(board) == {NODE: 0, OTHER: 1}


def test_a_job_that_ended_elsewhere_is_taken_from_both() -> None:
    board, heard = two_nodes()
    copied(board, heard)
    board.reconcile([], MINUTE)
    assert {node for node, _ in heard} == {NODE, OTHER}
    assert (dict(board.units), board.copies) == ({}, {})
    assert working(board) == {NODE: 0, OTHER: 0}
