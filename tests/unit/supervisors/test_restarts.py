"""Strategies, intensity, giving up, back-off."""

import asyncio

import attrs
import pytest

from actors.kernel import ActorStopped, State
from supervisors.restart_policy import Backoff, GiveUp, Intensity, RestartWindow, Strategy
from supervisors.snapshot import RestartAllowance
from supervisors.supervisor import Supervisor
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.supervisors.town import Leave, Ruin, Say, Town, quiet, refuse, root, states


def now() -> float:
    return asyncio.get_running_loop().time()


@simulated
async def test_one_for_one() -> None:
    """One for one restarts the child that ended, and touches no other."""
    town = Town()
    tree = root(Strategy.ONE_FOR_ONE, [town.house(name) for name in "abc"])
    await tree.start()
    town.since()
    await town.crash("b")
    assert town.since() == "!b -b +b"
    await tree.stop()


@simulated
async def test_rest_for_one() -> None:
    """Rest for one restarts the child that ended and the children started after it."""
    town = Town()
    tree = root(Strategy.REST_FOR_ONE, [town.house(name) for name in "abcd"])
    await tree.start()
    town.since()
    await town.crash("b")
    assert town.since() == "!b -b -d -c +b +c +d"
    await tree.stop()


@simulated
async def test_siblings_keep_what_is_queued() -> None:
    """A restart, also because of a sibling's crash, loses no queued message."""
    town = Town()
    tree = root(Strategy.REST_FOR_ONE, [town.house(name) for name in "ab"])
    await tree.start()
    town.since()
    town.on_start["a"] = lambda: asyncio.sleep(1.0)
    crashing = asyncio.create_task(town.crash("a"))
    await quiet()
    assert town.refs["a"].tell(Say("for-a"))
    assert town.refs["b"].tell(Say("for-b"))
    await asyncio.sleep(2.0)
    await crashing
    assert town.since() == "!a -a -b +a for-a +b for-b"
    await tree.stop()


@simulated
async def test_every_end_restarts() -> None:
    """A child is started again after every end, a normal one too."""
    town = Town()
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a")])
    await tree.start()
    await town.leave("a")
    await town.crash("a")
    assert town.since() == "+a -a +a !a -a +a"
    await tree.stop()


@simulated
async def test_child_that_is_down_is_not_restarted_with_its_siblings() -> None:
    """A child that is down stays down when its siblings, or its supervisor, are restarted."""
    town = Town()
    children = [town.house("b"), town.house("c")]
    inner = root(
        Strategy.REST_FOR_ONE, children, restarts=1, give_up=GiveUp.STAY_DOWN, name="inner"
    )
    tree = root(Strategy.REST_FOR_ONE, [town.house("a"), inner])
    await tree.start()
    await town.crash("c", times=2)
    town.since()
    await town.crash("b")
    assert town.since() == "!b -b +b"
    await town.crash("a")
    assert town.since() == "!a -a -b +a +b"
    assert states(inner) == {"b": State.RUNNING, "c": State.DOWN}
    await tree.stop()


@simulated
async def test_sibling_that_ends_while_the_group_stops_is_started_once() -> None:
    town = Town()
    tree = root(Strategy.REST_FOR_ONE, [town.house(name) for name in "abc"])
    await tree.start()
    town.since()

    async def leave() -> None:
        town.refs["b"].tell(Leave())
        await quiet()

    town.on_stop["c"] = leave
    await town.crash("a")
    await quiet(100)
    assert town.since() == "!a -a -c -b +a +b +c"
    await tree.stop()


@simulated
async def test_intensity() -> None:
    """A supervisor allows a number of restarts in any period; at the next end it gives up."""
    town = Town()
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a")], restarts=2, within=30.0)
    await tree.start()
    for _ in range(4):
        await town.crash("a", times=2)
        await asyncio.sleep(30.0)
    assert town.since().count("+a") == 9
    await town.crash("a", times=3)
    assert states(tree) == {"a": State.DOWN}


@simulated
async def test_root_that_gives_up() -> None:
    """A root that gives up stops all children; failed names the child and its last error."""
    town = Town()
    inner = root(Strategy.ONE_FOR_ONE, [town.house("b"), town.house("c")], restarts=1, name="in")
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), inner], restarts=1, within=60.0)
    await tree.start()
    town.since()
    failed = asyncio.create_task(tree.failed())
    await town.crash("c", times=4)
    assert await failed == await tree.failed()
    assert failed.result() == (
        "in ended more than 1 times in 60 s, the last time by:"
        " c ended more than 1 times in 30 s, the last time by: ValueError in HouseActor.crash"
    )
    assert town.since() == "!c -c +c !c -c -b +b +c !c -c +c !c -c -b -a"
    assert tree.state is State.DOWN
    with pytest.raises(ActorStopped, match="c ended more than 1 times"):
        await town.refs["b"].ask(Say("x"), within=1.0)
    await tree.stop()


@simulated
async def test_fatal_error_makes_the_tree_give_up() -> None:
    """An actor that raises Fatal makes the whole tree give up at once, with Fatal's text
    as reason.
    """
    town = Town()
    inner = root(Strategy.ONE_FOR_ONE, [town.house("b")], give_up=GiveUp.STAY_DOWN, name="in")
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a"), inner, town.house("c")])
    await tree.start()
    town.since()
    town.refs["b"].tell(Ruin())
    assert await tree.failed() == "in: b: Fatal in HouseActor.ruin: the ground has gone"
    assert town.since() == "-b -c -a"


@simulated
async def test_escalation_restarts_the_nested_supervisor() -> None:
    """A nested supervisor that gives up counts, for its parent, as a child that crashed."""
    town = Town()
    inner = root(Strategy.ONE_FOR_ONE, [town.house("b"), town.house("c")], restarts=1, name="in")
    tree = root(Strategy.REST_FOR_ONE, [town.house("a"), inner, town.house("d")], restarts=1)
    await tree.start()
    town.since()
    await town.crash("c", times=1)
    assert town.since() == "!c -c +c"
    await town.crash("c", times=1)
    await quiet()
    assert town.since() == "!c -c -b -d +b +c +d"
    assert tree.snapshot().children[1].restarts == 1
    assert tree.snapshot().last_error == (
        "in: c ended more than 1 times in 30 s, the last time by: ValueError in HouseActor.crash"
    )
    await tree.stop()


@simulated
async def test_escalation_keeps_what_is_queued() -> None:
    """A restarted nested supervisor counts from zero and keeps its mailboxes."""
    town = Town()
    inner = root(Strategy.ONE_FOR_ONE, [town.house("b")], restarts=1, name="in")
    tree = root(Strategy.ONE_FOR_ONE, [inner], restarts=5)
    await tree.start()
    town.since()
    town.on_stop["b"] = lambda: asyncio.sleep(1.0)
    for _ in range(3):
        crash = asyncio.create_task(town.crash("b"))
        await quiet()
        town.refs["b"].tell(Say("kept"))
        await asyncio.sleep(2.0)
        await crash
    assert town.since() == "!b -b +b kept !b -b +b kept !b -b +b kept"
    assert tree.snapshot().children[0].restarts == 1
    await tree.stop()


@simulated
async def test_stay_down() -> None:
    """A child given up by STAY_DOWN is down alone, and each child is counted separately."""
    town = Town()
    tree = root(
        Strategy.ONE_FOR_ONE,
        [town.house("a"), town.house("b")],
        restarts=2,
        give_up=GiveUp.STAY_DOWN,
    )
    await tree.start()
    await town.crash("a", times=2)
    await town.crash("b", times=2)
    assert states(tree) == {"a": State.RUNNING, "b": State.RUNNING}
    await town.crash("a")
    assert states(tree) == {"a": State.DOWN, "b": State.RUNNING}
    reading = tree.snapshot()
    assert reading.state is State.RUNNING
    assert reading.children[0].last_error == "ValueError in HouseActor.crash"
    assert (await town.refs["a"].down()).startswith("a ended more than 2 times in 30 s")
    await tree.stop()


@simulated
async def test_stay_down_in_a_group_lets_the_others_start() -> None:
    """Siblings that were stopped for a child's restart start without the child once it is
    given up.
    """
    town = Town()
    tree = root(
        Strategy.REST_FOR_ONE,
        [town.house("a"), town.house("b"), town.house("c")],
        restarts=1,
        give_up=GiveUp.STAY_DOWN,
    )
    await tree.start()
    town.since()
    town.on_start["b"] = refuse
    await town.crash("b")
    await quiet()
    assert town.since() == "!b -b -c -b +c"
    assert states(tree) == {"a": State.RUNNING, "b": State.DOWN, "c": State.RUNNING}
    await tree.stop()


@simulated
async def test_restart_that_fails_counts_as_an_end() -> None:
    """A restart whose start fails counts as one more end of that child."""
    town = Town()
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a")], restarts=3)
    await tree.start()
    town.since()
    town.on_start["a"] = refuse
    await town.crash("a")
    assert town.since() == "!a -a -a -a -a"
    assert await tree.failed() == (
        "a ended more than 3 times in 30 s, the last time by:"
        " OSError in HouseActor.started: no water"
    )


@simulated
async def test_failed_start_in_a_group_restarts_the_group() -> None:
    town = Town()
    tree = root(Strategy.REST_FOR_ONE, [town.house(name) for name in "abc"])
    await tree.start()
    town.since()
    tries = iter((refuse, lambda: None))
    town.on_start["b"] = lambda: next(tries)()  # noqa: PLW0108 - a new one each time
    await town.crash("a")
    await quiet(100)
    assert town.since() == "!a -a -c -b +a -b +b +c"
    await tree.stop()


@simulated
async def test_backoff_delays_restarts() -> None:
    """Back-off delays restarts: each delay in a row is twice the delay before, up to a limit."""
    town = Town()
    tree = root(
        Strategy.ONE_FOR_ONE,
        [town.house("a"), town.house("b")],
        restarts=100,
        backoff=Backoff(first=1.0, most=60.0, jitter=0.0),
    )
    await tree.start()
    starts: list[float] = []
    town.on_start["a"] = lambda: starts.append(now())
    for delay in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        before = now()
        await town.crash("a")
        starts.clear()
        await until(lambda: starts, within=100.0)
        assert starts == [pytest.approx(before + delay, abs=0.001)]
        assert states(tree)["b"] is State.RUNNING
    await tree.stop()


@simulated
async def test_backoff_begins_again() -> None:
    """After a child has run for the longest delay, its delays begin at the shortest again."""
    town = Town()
    tree = root(
        Strategy.ONE_FOR_ONE, [town.house("a")], restarts=100, backoff=Backoff(1.0, 4.0, 0.0)
    )
    await tree.start()
    await town.crash("a", times=1)
    await asyncio.sleep(1.0)
    await town.crash("a", times=1)
    await asyncio.sleep(2.0 + 4.0)
    town.since()
    await town.crash("a", times=1)
    await asyncio.sleep(0.99)
    assert town.since() == "!a -a"
    await asyncio.sleep(0.02)
    assert town.since() == "+a"
    await tree.stop()


def test_jitter_shortens_a_delay() -> None:
    """Jitter shortens a delay by up to a fraction."""
    backoff = Backoff(first=1.0, most=60.0, jitter=0.5)
    assert backoff.delay(1, 0.0) == 1.0
    assert backoff.delay(3, 0.5) == 3.0
    assert 30.0 < backoff.delay(10_000, 0.9999) < 30.1


@simulated
async def test_messages_queue_while_a_restart_is_put_off() -> None:
    """Messages to a child are queued while its restart is delayed."""
    town = Town()
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a")], backoff=Backoff(first=10.0))
    await tree.start()
    await town.crash("a")
    assert states(tree) == {"a": State.RESTARTING}
    await town.refs["a"].ask(Say("queued"), within=30.0)
    assert town.since() == "+a !a -a +a queued"
    await tree.stop()


@simulated
async def test_group_waits_for_the_one_that_is_put_off() -> None:
    """In a group, the children after a child whose restart is delayed wait for that child."""
    town = Town()
    tree = root(
        Strategy.REST_FOR_ONE,
        [town.house(name) for name in "abcd"],
        restarts=1,
        backoff=Backoff(first=10.0),
        give_up=GiveUp.STAY_DOWN,
    )
    await tree.start()
    await town.crash("b")
    await asyncio.sleep(10.0)
    town.since()
    await town.crash("c")
    await town.crash("b")
    assert town.since() == "!c -c -d !b -b"
    await asyncio.sleep(1.0)
    await town.crash("a")
    assert town.since() == "!a -a"
    await asyncio.sleep(8.9)
    assert town.since() == "", "the restart of c alone has been dropped"
    await asyncio.sleep(5.0)
    assert town.since() == "+a +c +d"
    await tree.stop()


@simulated
async def test_stop_drops_a_restart_that_is_put_off() -> None:
    """A stop cancels delayed restarts."""
    town = Town()
    tree = root(Strategy.ONE_FOR_ONE, [town.house("a")], backoff=Backoff(first=10.0))
    await tree.start()
    await town.crash("a")
    town.since()
    await tree.stop()
    await asyncio.sleep(100.0)
    assert town.since() == ""


@simulated
async def test_supervisor_that_fails_itself_gives_up() -> None:
    """An error in a supervisor itself makes it give up."""
    town = Town()

    def broken() -> float:
        raise ZeroDivisionError

    tree = root(Strategy.ONE_FOR_ONE, [town.house("a")], backoff=Backoff(), uniform=broken)
    await tree.start()
    await town.crash("a")
    assert await tree.failed() == "supervisor failed"
    assert states(tree) == {"a": State.DOWN}


def test_window_slides() -> None:
    window = RestartWindow(Intensity(restarts=2, within=10.0))
    times = [0.0, 1.0, 9.9, 10.0, 10.5, 11.0, 11.1]
    assert [window.admit(at) for at in times] == [True, True, False, True, False, True, False]


def test_window_without_restarts() -> None:
    assert not RestartWindow(Intensity(restarts=0, within=10.0)).admit(0.0)


@simulated
async def test_restart_log() -> None:
    """The tree keeps a log of its last 200 ends: who, why, when, and whether it was given up."""
    town = Town()
    inner = Supervisor(
        "inner",
        Strategy.ONE_FOR_ONE,
        Intensity(1, 30.0),
        [town.house("a")],
        backoff=Backoff(2.0, 60.0),
        give_up=GiveUp.STAY_DOWN,
    )
    tree = root(Strategy.ONE_FOR_ONE, [inner, town.house("b")])
    await tree.start()
    begun = now()
    await town.crash("b")
    await asyncio.sleep(1.0)
    await town.crash("a")
    await asyncio.sleep(5.0)
    await town.crash("a")
    await quiet()
    kept = tree.restarts.recent()
    assert [(each.supervisor, each.actor) for each in kept] == [
        (tree.name, "b"),
        ("inner", "a"),
        ("inner", "a"),
    ]
    assert kept[0].delay == 0.0
    assert kept[1].delay is not None
    assert kept[1].delay > 0.0
    assert kept[2].delay is None
    assert "ended more than 1 times in 30 s" in kept[2].reason
    assert [round(each.at - begun) for each in kept] == [0, 1, 6]
    for number in range(300):
        tree.restarts.add(attrs.evolve(kept[0], actor=str(number)))
    assert [each.actor for each in tree.restarts.recent()] == [str(n) for n in range(100, 300)]
    await tree.stop()


@simulated
async def test_allowance() -> None:
    """A supervisor's reading has the numbers of restarts that it has done and may do."""
    town = Town()
    tree = Supervisor("top", Strategy.ONE_FOR_ONE, Intensity(3, 10.0), [town.house("a")])
    await tree.start()
    assert tree.snapshot().allowance == RestartAllowance(0, 3, 10.0)
    await town.crash("a")
    await asyncio.sleep(6.0)
    await town.crash("a")
    assert tree.snapshot().allowance == RestartAllowance(2, 3, 10.0)
    await asyncio.sleep(6.0)
    assert tree.snapshot().allowance == RestartAllowance(1, 3, 10.0)
    await tree.stop()
