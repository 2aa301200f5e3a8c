"""Nodes of strangers that lose, fail or refuse all units do not make other people's jobs fail.

Most of the strangers' nodes have no owner. Every unit here can be done by an honest node, which is
busy most of the time.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import JobInsert
from actors.ledger.messages import Posted
from actors.scheduler.messages import Dispatch
from rendertrust.protocol import Hello, JobDispatch, JobResult
from sql.nodes import NodeIdentity
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.node import Faults, SimulatedNode
from tests.simulation.store import FarStore
from tests.support.plans import planned
from tests.support.until import until
from tests.twins.objects import TwinObjects
from tests.twins.random import TwinRandom
from tests.unit.simulated_time import simulated

CREATOR: Final = UUID(int=5000)
JOBS: Final = 10
GIB: Final = 1 << 30


class Honest(SimulatedNode):
    """An honest node with 64 GiB and one slot; each unit takes half a minute."""

    def hello(self) -> Hello:
        said = super().hello()
        return Hello(version="sim", running=said.running, ram=64 * GIB)

    async def _render(self, frame: JobDispatch) -> None:
        for left in (60.0, 40.0, 20.0):
            self._say(self._status(frame, left))
            await asyncio.sleep(10.0)


class Losing(SimulatedNode):
    """A node that begins each unit, and every 1.5 seconds sends a hello that names no unit."""

    def hello(self) -> Hello:
        return Hello(version="sim", slots=64)

    def _accept(self, frame: JobDispatch, tasks: asyncio.TaskGroup) -> None:
        self._say(self._status(frame, 60.0))

    async def _resend(self) -> None:
        while True:
            await asyncio.sleep(1.5)
            self._say(self.hello())


class Leaving(Losing):
    """A node that begins each unit and disconnects every two minutes."""

    async def _resend(self) -> None:
        await asyncio.sleep(120.0)
        self.crash()


class Failing(SimulatedNode):
    """A node that fails each unit at once."""

    said: ClassVar[dict[str, Any]]
    ram = 64 * GIB

    def hello(self) -> Hello:
        return Hello(version="sim", slots=64, ram=self.ram)

    def _accept(self, frame: JobDispatch, tasks: asyncio.TaskGroup) -> None:
        about = {"job_id": frame.job_id, "unit": frame.unit, "attempt": frame.attempt}
        self._say(JobResult(status="failed", error="no", **about, **self.said))  # type: ignore[arg-type]


class ByNode(Failing):
    said: ClassVar[dict[str, Any]] = {"failure": "node"}


class ByGateway(Failing):
    said: ClassVar[dict[str, Any]] = {"failure": "gateway"}


class GivingBack(Failing):
    said: ClassVar[dict[str, Any]] = {"failure": "network", "given_back": True}


class Lacking(Failing):
    """A node that claims more memory than any other, and fails each unit for lack of memory."""

    said: ClassVar[dict[str, Any]] = {"failure": "node", "lacks": "memory"}
    ram = 1 << 52


class Keeping(Failing):
    """A node that claims the most memory, begins units and never finishes a unit; it leaves after
    an hour.
    """

    ram = 1 << 53

    def _accept(self, frame: JobDispatch, tasks: asyncio.TaskGroup) -> None:
        self._say(self._status(frame, 60.0))

    async def _resend(self) -> None:
        await asyncio.sleep(3600.0)
        self.leave()


Players = Sequence[tuple[type[SimulatedNode], int | None]]


def farm(players: Players) -> tuple[FarStore, SimulatedGateway, list[SimulatedNode]]:
    """Return a gateway and nodes of these kinds and owners, with ids in this order.

    Of nodes that suit a unit equally well, the gateway chooses the first.
    """
    store = FarStore()
    objects = TwinObjects(lambda: asyncio.get_running_loop().time())
    gateway = SimulatedGateway(store, objects, TwinRandom(1))
    nodes: list[SimulatedNode] = []
    for number, (kind, whose) in enumerate(players, 1):
        node, owner = UUID(int=number), None if whose is None else UUID(int=whose)
        store.add_node(node, ("echo",), owner=owner, verified=True, status="REGISTERED")
        identity = NodeIdentity(node, owner, ("echo",), verified=True)
        slots = 1 if kind is Honest else 64
        chance = TwinRandom(10 + number)
        nodes.append(kind(identity, [gateway], chance, Faults(), plain=False, slots=slots))
    return store, gateway, nodes


async def submit(gateway: SimulatedGateway, jobs: int) -> None:
    for _ in range(jobs):
        order = Dispatch(JobInsert(uuid4(), CREATOR, planned(queue=True)))
        outcome = await gateway.scheduler.ask(order, within=2.0)
        assert isinstance(outcome, Posted)


async def outcome_of(players: Players, *, within: float = 2 * 3600.0) -> Counter[str]:
    """Run ten jobs to their end and return the number of units by final state."""
    store, gateway, nodes = farm(players)
    await gateway.start()
    lives = [asyncio.create_task(node.live()) for node in nodes]
    await asyncio.sleep(10)  # all nodes are connected by then
    await submit(gateway, JOBS)
    await until(lambda: all(u.ended_at for u in store.units.values()), within=within)
    for life in lives:
        life.cancel()
    await gateway.stop()
    assert await store.audit() == []
    return Counter(unit.state for unit in store.units.values())


DONE = {"COMPLETED": JOBS}


@simulated
@pytest.mark.parametrize("kind", [Losing, Leaving, ByNode, ByGateway, GivingBack, Lacking])
@pytest.mark.parametrize("liars", [1, 5])
async def test_strangers_without_an_account_end_nobodys_job(
    kind: type[SimulatedNode], liars: int
) -> None:
    assert await outcome_of([*[(kind, None)] * liars, (Honest, 9000), (Honest, 9001)]) == DONE


@simulated
@pytest.mark.parametrize("kind", [Losing, ByNode, ByGateway])
async def test_nor_do_the_nodes_of_one_account(kind: type[SimulatedNode]) -> None:
    assert await outcome_of([*[(kind, 8000)] * 5, (Honest, 9000)]) == DONE


@simulated
async def test_who_loses_units_takes_none_from_an_idle_node_of_the_same_owner() -> None:
    assert await outcome_of([(Losing, None), (Honest, None)], within=1200.0) == DONE


@simulated
@pytest.mark.parametrize(
    "liars",
    [
        [(Lacking, None), (Keeping, None)],
        [(Lacking, 8000), (Lacking, 8001)],
        [(Lacking, 8000), (Lacking, 8001), (Keeping, 8002)],
    ],
    ids=["pair", "two", "three"],
)
async def test_nobody_takes_units_away_by_what_he_says_of_memory(liars: Players) -> None:
    assert await outcome_of([*liars, (Honest, 9000)], within=6 * 3600.0) == DONE
