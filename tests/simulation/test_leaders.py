"""Of several gateways one audits the books and one requeues lost units; when one of these dies,
another takes over.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from actors.ports.leadership import Role
from sql.fsck import AuditIncrement, AuditMark, Finding
from sql.units import OpenUnit
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.store import FarStore
from tests.twins.leadership import Leads
from tests.twins.objects import TwinObjects
from tests.twins.random import TwinRandom
from tests.unit.simulated_time import simulated

# seconds of the day, ten minutes before the nightly audit at 03:00
BEFORE_NIGHT = 2 * 3600 + 50 * 60
MINUTE = 60


class CountingStore(FarStore):
    """A database that counts audits and sweeps."""

    wholes = looks = sweeps = 0

    async def audit_since(self, mark: AuditMark | None) -> AuditIncrement:
        self.looks += 1
        return AuditIncrement([], AuditMark())

    async def audit(self) -> Sequence[Finding]:
        self.wholes += 1
        return await super().audit()

    async def lost_units(self, unsent: timedelta) -> Sequence[OpenUnit]:
        self.sweeps += 1
        return await super().lost_units(unsent)


@asynccontextmanager
async def three_gateways() -> AsyncGenerator[tuple[CountingStore, list[SimulatedGateway]]]:
    store, leads = CountingStore(), Leads()
    objects = TwinObjects(lambda: asyncio.get_running_loop().time())
    gateways = [SimulatedGateway(store, objects, TwinRandom(n), leads) for n in range(3)]
    for gateway in gateways:
        gateway.clock.skew = BEFORE_NIGHT
        await gateway.start()
    yield store, gateways
    for gateway in gateways:
        await gateway.stop()


def leader(gateways: Sequence[SimulatedGateway], role: Role) -> SimulatedGateway:
    leads = gateways[0].leadership.table.by_role
    return next(one for one in gateways if leads.get(role) is one.leadership)


@simulated
async def test_everything_is_audited_once_after_a_start_and_once_a_night() -> None:
    async with three_gateways() as (store, _):
        await asyncio.sleep(5 * MINUTE)
        assert (store.wholes, store.looks) == (1, 4)
        await asyncio.sleep(10 * MINUTE)
        assert store.wholes == 2


@simulated
async def test_one_gateway_sweeps() -> None:
    async with three_gateways() as (store, gateways):
        await asyncio.sleep(MINUTE)
        before = store.sweeps
        await asyncio.sleep(MINUTE)
        assert 10 <= store.sweeps - before <= 13
        await leader(gateways, "lifeline").kill()
        before = store.sweeps
        await asyncio.sleep(MINUTE)
        assert 9 <= store.sweeps - before <= 13


@simulated
async def test_a_gateway_that_may_not_write_leaves_the_sweeps_to_another() -> None:
    async with three_gateways() as (store, gateways):
        await asyncio.sleep(MINUTE)
        halted = leader(gateways, "lifeline")
        halted.leadership.halted = True
        await asyncio.sleep(MINUTE / 4)
        assert leader(gateways, "lifeline") is not halted
        before = store.sweeps
        await asyncio.sleep(MINUTE)
        assert 10 <= store.sweeps - before <= 13


@simulated
async def test_when_the_auditor_dies_another_gateway_audits() -> None:
    async with three_gateways() as (store, gateways):
        await asyncio.sleep(5 * MINUTE)
        await leader(gateways, "auditor").kill()
        await asyncio.sleep(4 * MINUTE)
        # One audit was at the start. The new leader's Auditor asks its NightAuditor for another; if
        # the NightAuditor noticed first that it leads, it has audited by itself before.
        assert store.wholes in (2, 3)
        leader(gateways, "auditor").leadership.cut()
        await asyncio.sleep(MINUTE / 2)
        assert leader(gateways, "auditor").is_up
