"""The whole tree over in-memory ports: which crashes affect which actors."""

import asyncio
from uuid import UUID

import pytest

from actors.kernel import State
from actors.node_session.settings import NodeSessionSettings
from actors.notifier.messages import Notifier, UnitsMoved
from sql.nodes import NodeIdentity
from supervisors.actor_settings import ActorSettings
from supervisors.child import Child
from supervisors.registry import Registry
from supervisors.restart_policy import Intensity
from supervisors.snapshot import RestartAllowance
from supervisors.tree import ONE, REST, SESSIONS, TREE, Branch, Given, Part, Tree
from tests.simulation.gateway import IdleActor
from tests.twins.bus import TwinBus
from tests.twins.ports import twin_ports
from tests.twins.socket import TwinSocket
from tests.unit.dispatch.stage import NODE, OWNER, state_of
from tests.unit.simulated_time import simulated
from tests.unit.supervisors.town import Town
from web.nodes import embedded_verifier


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


@simulated
async def test_a_spare_branch_has_its_own_strategy_and_intensity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spare = Branch("Spare", REST, Intensity(1, 1_000), (Given("a"), Given("b")), spare=True)
    root = Branch("Root", ONE, Intensity(3, 60), (Given(SESSIONS), spare))
    monkeypatch.setattr("supervisors.tree.TREE", root)
    town = Town()
    settings = ActorSettings(NodeSessionSettings(bucket="rendertrust"))
    tree = Tree(twin_ports(), Registry(), settings, [town.house("a"), town.house("b")])
    await tree.root.start()
    town.since()
    await town.crash("a")
    await asyncio.sleep(2.0)  # the back-off
    assert town.since() == "!a -a -b +a +b"
    await town.crash("a")
    await asyncio.sleep(60.0)
    assert town.since() == "!a -a"
    found = tree.root.snapshot().children[1]
    assert found.allowance == RestartAllowance(1, 1, 1_000)
    assert [child.state for child in found.children] == [State.DOWN, State.RUNNING]
    await tree.root.stop()


def names_of(part: Part) -> list[str]:
    """Return the names of a part of the tree and of everything below it."""
    below = part.children if isinstance(part, Branch) else ()
    return [part.name, *(name for child in below for name in names_of(child))]


def test_no_two_parts_of_the_tree_have_the_same_name() -> None:
    names = names_of(TREE)  # restarts, fail points and log lines have no other name
    assert sorted(set(names)) == sorted(names)


def test_the_tree_has_a_place_for_the_embedded_verifier() -> None:
    assert embedded_verifier.CHILD in names_of(TREE)
