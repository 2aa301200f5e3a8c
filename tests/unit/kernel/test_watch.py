"""Death notices to actors that watch others."""

import asyncio

import attrs
import pytest

from actors.kernel import Actor, ActorCrashed, Down, Message, Ref, handles
from supervisors.child import Child
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.unit.kernel.stage import Boom, Do, Hold, Note, Script, Stage, StageActor, quiet
from tests.unit.simulated_time import simulated


class Deaf:
    """Marker of an actor without a handler for Down."""


@attrs.frozen
class Listen(Message[Deaf, None]):
    to: Ref[Stage]


class DeafActor(Actor[Deaf]):
    @handles(Listen)
    async def listen(self, message: Listen) -> None:
        self.watch(message.to)


class FaintingActor(StageActor):
    """A stage actor that crashes over each death notice."""

    @handles(Down)
    async def down(self, message: Down) -> None:
        raise KeyError("hunter2")


class House:
    """A watching actor, and watched actors under a dynamic supervisor."""

    def __init__(self, *, capacity: int = 16, watcher: type[StageActor] = StageActor) -> None:
        self.script = Script()
        self.watcher = Child("watcher", lambda: watcher(self.script), capacity=capacity)
        self.deaf = Child("deaf", DeafActor)
        self.nodes = DynamicSupervisor("nodes")
        self.root = Supervisor(
            "root",
            Strategy.ONE_FOR_ONE,
            Intensity(5, 30.0),
            [self.nodes, self.watcher, self.deaf],
        )
        self.log = self.script.log

    async def node(self, name: str = "node") -> Ref[Stage]:
        return await self.nodes.start_child(Child(name, Script().make))

    async def watch(self, ref: Ref[Stage]) -> None:
        await self.watcher.ref.ask(Do(lambda actor: actor.watch(ref)), within=1.0)


@simulated
async def test_watch_brings_one_down() -> None:
    """A watch brings exactly one Down, with the reason, when the address is down for good."""
    house = House()
    await house.root.start()
    node = await house.node()
    await house.watch(node)
    await house.watch(node)
    node.tell(Boom())
    await quiet()
    await house.root.stop()
    assert house.log == ["started", ("node", "ValueError in StageActor.boom"), "stopped"]


@simulated
async def test_watch_of_the_dead() -> None:
    """A watch of an address that is down already brings its Down at once."""
    house = House()
    await house.root.start()
    node = await house.node()
    await house.nodes.terminate(node)

    def twice(actor: StageActor) -> None:
        actor.watch(node)
        actor.watch(node)

    await house.watcher.ref.ask(Do(twice), within=1.0)
    await quiet()
    assert house.log == ["started", ("node", "terminated")]
    await house.root.stop()


@simulated
async def test_restart_is_no_death() -> None:
    """A restart is not a death: it brings no Down."""
    house = House()
    await house.root.start()
    ref: Ref[Stage] = house.deaf.ref
    await house.watch(ref)
    with pytest.raises(ActorCrashed, match=r"TypeError in DeafActor.listen"):
        await house.deaf.ref.ask(Listen(house.watcher.ref), within=1.0)
    await quiet()
    assert house.log == ["started"]
    await house.root.stop()
    assert house.log == ["started", "stopped"]


@simulated
async def test_watch_without_a_handler_for_down() -> None:
    """An actor without a handler for Down cannot watch: that is a TypeError."""
    house = House()
    await house.root.start()
    with pytest.raises(ActorCrashed, match=r"TypeError in DeafActor.listen"):
        await house.deaf.ref.ask(Listen(house.watcher.ref), within=1.0)
    await house.root.stop()


@simulated
async def test_watch_ends_with_the_instance() -> None:
    """A watch ends with the instance that began it; the next instance must watch again."""
    house = House()
    await house.root.start()
    node = await house.node()
    await house.watch(node)
    house.watcher.ref.tell(Boom())
    await quiet()
    assert node.mailbox.watchers == {}
    await house.nodes.terminate(node)
    await quiet()
    await house.watch(node)
    await quiet()
    assert house.log == ["started", "boom", "stopped", "started", ("node", "terminated")]
    await house.root.stop()


@simulated
async def test_full_mailbox_does_not_block_a_death_notice() -> None:
    """A full mailbox never holds up a death notice, which goes before the queued messages."""
    house = House(capacity=1)
    await house.root.start()
    nodes = [await house.node(name) for name in "abc"]
    for node in nodes:
        await house.watch(node)
    house.watcher.ref.tell(Hold())
    await quiet()
    house.watcher.ref.tell(Note("queued"))
    for node in nodes:
        await house.nodes.terminate(node)
    house.script.gate.set()
    await quiet()
    assert house.log[3:] == [(name, "terminated") for name in "abc"] + ["queued"]
    await house.root.stop()


@simulated
async def test_crash_over_a_death_notice() -> None:
    house = House(watcher=FaintingActor)
    await house.root.start()
    node = await house.node()
    await house.watch(node)
    await house.nodes.terminate(node)
    await quiet()
    assert house.root.snapshot().children[1].last_error == "KeyError in FaintingActor.down"
    await house.root.stop()


@simulated
async def test_waiting_for_the_end_from_outside() -> None:
    """Code outside actors waits with Ref.down for the end of an actor, and gets the reason."""
    house = House()
    await house.root.start()
    node = await house.node()
    waiting = [asyncio.create_task(node.down()) for _ in range(2)]
    await quiet()
    waiting[0].cancel()
    await house.nodes.terminate(node)
    assert await waiting[1] == "terminated"
    assert await node.down() == "terminated"
    assert waiting[0].cancelled()
    await house.root.stop()
