"""Fair shares, priority, cache affinity and utilisation of simulated farms, up to 10,000 nodes."""

import time
from collections import Counter

import pytest

from actors.scheduler.node import DEPTH
from config.settings import Scheduling
from tests.simulation.farm import Farm, Order
from tests.support.examples import series


@pytest.mark.parametrize("nodes", [4, 8, 20])
@pytest.mark.parametrize("seed", series([1, 2, 3], [1]))
def test_ten_frames_beside_a_thousand_take_two_and_a_half_times_as_long_at_most(
    nodes: int, seed: int
) -> None:
    (alone,) = Farm(nodes, seed=seed).run([Order(0, 10)]).ended
    beside = Farm(nodes, seed=seed).run([Order(1, 1000), Order(0, 10, at=100.0)])
    assert len(beside.finished) == 1010
    assert beside.ended[1] - 100.0 <= 2.5 * alone
    assert beside.ended[0] > beside.ended[1]


def test_users_have_shares_by_weight_while_all_of_them_wait() -> None:
    orders = [Order(0, 400, priority=-1), Order(1, 400), Order(2, 400, priority=1)]
    placed = Farm(35).run(orders).placed
    first = Counter(order for _, order, _ in placed[:350])
    assert first[2] == pytest.approx(200, rel=0.1)
    assert first[1] == pytest.approx(100, rel=0.1)
    assert first[0] == pytest.approx(50, rel=0.1)


def test_of_one_user_the_greater_priority_is_first_whatever_came_before() -> None:
    outcome = Farm(5).run([Order(0, 100), Order(0, 20, at=50.0, priority=1)])
    late = [order for at, order, _ in outcome.placed if at >= 50.0]
    assert set(late[:20]) == {1}


def test_nobody_waits_for_ever_behind_those_who_always_have_more() -> None:
    """Ten users keep the farm full with high-priority jobs; one user has ten low-priority
    frames.
    """
    urgent = [
        Order(user, 40, at=100.0 * again, priority=1) for user in range(10) for again in range(10)
    ]
    outcome = Farm(30).run([*urgent, Order(99, 10, at=100.0, priority=-1)])
    assert outcome.ended[-1] < outcome.ended[-2]
    assert outcome.ended[-1] - 100.0 < 0.5 * max(outcome.ended)


def test_frames_go_where_their_inputs_are() -> None:
    """On a farm with spare nodes each user's jobs stay on a few nodes, which have cached
    the scene.
    """
    orders = [
        Order(user, 2, at=20.0 * again + 3.0 * user) for again in range(20) for user in range(7)
    ]
    outcome = Farm(40, slots=2).run(orders)
    nodes = {(orders[order].user, node) for _, order, node in outcome.placed}
    assert outcome.fetches == len(nodes)
    assert len(nodes) <= 7 * 3


def test_a_seed_is_one_history() -> None:
    orders = [Order(user, 30, at=3.0 * user) for user in range(9)]
    assert Farm(12, seed=5).run(orders).placed == Farm(12, seed=5).run(orders).placed
    assert Farm(12, seed=5).run(orders).finished != Farm(12, seed=6).run(orders).finished


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_slow_node_does_not_hold_up_the_end_of_a_job(seed: int) -> None:
    """Two of twenty nodes take ten times as long; other nodes run copies of their last frames."""
    order = Order(0, 100, seconds=30.0)
    (alone,) = Farm(20, slow=2, seed=seed).run([order]).ended
    outcome = Farm(20, slow=2, seed=seed, patience=Scheduling()).run([order])
    assert outcome.ended[0] < 0.75 * alone
    assert len(outcome.finished) == 100, "each frame ended once"
    assert 0 < outcome.won <= outcome.copies <= 6


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_copied_where_all_take_about_as_long(seed: int) -> None:
    outcome = Farm(20, seed=seed, patience=Scheduling()).run([Order(0, 107, seconds=30.0)])
    assert (outcome.copies, len(outcome.finished)) == (0, 107)


def test_what_waits_comes_before_any_copy() -> None:
    """While units wait for a node, no slow unit is copied."""
    orders = [Order(0, 60, seconds=30.0), Order(1, 3000, seconds=30.0)]
    outcome = Farm(20, slow=2, patience=Scheduling()).run(orders)
    assert len(outcome.finished) == 3060
    assert outcome.copies <= 6


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_waits_at_a_slow_node_goes_to_one_with_nothing_to_do(seed: int) -> None:
    """Two of twenty nodes take ten times as long, and each has a frame waiting in its queue."""
    order = Order(0, 100, seconds=30.0)
    stays = Farm(20, slow=2, seed=seed).run([order])
    moves = Farm(20, slow=2, seed=seed, balancing=True).run([order])
    assert len(moves.finished) == 100, "each frame ended once"
    assert moves.ended[0] < 0.75 * stays.ended[0]
    assert moves.moves <= 4, "a moved frame begins at once, so it is not moved again"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nodes_that_join_a_farm_in_the_end_of_a_job_get_half_of_what_is_left(seed: int) -> None:
    """Ten nodes have two frames of ten minutes each when ten more nodes join."""
    order = Order(0, 20, seconds=600.0)
    alone = Farm(10, seed=seed, joining=(60.0, 10)).run([order])
    outcome = Farm(10, seed=seed, joining=(60.0, 10), balancing=True).run([order])
    assert (outcome.moves, len(outcome.finished)) == (10, 20)
    assert alone.ended[0] > 1_100
    assert outcome.ended[0] < 60 + 700


def test_short_frames_are_not_moved() -> None:
    outcome = Farm(50, balancing=True).run([Order(user, 40, seconds=0.4) for user in range(20)])
    assert len(outcome.finished) == 800
    assert outcome.moves <= 50


def orders_of(users: int, frames: int) -> list[Order]:
    """Return one order per user, all within twenty seconds, with frames of different lengths."""
    return [
        Order(user, frames, at=20.0 * user / users, seconds=10.0 + 20.0 * (user % 3))
        for user in range(users)
    ]


def check_farm(nodes: int, users: int, frames: int) -> None:
    outcome = Farm(nodes, slow=nodes // 1000).run(orders_of(users, frames))
    assert len(outcome.finished) == users * frames
    assert outcome.most_on_a_node <= DEPTH
    last = outcome.last_placed()
    assert last > 40.0
    assert outcome.use(20.0, last, nodes) > 0.99  # no node is idle while a unit waits


@pytest.mark.parametrize("nodes", series([2_000, 10_000], [2_000]))
def test_thousands_of_nodes_have_work_as_long_as_any_waits(nodes: int) -> None:
    check_farm(nodes, users=30, frames=nodes * 4 // 25)


def test_what_a_decision_costs_does_not_grow_with_the_nodes() -> None:
    """With sixteen times the nodes, CPU time may grow fivefold.

    A search through all nodes would cost sixteen times as much.
    """

    def cost(nodes: int) -> float:
        begin = time.process_time()
        Farm(nodes).run([Order(user, 500) for user in range(16)])
        return time.process_time() - begin

    assert cost(4_000) < 5 * cost(250)


@pytest.mark.nightly
@pytest.mark.timeout(1_800)
def test_ten_thousand_nodes_for_long() -> None:
    check_farm(10_000, users=100, frames=2_000)
