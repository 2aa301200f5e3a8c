"""Two gateways over one database whose clocks differ.

No unit is taken from a node that works on it, and no share is payable before its dispute window is
over.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from sql.nodes import NodeIdentity
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.node import Faults
from tests.simulation.store import FarStore
from tests.simulation.test_excuses import JOB, Slow, submit
from tests.support.examples import series
from tests.support.until import until
from tests.twins.objects import TwinObjects
from tests.twins.random import TwinRandom
from tests.unit.simulated_time import simulated

NODE, OWNER, UNIT = UUID(int=1), UUID(int=9000), (JOB, 0)
WINDOW_SECONDS = 120.0  # dispute window of the simulated gateway


@asynccontextmanager
async def rendering_node(*skews: float) -> AsyncGenerator[FarStore]:
    """Start one frame of five minutes on a node of the first gateway; yield the database."""
    store = FarStore()
    objects = TwinObjects(lambda: asyncio.get_running_loop().time())
    gateways = [SimulatedGateway(store, objects, TwinRandom(n)) for n, _ in enumerate(skews)]
    for gateway, skew in zip(gateways, skews, strict=True):
        gateway.clock.skew = skew
        await gateway.start()
    store.add_node(NODE, ("render",), owner=OWNER, verified=True, status="REGISTERED")
    identity = NodeIdentity(NODE, OWNER, ("render",), verified=True)
    node = Slow(identity, gateways[:1], TwinRandom(10), Faults(), plain=False, slots=1)
    life = asyncio.create_task(node.live())
    await asyncio.sleep(10)  # the node is connected by then
    await submit(gateways[0], 1)
    await until(lambda: store.units[UNIT].state == "RUNNING", within=30)
    yield store
    life.cancel()
    for gateway in gateways:
        await gateway.stop()


@simulated
@pytest.mark.parametrize(
    "skews", series([(0, 61), (-61, 0), (61, -61), (-86400, 86400)], [(61, -61), (-86400, 86400)])
)
async def test_gateways_whose_clocks_differ_leave_a_node_its_unit(
    skews: tuple[float, float],
) -> None:
    async with rendering_node(*skews) as store:
        await until(lambda: store.units[UNIT].state == "COMPLETED", within=400)
        assert (store.units[UNIT].attempt, store.units[UNIT].failures) == (1, 0)
        await asyncio.sleep(WINDOW_SECONDS - 10)
        assert store.earnings[UNIT].state == "PENDING"
        await until(lambda: store.earnings[UNIT].state == "PAYABLE", within=200)


@simulated
@pytest.mark.parametrize("step", series([61.0, 86400.0], [61.0]))
async def test_a_databases_clock_that_is_set_ahead_takes_no_unit_from_its_node(
    step: float,
) -> None:
    async with rendering_node(0, 0) as store:
        await asyncio.sleep(40)  # the gateways have swept by then
        store.own_clock.skew += step
        await until(lambda: store.units[UNIT].state == "COMPLETED", within=400)
        assert (store.units[UNIT].attempt, store.units[UNIT].failures) == (1, 0)
