"""A node that failed a unit is not chosen for other units of the job."""

from typing import Any

import attrs

from actors.scheduler import placement
from actors.scheduler.state import SchedulerState
from sql.units import OpenUnit
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, NODE, OTHER, THIRD, node_row, open_unit, state_of
from tests.unit.dispatch.test_state import MessageRecorder, board_with

UNITS = 4
# A failed attempt, as the Ledger reports it: the unit waits and has no node.
GIVEN_UP = attrs.evolve(state_of("QUEUED", JOB, node=None), job_status="RUNNING")


def rows(**of: Any) -> list[OpenUnit]:
    return [attrs.evolve(open_unit(JOB), number=n, units=UNITS, **of) for n in range(UNITS)]


def farm(*found: OpenUnit) -> tuple[SchedulerState, MessageRecorder]:
    board, heard = board_with(node_row(), node_row(OTHER), node_row(THIRD))
    for node in board.index:
        node.slots = 1
        board.index.changed(node)
    board.reconcile(found, EPOCH)
    return board, heard


def test_a_node_that_fails_a_unit_is_not_given_the_next_of_its_job_at_once() -> None:
    """The job's other units were read before the failure, so they do not name the node yet."""
    at_work = attrs.evolve(rows()[0], state="RUNNING", attempt=1, node=NODE, assigned_at=EPOCH)
    board, _ = farm(at_work, *rows()[1:])
    board.apply(GIVEN_UP)
    assert NODE not in {booking.node for booking in placement.place(board, EPOCH, 0.0)}
    assert board.waiting_keys(board.jobs_to_refill) == [], "the job's units are read again"


def test_who_was_not_to_blame_gets_the_next_as_soon_as_that_is_known() -> None:
    at_work = attrs.evolve(rows()[0], state="RUNNING", attempt=1, node=NODE, assigned_at=EPOCH)
    board, _ = farm(at_work, *rows()[1:])
    board.apply(GIVEN_UP)
    board.top_up(board.jobs_to_refill, rows(), EPOCH)
    assert NODE in {booking.node for booking in placement.place(board, EPOCH, 0.0)}


def test_where_all_nodes_failed_the_job_a_unit_goes_to_one_that_did_not_fail_it() -> None:
    everybody = frozenset({NODE, OTHER, THIRD})
    [unit, *_] = rows(avoid=frozenset({NODE, THIRD}), barred=everybody, failures=2, attempt=2)
    board, _ = farm(unit)
    assert [booking.node for booking in placement.place(board, EPOCH, 0.0)] == [OTHER]


def test_where_all_nodes_failed_the_unit_any_of_them_has_it() -> None:
    everybody = frozenset({NODE, OTHER, THIRD})
    [unit, *_] = rows(avoid=everybody, barred=everybody, failures=2, attempt=3)
    board, _ = farm(unit)
    assert len(list(placement.place(board, EPOCH, 0.0))) == 1
