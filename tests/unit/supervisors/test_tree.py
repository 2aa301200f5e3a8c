"""The whole tree over in-memory ports: which crashes affect which actors."""

import asyncio
from uuid import UUID

import pytest

from actors.kernel import State
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.notifier.messages import Notifier, UnitsMoved
from supervisors.actor_settings import ActorSettings
from supervisors.child import Child
from supervisors.registry import Registry
from supervisors.tree import Tree
from tests.simulation.gateway import IdleActor
from tests.twins.bus import TwinBus
from tests.twins.ports import twin_ports
from tests.twins.socket import TwinSocket
from tests.unit.dispatch.stage import NODE, OWNER, state_of
from tests.unit.simulated_time import simulated


class BrokenBus(TwinBus):
    """A Bus that raises an unexpected error."""

    async def publish(self, topic: str, payload: bytes) -> None:
        raise ZeroDivisionError(topic)


class RunningTree:
    """A running tree; ``webs`` counts starts of its web server, and ``socket`` is a node's."""

    def __init__(self) -> None:
        self.webs = 0
        self.registry = Registry()
        self.socket = TwinSocket()
        ports = twin_ports(bus=BrokenBus())
        settings = ActorSettings(NodeSessionSettings(bucket="rendertrust"))
        web = Child("web", self._web)
        self.tree = Tree(ports, self.registry, settings, [web])

    def _web(self) -> IdleActor:
        self.webs += 1
        return IdleActor()

    async def start(self) -> None:
        await self.tree.root.start()
        identity = NodeIdentity(NODE, OWNER, ("echo",), verified=True)
        await self.tree.open_session(identity, self.socket)


@simulated
@pytest.mark.parametrize("crashes", [1, 50])
async def test_a_crash_of_the_notifier_closes_no_socket_and_restarts_nobody_else(
    crashes: int,
) -> None:
    city = RunningTree()
    await city.start()
    notifier = city.registry.ref(Notifier)
    for number in range(crashes):
        notifier.tell(UnitsMoved((state_of("RUNNING", UUID(int=number)),)))
        await asyncio.sleep(1.5)
    outside, edge = city.tree.root.snapshot().children[-2:]
    assert outside.children[0].restarts >= 1
    assert (city.socket.closed, city.webs) == (None, 1)
    assert [child.restarts for child in edge.children] == [0, 0]
    assert city.tree.root.state is State.RUNNING
    await city.tree.root.stop()
