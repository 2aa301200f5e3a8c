"""Nodes with an address for which no upload URL can be signed do not make any job fail."""

import asyncio
from uuid import UUID, uuid4

from actors.ledger.effects import JobInsert
from actors.ledger.messages import Posted
from actors.scheduler.messages import Dispatch
from sql.nodes import NodeIdentity
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.node import Faults, SimulatedNode
from tests.simulation.store import FarStore
from tests.support.plans import planned
from tests.twins.objects import TwinObjects
from tests.twins.random import TwinRandom
from tests.unit.simulated_time import in_time, simulated

USER = UUID(int=5000)
JOBS = 30


class Farm:
    """A gateway with nodes; nodes with bad addresses are always idle and come first by id."""

    def __init__(self, *, bad: int, honest: int) -> None:
        self.store = FarStore()
        objects = TwinObjects(lambda: asyncio.get_running_loop().time())
        self.gateway = SimulatedGateway(self.store, objects, TwinRandom(1))
        bases = ["http://h:99999"] * bad + ["http://gateway:8000"] * honest
        self.nodes = [self._node(number, base) for number, base in enumerate(bases, 1)]

    def _node(self, number: int, base: str) -> SimulatedNode:
        node, owner = UUID(int=number), UUID(int=900 + number)
        self.store.add_node(node, ("echo",), owner=owner)
        identity = NodeIdentity(node, owner, ("echo",), verified=True, base=base)
        chance = TwinRandom(number)
        return SimulatedNode(identity, [self.gateway], chance, Faults(), plain=False, slots=1)

    async def run(self, seconds: float) -> None:
        """Start the farm, submit all jobs, and stop the farm after ``seconds``."""
        await self.gateway.start()
        async with asyncio.TaskGroup() as tasks:
            lives = [tasks.create_task(node.live()) for node in self.nodes]
            await asyncio.sleep(10)
            for _ in range(JOBS):
                order = Dispatch(JobInsert(uuid4(), USER, planned(queue=True)))
                outcome = await self.gateway.scheduler.ask(order, within=2.0)
                assert isinstance(outcome, Posted)
            await asyncio.sleep(seconds)
            for life in lives:
                life.cancel()
        await self.gateway.stop()


@simulated
async def test_all_jobs_are_done_by_the_others() -> None:
    farm = Farm(bad=2, honest=2)
    await in_time(farm.run(3600), within=4000)
    states = [unit.state for unit in farm.store.units.values()]
    assert states == ["COMPLETED"] * JOBS
    assert all(unit.failures == unit.faults == 0 for unit in farm.store.units.values())
    assert {unit.node_id for unit in farm.store.units.values()} == {UUID(int=3), UUID(int=4)}
    assert await farm.store.audit() == []


@simulated
async def test_where_there_is_nobody_else_everything_waits() -> None:
    farm = Farm(bad=4, honest=0)
    await in_time(farm.run(1200), within=1600)
    units = list(farm.store.units.values())
    assert {unit.state for unit in units} <= {"QUEUED", "DISPATCHED"}
    assert all(unit.failures == unit.faults == 0 for unit in units)
    assert all(job.status != "FAILED" for job in farm.store.jobs.values())
    # Once the unit could not be sent to three nodes, it is tried at most once a minute.
    assert max(unit.attempt for unit in units) < 1200 / 60 + 12
