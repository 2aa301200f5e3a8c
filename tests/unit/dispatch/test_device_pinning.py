"""Jobs whose units must all run on nodes of the same device class."""

from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ledger.effects import JobInsert
from actors.scheduler import placement
from actors.scheduler.messages import Dispatch, NoCapableNode, WaitCounts
from actors.scheduler.node import resources_of
from actors.scheduler.placement import chosen_class
from actors.scheduler.queries import WaitReasons
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import AssignmentTag, commit_of_dispatch
from rendertrust.job_spec import NodeNeeds
from rendertrust.protocol import Build, Hello
from sql.access import ALONE
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, JOB2, OWNER, USER, insert, node_row, open_unit, with_plan
from tests.unit.dispatch.test_state import board_with

OLD, NEW = "cpu/x86_64/old", "cpu/x86_64/new"


def farm(*classes: str) -> SchedulerState:
    """Return a state with one node for each device class; '' stands for a node without a class."""
    ids = [UUID(int=number) for number in range(1, len(classes) + 1)]
    board, _ = board_with(*(node_row(node) for node in ids))
    for node, name in zip(ids, classes, strict=True):
        found = board.index.node(node)
        found.resources, found.slots = resources_of(name, ("5.2",), 1 << 34), 1
        found.owner = OWNER
        board.index.changed(found)
    return board


def alike(job: UUID = JOB, **needs: Any) -> JobInsert:
    return with_plan(insert(job), needs=NodeNeeds(alike=True, **needs))


def chosen(board: SchedulerState, **needs: Any) -> str | None:
    return chosen_class(alike(**needs), board.index, ALONE)


def test_the_class_with_the_most_nodes_is_chosen_and_written_down() -> None:
    board = farm(OLD, NEW, NEW)
    booking = placement.reserve(board, alike(), EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    assert booking.node in {UUID(int=2), UUID(int=3)}
    commit = commit_of_dispatch(Dispatch(alike()), booking, Ref("scheduler"))
    assert commit.effects[0].plan.needs == NodeNeeds(alike=True, device_class=NEW)  # type: ignore[union-attr]


def test_nodes_that_are_away_or_say_nothing_do_not_count() -> None:
    board = farm(OLD, NEW, NEW, "", "")
    for number in (2, 3):
        node = board.index.node(UUID(int=number))
        node.session = None
        board.index.changed(node)
    assert chosen(board) == OLD
    assert chosen(board, memory=1 << 40) is None
    assert isinstance(placement.reserve(board, alike(memory=1 << 40), EPOCH, 0.0), NoCapableNode)


def test_a_class_that_is_named_stays_as_it_is() -> None:
    board = farm(OLD, NEW, NEW)
    booking = placement.reserve(board, alike(device_class=OLD), EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    assert booking.node == UUID(int=1)


def test_units_wait_for_their_class_and_say_so() -> None:
    board = farm(OLD, NEW)
    row = with_plan(open_unit(JOB2), needs=NodeNeeds(alike=True, device_class=NEW))
    other = with_plan(attrs.evolve(row, number=1), needs=NodeNeeds(device_class="cpu/arm/new"))
    board.reconcile([row, other], EPOCH)
    placed = [(booking.unit.number, booking.node) for booking in placement.place(board, EPOCH, 0.0)]
    assert placed == [(0, UUID(int=2))]
    found = WaitReasons(board).of(JOB2, (1,), 0.0)[1]
    assert found == WaitCounts(wrong_class=2)
    assert found.known == 2


def test_who_asks_for_nothing_is_given_what_is_there() -> None:
    board = farm("")
    assert isinstance(placement.reserve(board, insert(user=USER), EPOCH, 0.0), AssignmentTag)


def test_the_class_is_that_of_the_build_in_which_the_node_renders_the_job() -> None:
    board = farm(OLD, NEW)
    builds = (Build(version="5.2.1", build="new"), Build(version="4.5.3", build="lts"))
    node = board.index.node(UUID(int=2))
    machine: dict[str, Any] = {"slots": 1, "device_class": NEW, "ram": 1 << 34}
    node.take_hello(Hello(version="1", build="new", builds=builds, **machine))
    board.index.changed(node)
    assert chosen(board, blender="4.5") == "cpu/x86_64/lts"
    pinned = alike(blender="4.5", device_class="cpu/x86_64/lts")
    assert isinstance(placement.reserve(board, pinned, EPOCH, 0.0), AssignmentTag)
    other = alike(blender="4.5", device_class=NEW)
    assert isinstance(placement.reserve(board, other, EPOCH, 0.0), NoCapableNode)
