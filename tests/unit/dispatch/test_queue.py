"""The fair queue of units that wait for a node."""

from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.queues import UnitQueue
from actors.scheduler.units import PlacementRequest, Unit
from tests.support.plans import planned
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import USER

NODES = [Node(UUID(int=n)) for n in range(1, 4)]


@st.composite
def waiting(draw: st.DrawFn) -> list[Unit]:
    return [
        Unit(
            job=UUID(int=1000 + number),
            number=0,
            user=USER,
            plan=planned(draw(st.sampled_from(("echo", "render")))),
            queued_at=EPOCH + timedelta(seconds=draw(st.integers(0, 5))),
            state="QUEUED",
            avoid=frozenset(n.id for n in draw(st.sets(st.sampled_from(NODES), max_size=2))),
            not_before=draw(
                st.none() | st.integers(0, 20).map(lambda s: EPOCH + timedelta(seconds=s))
            ),
        )
        for number in range(draw(st.integers(0, 12)))
    ]


class Places:
    """A placement policy with ``places`` free places on each node."""

    def __init__(self, places: int) -> None:
        self.left = {node.id: places for node in NODES}

    def choose(
        self, demand: PlacementRequest, avoid: frozenset[UUID], failed: frozenset[UUID], /
    ) -> Node | NoCapableNode | AllNodesFull:
        for node in NODES:
            if node.id not in avoid and self.left[node.id] > 0:
                self.left[node.id] -= 1
                return node
        return AllNodesFull()


def placed(queue: UnitQueue, units: list[Unit], places: Places) -> list[Unit]:
    taken: list[Unit] = []
    for unit, node in queue.placeable(places.choose):
        assert node.id not in unit.avoid
        unit.state = "DISPATCHED"
        taken.append(unit)
    assert all(unit in units for unit in taken)
    return taken


@given(waiting(), st.integers(0, 5))
def test_the_oldest_that_may_go_first_does_and_nobody_twice(units: list[Unit], places: int) -> None:
    queue = UnitQueue()
    for unit in units:
        queue.add(unit, EPOCH)
    taken = placed(queue, units, Places(places))
    assert len(set(map(id, taken))) == len(taken)
    for unit in taken:
        assert unit.not_before is None or unit.not_before <= EPOCH
        left = [
            u
            for u in units
            if u not in taken
            and u.job_type == unit.job_type
            and not u.avoid
            and (u.not_before is None or u.not_before <= EPOCH)
        ]
        assert all(unit.queued_at <= u.queued_at for u in left)


@given(waiting())
def test_with_time_and_places_everybody_gets_his_turn(units: list[Unit]) -> None:
    queue = UnitQueue()
    for unit in units:
        queue.add(unit, EPOCH)
    now, places, taken = EPOCH, Places(100), list[Unit]()
    for _ in range(len(units) + 1):
        due = queue.due(now)
        taken += placed(queue, units, places)
        if due is None:
            break
        assert due > now
        now = due
    assert sorted(map(id, taken)) == sorted(map(id, units))


@given(waiting(), st.data())
def test_who_does_not_wait_any_more_is_passed_over(units: list[Unit], data: st.DataObject) -> None:
    queue = UnitQueue()
    for unit in units:
        queue.add(unit, EPOCH)
    gone = [unit for unit in units if data.draw(st.booleans())]
    for unit in gone:
        unit.state = "CANCELLED"
    later = EPOCH + timedelta(seconds=30)
    assert queue.due(later) is None
    assert len(placed(queue, units, Places(100))) == len(units) - len(gone)


@given(waiting())
def test_who_is_queued_twice_is_placed_once(units: list[Unit]) -> None:
    queue = UnitQueue()
    later = EPOCH + timedelta(seconds=30)
    for unit in [*units, *units]:
        queue.add(unit, later)
    assert len(placed(queue, units, Places(100))) == len(units)


def test_units_with_nodes_to_avoid_do_not_hide_those_behind_them() -> None:
    queue = UnitQueue()
    everywhere = frozenset(node.id for node in NODES)
    for number in range(10):
        unit = Unit(UUID(int=number), 0, USER, planned(), EPOCH, state="QUEUED")
        unit.avoid = everywhere if number < 9 else frozenset()
        queue.add(unit, EPOCH)
    [(unit, _)] = list(queue.placeable(Places(1).choose))
    assert unit.job == UUID(int=9)


def test_units_that_wait_for_a_time_count_among_those_of_their_job() -> None:
    """If these units did not count, more and more of the job's units would be read, though no unit
    may begin.
    """
    queue, later = UnitQueue(), EPOCH + timedelta(hours=1)
    for number in range(20):
        unit = Unit(UUID(int=7), number, USER, planned(), EPOCH, state="QUEUED")
        unit.not_before = later
        queue.add(unit, EPOCH)
    assert not queue.is_low(UUID(int=7))
    assert queue.due(later) is None
    assert not queue.is_low(UUID(int=7))
    placed = list(queue.placeable(Places(100).choose))
    assert len(placed) == 20
    assert queue.is_low(UUID(int=7))
