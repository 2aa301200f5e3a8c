"""Reasons why a unit waits, from the Scheduler's state."""

from datetime import timedelta
from uuid import UUID

import attrs

from actors.scheduler.messages import WaitCounts
from actors.scheduler.node import BACKLOG, NodeResources
from actors.scheduler.queries import WaitReasons
from actors.scheduler.state import SchedulerState
from rendertrust.job_spec import NodeNeeds
from sql.nodes import DRAINING, StandingRecord
from sql.units import MINE
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, NODE, OTHER, THIRD, node_row, open_unit, with_plan
from tests.unit.dispatch.test_state import board_with, booked
from web.jobs.wait_reasons import obstacles

FOURTH = UUID(int=4)


def waiting_board(*nodes: UUID) -> SchedulerState:
    board, _ = board_with(*(node_row(node) for node in nodes))
    return board


def waiting_of(board: SchedulerState, job: UUID, number: int) -> WaitCounts | None:
    return WaitReasons(board).of(job, (number,), 0.0).get(number)


def test_what_is_not_open_is_not_known() -> None:
    assert waiting_of(waiting_board(NODE), JOB, 0) is None


def test_a_unit_that_no_node_can_do() -> None:
    board, _ = board_with(node_row(NODE, "render"))
    booked(board, queue=True)
    assert waiting_of(board, JOB, 0) == WaitCounts()


def test_each_node_is_counted_once_with_what_keeps_it() -> None:
    nodes = (NODE, OTHER, THIRD, FOURTH)
    board = waiting_board(*nodes)
    for node in board.index:
        node.session = None
        node.healthy = False
        board.index.changed(node)
    board.reconcile([open_unit()], EPOCH)
    assert waiting_of(board, JOB, 0) == WaitCounts(silent=4)
    full, resting, barred, unable = (board.index.node(node) for node in nodes)
    for node in board.index:
        node.healthy = True
    full.assigned = {(UUID(int=number), 0) for number in range(BACKLOG)}
    resting.is_paused = True
    barred.standing = StandingRecord(DRAINING, 2)
    unable.offered = frozenset({"render"})
    for node in board.index:
        board.index.changed(node)
    found = waiting_of(board, JOB, 0)
    assert found == WaitCounts(full=1, paused=1, barred=1, unable=1)
    assert found is not None
    assert found.known == 4


def test_a_node_that_hung_up_is_away_though_it_was_well_a_moment_ago() -> None:
    board = waiting_board(NODE)
    node = board.index.node(NODE)
    node.session = None
    node.forget()
    board.index.changed(node)
    board.reconcile([attrs.evolve(open_unit(), units=2)], EPOCH)
    assert waiting_of(board, JOB, 0) == WaitCounts(silent=1)


def test_a_unit_that_is_tried_again_later() -> None:
    board = waiting_board(NODE)
    later = EPOCH + timedelta(seconds=9)
    board.reconcile([open_unit(not_before=later)], EPOCH)
    assert waiting_of(board, JOB, 0) == WaitCounts(ready=1, not_before=later)


def test_whether_the_node_that_has_it_can_be_told() -> None:
    board = waiting_board(NODE)
    board.reconcile([open_unit(state="DISPATCHED", attempt=1, node=NODE)], EPOCH)
    found = waiting_of(board, JOB, 0)
    assert found is not None
    assert found.reachable
    board.index.node(NODE).session = None
    found = waiting_of(board, JOB, 0)
    assert found is not None
    assert found.reachable is False


def test_who_may_not_see_it_and_who_has_not_what_it_needs_is_told_apart() -> None:
    board = waiting_board(NODE, OTHER)
    row = open_unit()
    board.reconcile([with_plan(row, pool=MINE, needs=NodeNeeds(device="gpu"))], EPOCH)
    board.index.node(OTHER).owner = row.user
    board.index.changed(board.index.node(OTHER))
    assert waiting_of(board, JOB, 0) == WaitCounts(closed=1, wrong_device=1)


def test_who_gives_too_little_memory_is_told_apart() -> None:
    board = waiting_board(NODE, OTHER)
    needs = NodeNeeds(device="cpu", memory=8 << 30)
    board.reconcile([with_plan(open_unit(), needs=needs)], EPOCH)
    small = board.index.node(NODE)
    small.resources = NodeResources("cpu", ((5, 2),), 4 << 30)
    board.index.changed(small)
    found = waiting_of(board, JOB, 0)
    assert found == WaitCounts(low_memory=1, unable=1)
    assert found is not None
    assert found.known == 2


def test_who_has_another_blender_and_who_lacks_two_things_are_told_apart() -> None:
    board = waiting_board(NODE, OTHER)
    needs = NodeNeeds(device="cpu", blender="5.3")
    board.reconcile([with_plan(open_unit(), needs=needs)], EPOCH)
    for node, resources in (
        (NODE, NodeResources("cpu", ((5, 2),))),
        (OTHER, NodeResources("gpu", ((5, 2),))),
    ):
        board.index.node(node).resources = resources
        board.index.changed(board.index.node(node))
    assert waiting_of(board, JOB, 0) == WaitCounts(other_blender=1, unable=1)


def test_figures_are_counted_once_in_a_second() -> None:
    board = waiting_board(NODE)
    board.reconcile([open_unit()], EPOCH)
    reasons = WaitReasons(board)
    assert reasons.of(JOB, (0,), 0.0) == {0: WaitCounts(ready=1)}
    board.index.node(NODE).is_paused = True
    assert reasons.of(JOB, (0,), 0.9) == {0: WaitCounts(ready=1)}
    assert reasons.of(JOB, (0,), 1.0) == {0: WaitCounts(paused=1)}


def test_who_has_no_opengl_is_told_apart() -> None:
    board = waiting_board(NODE, OTHER)
    board.reconcile([attrs.evolve(open_unit(), needs_opengl=True)], EPOCH)
    bare = board.index.node(NODE)
    bare.resources = NodeResources("cpu", ((5, 2),), 4 << 30, opengl=False)
    board.index.changed(bare)
    found = waiting_of(board, JOB, 0)
    assert found is not None
    assert found == WaitCounts(ready=1, no_opengl=1)
    assert obstacles(attrs.evolve(found, ready=0)) == ["1 has no OpenGL, which the scene needs"]
