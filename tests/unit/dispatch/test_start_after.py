"""A job with a start time waits in the queue until then, even if nodes are idle."""

from datetime import datetime, timedelta

import pytest

from actors.ledger.effects import JobInsert
from actors.scheduler import placement
from actors.scheduler.messages import NoCapableNode, WaitCounts
from actors.scheduler.units import AssignmentTag
from sql.job_plan import NewUnit
from tests.support.plans import planned
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, NODE, USER, node_row
from tests.unit.dispatch.test_state import board_with
from web.jobs.wait_reasons import of_queued

LATER = EPOCH + timedelta(hours=1)


def later(start: datetime = LATER, units: int = 1, job_type: str = "echo") -> JobInsert:
    cut = [NewUnit(0, place) for place in range(units)]
    return JobInsert(JOB, USER, planned(job_type, units=cut, start_after=start))


@pytest.mark.parametrize("units", [1, 3])
def test_it_is_queued_and_placed_when_its_time_has_come(units: int) -> None:
    board, _ = board_with(node_row(NODE))
    board.index.node(NODE).slots = 1
    board.index.changed(board.index.node(NODE))
    tag = placement.reserve(board, later(units=units), EPOCH, 0.0)
    assert isinstance(tag, AssignmentTag)
    assert tag.node is None
    board.confirm(tag, EPOCH, 0.0)
    assert board.due(EPOCH) == LATER
    assert not list(placement.place(board, EPOCH, 0.0))
    assert board.due(LATER) is None
    (placed,) = placement.place(board, LATER, 3600.0)
    assert placed.node == NODE


def test_it_is_accepted_where_no_node_can_do_it_yet() -> None:
    board, _ = board_with(node_row(NODE))
    tag = placement.reserve(board, later(job_type="render"), EPOCH, 0.0)
    assert isinstance(tag, AssignmentTag)
    now = placement.reserve(board, later(EPOCH, job_type="render"), EPOCH, 0.0)
    assert isinstance(now, NoCapableNode)


def test_a_time_that_is_over_changes_nothing() -> None:
    board, _ = board_with(node_row(NODE))
    tag = placement.reserve(board, later(EPOCH - timedelta(hours=1)), EPOCH, 0.0)
    assert isinstance(tag, AssignmentTag)
    assert tag.node == NODE


def test_why_it_waits_is_said_with_a_code() -> None:
    plan = planned(start_after=LATER)
    waiting = of_queued(plan, WaitCounts(ready=1, not_before=LATER))
    assert (waiting.code, f"{LATER:%Y-%m-%d %H:%M} UTC" in waiting.words) == ("scheduled", True)
    assert of_queued(plan, WaitCounts(ready=1)).code == "soon"
