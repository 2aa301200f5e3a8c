"""Order and limits of a tree's start and stop."""

import asyncio

import pytest

from actors.kernel import ActorStopped, State
from supervisors.child import Child, StartFailed
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.restart_policy import Strategy
from supervisors.schema_actor import schema_child
from tests.unit.simulated_time import simulated
from tests.unit.supervisors.town import Dawdle, Say, Town, quiet, refuse, root, states


def now() -> float:
    return asyncio.get_running_loop().time()


@simulated
async def test_start_left_to_right_and_stop_right_to_left() -> None:
    """Children start left to right and stop right to left."""
    town = Town()
    inner = root(Strategy.ONE_FOR_ONE, [town.house("b"), town.house("c")], name="inner")
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), inner, town.house("d")])
    await tree.start()
    assert town.since() == "+a +b +c +d"
    await tree.stop()
    assert town.since() == "-d -c -b -a"


@simulated
async def test_each_start_is_over_before_the_next_begins() -> None:
    """A child's started is done before the next child begins to start."""
    town = Town()
    town.on_start["a"] = lambda: asyncio.sleep(8.0)
    town.on_stop["b"] = lambda: asyncio.sleep(3.0)
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), town.house("b")])
    await tree.start()
    assert town.since() == "+a +b"
    assert now() == pytest.approx(8.0)
    await tree.stop()
    assert town.since() == "-b -a"
    assert now() == pytest.approx(11.0)


@simulated
async def test_child_that_does_not_start_stops_the_others() -> None:
    """When a child does not start, the children before it are stopped, and the error names this
    child and the cause.
    """
    town = Town()
    town.on_start["c"] = refuse
    inner = root(Strategy.ONE_FOR_ONE, [town.house("b"), town.house("c")], name="inner")
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), inner, town.house("d")])
    with pytest.raises(StartFailed) as caught:
        await tree.start()
    assert str(caught.value) == "root: inner: c: OSError in HouseActor.started: no water"
    assert isinstance(caught.value.__cause__, OSError)
    assert town.since() == "+a +b -c -b -a"
    with pytest.raises(ActorStopped):
        await town.refs["d"].ask(Say("x"), within=1.0)


@simulated
async def test_child_that_starts_too_slowly() -> None:
    """A child that does not start within its limit has failed to start."""
    town = Town()
    town.on_start["b"] = lambda: asyncio.sleep(100.0)
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), town.house("b")])
    with pytest.raises(StartFailed, match=r"root: b: not started within 9.0 s"):
        await tree.start()
    assert town.since() == "+a -a"
    assert now() == pytest.approx(9.0)


@simulated
async def test_child_that_may_take_any_time_to_start() -> None:
    """A child without a limit may take any time to start."""

    async def migrates() -> None:
        await asyncio.sleep(86_400.0)

    tree = root(Strategy.ONE_FOR_ONE, [schema_child(migrates)])
    await tree.start()
    assert now() == pytest.approx(86_400.0)
    await tree.stop()


@simulated
async def test_child_that_does_not_stop_is_killed() -> None:
    """A child that does not stop within its limit is killed, and the others still stop."""
    town = Town()
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), town.house("b"), town.house("c")])
    await tree.start()
    town.refs["b"].tell(Dawdle())
    await quiet()
    town.since()
    await tree.stop()
    assert town.since() == "-c -a"
    assert now() == pytest.approx(5.0)
    assert set(states(tree).values()) == {State.DOWN}


@simulated
async def test_stop_while_starting() -> None:
    """A tree that is stopped while it starts starts no further child."""
    town = Town()
    town.on_start["b"] = lambda: asyncio.sleep(1.0)
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), town.house("b"), town.house("c")])
    starting = asyncio.create_task(tree.start())
    await quiet()
    await tree.stop()
    with pytest.raises(StartFailed, match="stopped"):
        await starting
    assert town.since() == "+a +b -b -a"
    await tree.stop()


@simulated
async def test_start_that_is_cancelled_stops_what_was_started() -> None:
    town = Town()
    town.on_start["b"] = lambda: asyncio.sleep(1.0)
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), town.house("b")])
    starting = asyncio.create_task(tree.start())
    await quiet()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert town.since() == "+a +b -b -a"


@simulated
async def test_stop_while_a_child_is_restarted() -> None:
    town = Town()
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), town.house("b")])
    await tree.start()
    town.on_start["b"] = lambda: asyncio.sleep(2.0)
    await town.crash("b")
    await tree.stop()
    assert town.since() == "+a +b !b -b +b -b -a"
    assert set(states(tree).values()) == {State.DOWN}


@simulated
async def test_crash_while_others_start() -> None:
    town = Town()
    first = town.house("a")

    async def crash() -> None:
        await town.crash("a")

    town.on_start["b"] = crash
    tree = root(Strategy.REST_FOR_ONE, [first, town.house("b")])
    starting = asyncio.create_task(tree.start())
    await starting
    town.on_start.clear()
    await quiet()
    assert town.since() == "+a !a -a +b -b +a +b"
    await tree.stop()


@simulated
async def test_nested_supervisor_given_as_a_child() -> None:
    town = Town()
    inner = root(Strategy.REST_FOR_ONE, [town.house("b")], name="inner")
    tree = root(Strategy.ONE_FOR_ONE, [Child("wing", inner), DynamicSupervisor("nodes")])
    await tree.start()
    reading = tree.snapshot()
    assert [(child.name, child.kind) for child in reading.children] == [
        ("inner", "rest_for_one"),
        ("nodes", "dynamic"),
    ]
    assert reading.children[0].children[0].kind == "HouseActor"
    assert reading.children[0].children[0].statistics is not None
    await tree.stop()
    assert town.since() == "+b -b"
