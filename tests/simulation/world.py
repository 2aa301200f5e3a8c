"""A small world with a seed: customers, nodes, a gateway, and bad weather."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from uuid import UUID

import attrs

from actors.node_session.settings import NodeIdentity
from sql.database import Unavailable
from sql.fsck import Finding
from tests.simulation.checks import ENDED, violations
from tests.simulation.customer import Customer
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.node import Faults, SimulatedNode
from tests.twins.objects import TwinObjects
from tests.twins.random import TwinRandom
from tests.twins.store import StoreTwin
from tests.unit.simulated_time import simulate

CALM_HOURS_MOST = 3.0
LAST_JOBS, LAST_HOURS = 5, 0.5
CHECKED_SECONDS = 60.0  # for the last entries to be in the log
ROUND_TRIP_SECONDS, AWAY_SECONDS = 0.003, 0.3


@attrs.frozen
class Plan:
    """How large, how long, and how bad. ``hours`` are of simulated time, before the calm."""

    nodes: int = 10
    customers: int = 5
    hours: float = 0.25
    trouble: float = 0.2


@attrs.frozen
class Report:
    """What came of a seed. ``trace`` is equal for equal seeds."""

    seed: int
    jobs: int
    completed: int
    failed: int
    cancelled: int
    attempts: int
    starts: int
    events: int
    trace: str
    wrong: tuple[str, ...]


class InjectedBug(Exception):
    """What an actor may run into at any round trip to the database."""


class FarStore(StoreTwin):
    """A database that takes its time, all the more to say that it is away."""

    async def round_trip(self) -> None:
        await asyncio.sleep(AWAY_SECONDS if self.away else ROUND_TRIP_SECONDS)
        await super().round_trip()


class World:
    """Everything in it follows from the seed."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.plan = plan
        self.chance = TwinRandom(seed)
        self.store = FarStore()
        self.objects = TwinObjects(lambda: asyncio.get_running_loop().time())
        self.gateway = SimulatedGateway(self.store, self.objects, TwinRandom(seed + 1))
        self.faults = Faults(
            lost=0.02 * plan.trouble * 5,
            repeated=0.05,
            failing=plan.trouble / 2,
            hanging=plan.trouble / 4,
            deaf=plan.trouble / 10,
        )
        self.nodes = [self._node(number) for number in range(plan.nodes)]
        self.customers = [
            Customer(UUID(int=5000 + n), self.gateway, TwinRandom(seed * 1000 + n))
            for n in range(plan.customers)
        ]
        self.events = 0

    def _node(self, number: int) -> SimulatedNode:
        node, plain = UUID(int=1 + number), number % 3 == 2
        types = ("echo",) if number % 4 == 3 else ("echo", "render")
        owner = UUID(int=9000 + number) if number % 2 else None
        self.store.add_node(node, types, owner=owner, verified=not plain, status="REGISTERED")
        identity = NodeIdentity(node, owner, types, verified=not plain)
        chance = TwinRandom(int(self.chance.uniform(0, 2**31)))
        slots = 1 + number % 3
        return SimulatedNode(identity, self.gateway, chance, self.faults, plain=plain, slots=slots)

    async def run(self) -> tuple[str, ...]:
        """Live through the trouble, then through the calm; what is wrong at the end."""
        await self.gateway.start()
        async with asyncio.TaskGroup() as tasks:
            keeper = tasks.create_task(self.gateway.run())
            lives = [tasks.create_task(node.live()) for node in self.nodes]
            customers = [tasks.create_task(customer.live()) for customer in self.customers]
            await self._trouble(self.plan.hours * 3600)
            await self._calm(customers)
            for task in (keeper, *lives):
                task.cancel()
        await self.gateway.stop()
        findings = [str(finding) for finding in await self._audit()]
        return (*findings, *violations(self.store, self.customers, self.nodes))

    async def _audit(self) -> Sequence[Finding]:
        while True:
            with contextlib.suppress(InjectedBug, Unavailable):  # the last blows may be left over
                return await self.store.audit()

    async def _trouble(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        every = 20.0 / max(self.plan.trouble * 5, 0.01)
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self.chance.uniform(0.0, 2 * every))
            self.events += 1
            await self._strike()

    async def _strike(self) -> None:
        node = self.nodes[int(self.chance.uniform(0, len(self.nodes)))]
        blows: list[tuple[float, Callable[[], object]]] = [
            (0.30, node.disconnect),
            (0.15, node.crash),
            (0.05, lambda: self._part_with(node)),
            (0.15, lambda: self.store.fail_next(InjectedBug("an injected bug"))),
            (0.05, self.store.lose_commit_answer),
            (0.10, self.store.fail_next),
        ]
        dice = self.chance.uniform(0.0, 1.0)
        for odds, blow in blows:
            dice -= odds
            if dice < 0:
                blow()
                return
        await self._strike_hard(dice)

    def _part_with(self, node: SimulatedNode) -> None:
        """One of five may leave for good; the others must be able to do everything."""
        if node.identity.id.int % 5 == 0:
            node.leave()

    async def _strike_hard(self, dice: float) -> None:
        seconds = self.chance.uniform(0.5, 100.0)
        if dice < 0.06:
            self.gateway.cut_off(away=True)
            await asyncio.sleep(seconds)
            self.gateway.cut_off(away=False)
        elif dice < 0.12:
            self.objects.away = True
            await asyncio.sleep(seconds)
            self.objects.away = False
        elif dice < 0.16:
            await self.gateway.kill()
        else:
            await self.gateway.stop()

    async def _calm(self, customers: list["asyncio.Task[None]"]) -> None:
        """No more trouble: everything that was begun must come to an end."""
        self.faults.calm()
        for customer in self.customers:
            customer.is_done = True
        await asyncio.wait(customers)
        for customer in self.customers:
            await customer.release()
        await self._all_ended(CALM_HOURS_MOST)
        for customer in self.customers:  # and it is as good as new
            await customer.submit_some(LAST_JOBS)
        await self._all_ended(LAST_HOURS)
        await asyncio.sleep(CHECKED_SECONDS)

    async def _all_ended(self, hours: float) -> None:
        for _ in range(int(hours * 360)):
            await asyncio.sleep(10.0)
            if all(unit.state in ENDED for unit in self.store.units.values()):
                return

    def trace(self) -> str:
        """A digest of all that is in the books."""
        digest = hashlib.sha256()
        for table in (self.store.jobs, self.store.units, self.store.entries):
            for row in table.values():
                digest.update(repr(row).encode())
        return digest.hexdigest()[:16]


def run_seed(seed: int, plan: Plan) -> Report:
    """Live one world through to its end."""

    async def live() -> Report:
        world = World(seed, plan)
        wrong = await world.run()
        states = [unit.state for unit in world.store.units.values()]
        return Report(
            seed=seed,
            jobs=len(states),
            completed=states.count("COMPLETED"),
            failed=states.count("FAILED"),
            cancelled=states.count("CANCELLED"),
            attempts=sum(unit.attempt for unit in world.store.units.values()),
            starts=world.gateway.starts,
            events=world.events,
            trace=world.trace(),
            wrong=wrong,
        )

    return simulate(live(), seed=seed)
