"""Tests of the dynamic supervisor and the registry."""

import asyncio

import pytest

from actors.kernel import ActorStopped, Ref, State
from supervisors.child import Child, StartFailed
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.registry import Registry
from supervisors.restart_policy import Strategy
from tests.unit.simulated_time import simulated
from tests.unit.supervisors.town import Dawdle, House, HouseActor, Say, Town, quiet, refuse, root


def now() -> float:
    return asyncio.get_running_loop().time()


@simulated
async def test_children_are_temporary() -> None:
    """The children of a dynamic supervisor are temporary: a child that ends is down, and
    forgotten.
    """
    town, nodes = Town(), DynamicSupervisor("nodes")
    tree = root(Strategy.ONE_FOR_ONE, [nodes])
    await tree.start()
    refs = [await nodes.start_child(town.house(name)) for name in "abc"]
    assert nodes.children() == tuple(refs)
    await town.crash("b")
    await town.leave("c")
    assert nodes.children() == (refs[0],)
    assert town.since() == "+a +b +c !b -b -c"
    reading = tree.snapshot().children[0]
    assert [child.name for child in reading.children] == ["a"]
    assert reading.last_error == "b: ValueError in HouseActor.crash"
    await tree.stop()
    assert town.since() == "-a"


@simulated
async def test_terminate() -> None:
    """A dynamic child is stopped by terminate, within its limit, then by force."""
    town, nodes = Town(), DynamicSupervisor("nodes")
    tree = root(Strategy.ONE_FOR_ONE, [nodes])
    await tree.start()
    ref = await nodes.start_child(town.house("a"))
    slow = await nodes.start_child(town.house("b"))
    slow.tell(Dawdle())
    await quiet()
    await nodes.terminate(ref)
    await nodes.terminate(ref)
    assert town.since() == "+a +b -a"
    with pytest.raises(ActorStopped, match="a: terminated"):
        await ref.ask(Say("x"), within=1.0)
    await nodes.terminate(slow)
    assert now() == pytest.approx(5.0)
    assert nodes.children() == ()
    await tree.stop()


@simulated
async def test_all_stop_together() -> None:
    """The children of a dynamic supervisor stop all at once."""
    town, nodes = Town(), DynamicSupervisor("nodes")
    tree = root(Strategy.ONE_FOR_ONE, [nodes])
    await tree.start()
    names = [f"n{number}" for number in range(200)]
    for name in names:
        town.on_stop[name] = lambda: asyncio.sleep(4.0)
        await nodes.start_child(town.house(name))
    town.since()
    await tree.stop()
    assert town.since().split() == [f"-{name}" for name in reversed(names)]
    assert now() == pytest.approx(4.0)


@simulated
async def test_limit_of_children() -> None:
    """A dynamic supervisor has a limit of children, and refuses a further child."""
    town, nodes = Town(), DynamicSupervisor("nodes", limit=1)
    tree = root(Strategy.ONE_FOR_ONE, [nodes])
    await tree.start()
    await nodes.start_child(town.house("a"))
    with pytest.raises(StartFailed, match="b: nodes has 1 children already"):
        await nodes.start_child(town.house("b"))
    await tree.stop()
    with pytest.raises(StartFailed, match="c: nodes is not running"):
        await nodes.start_child(town.house("c"))


@simulated
async def test_start_that_fails() -> None:
    """A dynamic child whose start fails is down, and start_child says why."""
    town, nodes = Town(), DynamicSupervisor("nodes")
    tree = root(Strategy.ONE_FOR_ONE, [nodes])
    await tree.start()
    town.on_start["a"] = refuse
    child = town.house("a")
    with pytest.raises(StartFailed, match=r"a: OSError in HouseActor.started: no water"):
        await nodes.start_child(child)
    assert nodes.children() == ()
    assert await child.ref.down() == "OSError in HouseActor.started: no water"
    with pytest.raises(StartFailed, match="takes actors only"):
        await nodes.start_child(Child("b", DynamicSupervisor("inner")))
    await tree.stop()


@simulated
async def test_start_that_is_given_up() -> None:
    town, nodes = Town(), DynamicSupervisor("nodes")
    tree = root(Strategy.ONE_FOR_ONE, [nodes])
    await tree.start()
    town.on_start["a"] = lambda: asyncio.sleep(5.0)
    starting = asyncio.create_task(nodes.start_child(town.house("a")))
    await quiet()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert nodes.children() == ()
    assert town.since() == ""
    assert await town.refs["a"].down() == "its start was cancelled"
    await tree.stop()


@simulated
async def test_restart_with_the_group_begins_empty() -> None:
    """A dynamic supervisor that is restarted with its group begins without children."""
    town, nodes = Town(), DynamicSupervisor("nodes")
    tree = root(Strategy.REST_FOR_ONE, [town.house("a"), nodes])
    await tree.start()
    ref = await nodes.start_child(town.house("n"))
    await town.crash("a")
    assert town.since() == "+a +n !a -a -n +a"
    assert nodes.children() == ()
    assert await ref.down() == "stopped"
    assert tree.snapshot().children[1].restarts == 1
    assert await nodes.start_child(town.house("m")) is town.refs["m"]
    assert tree.snapshot().children[1].state is State.RUNNING
    await tree.stop()


def test_registry_knows_addresses_before_actors_start() -> None:
    """The registry gives an actor's address by its marker, before the actor has started."""
    registry = Registry()
    child = Child("a", lambda: HouseActor(Town(), "a"))
    assert registry.register(House, child.ref) is child.ref
    assert registry.ref(House) is child.ref


def test_registry_without_the_address() -> None:
    registry = Registry()
    with pytest.raises(LookupError, match=r"no address is registered for House \(known: none\)"):
        registry.ref(House)
    registry.register(House, Ref("a"))
    with pytest.raises(LookupError, match=r"for Town \(known: House\)"):
        registry.ref(Town)
    with pytest.raises(LookupError, match="already registered for House"):
        registry.register(House, Ref("b"))
