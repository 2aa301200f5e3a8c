"""Units that no node can do cost nothing while they wait, measured in function calls."""

import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Ref
from actors.scheduler import placement
from actors.scheduler.node import BACKLOG, GIB, UNKNOWN, Node, NodeResources, Requirements
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import PlacementRequest, RequestKind
from rendertrust.job_spec import NodeNeeds
from sql.access import Access
from sql.nodes import QUARANTINED, StandingRecord
from sql.units import MINE, TRUSTED
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import USER, node_row, open_unit, with_plan

KINDS, NODES, USERS = 1_000, 100, 20
KIT = NodeResources("cpu", ((4, 2),), 8 * GIB, "cpu/x86_64/4.2")
PARAMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "nobody has it": lambda n: {"needs": NodeNeeds(blender=f"9.{n}"), "or_newer": True},
    "nobody may do it": lambda n: {
        "needs": NodeNeeds(blender=f"3.{n}"),
        "or_newer": True,
        "pool": MINE,
    },
    "all are full": lambda n: {"needs": NodeNeeds(blender=f"3.{n}"), "or_newer": True},
}


def calls(work: Callable[[], object]) -> int:
    """Return the number of calls of functions in ``actors`` that ``work`` makes."""
    found = 0

    def count(frame: Any, event: str, _: object) -> None:
        nonlocal found
        found += event == "call" and "actors" in frame.f_code.co_filename

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


def busy_board() -> SchedulerState:
    """Return a state with a hundred nodes that are full."""
    board = SchedulerState(lambda node, message: True)
    board.refresh([node_row(UUID(int=n), "render") for n in range(1, NODES + 1)], 0.0)
    for node in list(board.index):
        node.session, node.slots, node.resources = Ref(str(node.id)), 1, KIT
        node.assigned |= {(node.id, 1), (node.id, 2)}
        board.index.changed(node)
    return board


def kinds(params: Callable[[int], dict[str, Any]]) -> list[Any]:
    """Return a thousand jobs, each of another request kind."""
    return [
        attrs.evolve(
            with_plan(open_unit(UUID(int=10_000 + n), job_type="render"), **params(n)),
            user=UUID(int=500 + n % USERS),
        )
        for n in range(KINDS)
    ]


def placed(board: SchedulerState) -> list[tuple[UUID, UUID | None]]:
    found = []
    for booking in placement.place(board, EPOCH, 0.0):
        board.confirm(booking, EPOCH, 0.0)
        found.append((booking.unit.job, booking.node))
    return found


@pytest.mark.parametrize(
    ("why", "first", "later"),
    [
        # function calls of the first round of placements, and of each later round
        ("nobody has it", 300 * KINDS, 100),
        ("nobody may do it", 300 * KINDS, 100),
        ("all are full", 300 * KINDS, 100 * KINDS),
    ],
)
def test_a_round_over_a_thousand_kinds(why: str, first: int, later: int) -> None:
    board = busy_board()
    board.reconcile(kinds(PARAMS[why]), EPOCH)
    assert calls(lambda: placed(board)) <= first
    assert calls(lambda: placed(board)) <= later
    assert len(board.units) == KINDS, "no waiting unit is given up"


@pytest.mark.parametrize("pool", [MINE, TRUSTED])
def test_a_changed_hello_wakes_nothing_that_its_node_may_not_do(pool: str) -> None:
    """Resources that suit a unit do not matter if the unit's pool excludes the node."""
    board = busy_board()
    rows = kinds(lambda n: {"needs": NodeNeeds(blender=f"3.{n}"), "or_newer": True, "pool": pool})
    board.reconcile(rows, EPOCH)
    placed(board)
    node = board.index.node(UUID(int=5))
    node.resources = attrs.evolve(KIT, blenders=((4, 3),))
    board.index.changed(node)
    assert calls(lambda: placed(board)) <= 200
    node.resources, node.owner = attrs.evolve(KIT, blenders=((4, 4),)), UUID(int=500)
    node.assigned.clear()
    board.index.changed(node)
    theirs = {row.job for row in rows if row.user == node.owner}
    found: list[tuple[UUID, UUID | None]] = []
    made = calls(lambda: found.extend(placed(board)))
    assert found
    assert {job for job, _ in found} <= theirs
    assert made <= 300 * len(theirs), "only jobs of the node's owner make work"


def test_what_waits_aside_is_placed_when_a_node_appears_or_changes() -> None:
    board = busy_board()
    rows = kinds(PARAMS["nobody has it"])
    board.reconcile(rows, EPOCH)
    assert placed(board) == []
    node = board.index.node(UUID(int=1))
    node.assigned.clear()
    node.resources = attrs.evolve(KIT, blenders=((9, 0),))
    board.index.changed(node)
    assert placed(board) == [(rows[0].job, node.id)]
    late = board.index.node(UUID(int=777))
    late.capabilities, late.healthy = frozenset({"render"}), True
    late.session, late.slots, late.resources = (
        Ref("late"),
        1_000,
        attrs.evolve(KIT, blenders=((9, 999),)),
    )
    board.index.changed(late)
    assert {job for job, _ in placed(board)} == {row.job for row in rows[1:]}


def test_lines_of_what_came_and_went_do_not_stay() -> None:
    board = busy_board()
    for row in kinds(PARAMS["nobody has it"]):
        board.reconcile([row], EPOCH)
        assert placed(board) == []
    board.reconcile([], EPOCH)
    assert board.queue.lines == 0
    again = [open_unit(UUID(int=9), job_type="none")] * 1
    for number in range(2_000):
        kept = attrs.evolve(again[0], priority=number % 2)
        board.reconcile([kept], EPOCH)
        placed(board)
    assert board.queue.entries <= 200


def test_what_few_nodes_have_is_found_without_a_look_at_all_of_them() -> None:
    board = busy_board()
    rare = board.index.node(UUID(int=77))
    rare.resources = attrs.evolve(KIT, device="gpu")
    board.index.changed(rare)
    demand = PlacementRequest(RequestKind("render", needs=Requirements("gpu")))
    for _ in range(100):
        assert board.index.choose(demand) is rare
    assert calls(lambda: board.index.choose(demand)) < 50


# -- nothing is overlooked

SOME_KITS = (
    UNKNOWN,
    KIT,
    NodeResources("gpu", ((5, 0),), 4 * GIB),
    NodeResources("gpu", ((5, 0),), 64 * GIB),
)
SOME_NEEDS: tuple[dict[str, Any], ...] = (
    {},
    {"blender": "5.0"},
    {"device": "gpu", "memory": 16 * GIB},
)
NAMES = [UUID(int=n) for n in range(1, 4)]
PEOPLE = (USER, UUID(int=7), UUID(int=8))


PAIRS = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE))
ORGANISATIONS = st.sampled_from([UUID(int=n) for n in (91, 92)])
CIRCLES = st.builds(
    Access.of,
    members=st.lists(st.tuples(st.sampled_from(PEOPLE), ORGANISATIONS), max_size=3),
    lent=st.lists(st.tuples(st.sampled_from(NAMES), ORGANISATIONS), max_size=2),
    trusts=st.lists(PAIRS, max_size=3),
)


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, Any]:
    node = UUID(int=draw(st.integers(1, 3)))
    what = draw(st.sampled_from(("unit", "unit", "node", "kit", "pools", "standing", "circles")))
    of: dict[str, st.SearchStrategy[Any]] = {
        "unit": st.tuples(
            st.sampled_from(PEOPLE),
            st.sampled_from(SOME_NEEDS),
            st.sampled_from(("any", "mine", "trusted")),
            st.frozensets(st.sampled_from([UUID(int=n) for n in range(1, 4)]), max_size=1),
        ),
        "node": st.tuples(st.booleans(), st.sampled_from((None, *PEOPLE))),
        "kit": st.tuples(st.sampled_from(SOME_KITS), st.none() | st.integers(1, 2)),
        "pools": st.frozensets(st.sampled_from(("mine", "trusted", "any"))),
        "standing": st.sampled_from(("ACTIVE", QUARANTINED)),
        "circles": CIRCLES,
    }
    return what, (node, draw(of[what]))


def change(board: SchedulerState, number: int, what: str, node: Node, to: Any) -> None:
    if what == "unit":
        user, needs, pool, avoid = to
        row = open_unit(UUID(int=1000 + number), job_type="render", avoid=avoid)
        row = with_plan(row, needs=NodeNeeds(**needs), pool=pool)
        board.take_over([attrs.evolve(row, user=user)], EPOCH)
    elif what == "node":
        node.healthy, node.owner = to
        node.capabilities = frozenset({"render"})
    elif what == "kit":
        node.resources, node.slots = to
        node.session = Ref(str(node.id)) if to[1] else None
    elif what == "pools":
        node.pools = to
    elif what == "standing":
        node.standing = StandingRecord(to, node.standing.version + 1)
    else:
        board.index.set_access(to)
    board.index.changed(node)


@given(st.lists(changes(), max_size=40), st.data())
def test_no_unit_is_left_aside_that_a_node_would_take(
    steps: list[tuple[str, Any]], data: st.DataObject
) -> None:
    board = SchedulerState(lambda node, message: True)
    for number, (what, (name, to)) in enumerate(steps):
        change(board, number, what, board.index.node(name), to)
        if data.draw(st.booleans()):
            continue
        placed(board)
        for unit in board.units.values():
            if unit.waits:
                chosen = placement.choose_for_waiting(board, unit.demand, unit.shuns, unit.avoid)
                assert not isinstance(chosen, Node), unit


def test_the_last_of_a_line_is_placed_while_another_user_is_parked_in_it() -> None:
    board = SchedulerState(lambda node, message: True)
    node = board.index.node(UUID(int=1))
    node.capabilities, node.healthy, node.owner = frozenset({"render"}), True, USER
    board.index.changed(node)
    for number in range(BACKLOG):
        board.index.take(node, (node.id, number))
    mine = with_plan(open_unit(UUID(int=1), job_type="render"), pool=MINE)
    others = attrs.evolve(mine, job=UUID(int=2), user=PEOPLE[1])
    board.reconcile([mine, others], EPOCH)
    assert placed(board) == [], "the node is full, and may not do the other user's unit"
    board.reconcile([mine], EPOCH)
    board.index.release(node, (node.id, 0))
    assert placed(board) == [(mine.job, node.id)]
    assert board.queue.lines == 0
