"""A simulated world that follows from a seed: customers, nodes, gateways and faults."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from uuid import UUID

import attrs

from actors.verifier.settings import VerifierSettings
from config.settings import Verification
from sql.checks import CheckRow
from sql.database import Unavailable
from sql.fsck import Finding
from sql.nodes import NodeIdentity
from tests.simulation.bus import BusOfGateway, Network, NetworkFaults
from tests.simulation.checks import ENDED, sampling_faults, violations
from tests.simulation.customer import Customer
from tests.simulation.gateway import GatewayClock, SimulatedGateway
from tests.simulation.node import Faults, SimulatedNode, pick_gateway
from tests.simulation.store import Connection, FarStore
from tests.twins.clock import EPOCH
from tests.twins.leadership import Leads
from tests.twins.objects import TwinObjects
from tests.twins.random import TwinRandom
from tests.unit.simulated_time import simulate

CALM_HOURS_MOST = 3.0
LAST_JOBS, LAST_HOURS = 5, 0.5
CHECKED_SECONDS = 60.0  # time in which the last entries get into the log
SKEW_SECONDS = 90.0  # largest difference between the clocks of a gateway and the database
DEVICE_CLASS = "cpu/avx2/5.2"
KNOWN_RESULTS = 10  # valid results that each node has from before the simulation
LEAST_ODDS = 0.3  # lowest odds of a draw, which a node has with KNOWN_RESULTS valid results


@attrs.frozen
class Plan:
    """Size, duration and faults of a world; ``hours`` of simulated time precede the calm phase.

    With several ``gateways``, results are verified and the gateways' clocks differ.
    """

    nodes: int = 10
    customers: int = 5
    hours: float = 0.25
    trouble: float = 0.2
    gateways: int = 1
    verifiers: int = 2  # the gateway's own, if results are verified

    @property
    def is_verified(self) -> bool:
        """Return whether results wait for a verdict."""
        return self.gateways > 1


@attrs.frozen
class Report:
    """The outcome of a seed; equal seeds have an equal ``trace``."""

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
    """Exception that can be injected into any round trip to the database."""


class World:
    """A world in which everything follows from the seed."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.plan = plan
        self.chance = TwinRandom(seed)
        self.store = FarStore()
        self.objects = TwinObjects(lambda: asyncio.get_running_loop().time())
        self.leads = Leads()
        self.network = Network(TwinRandom(seed + 2), NetworkFaults())
        self.own = frozenset(UUID(int=500 + n) for n in range(plan.verifiers * plan.is_verified))
        self.gateways = self._gateways(seed)
        self.faults = Faults(
            lost=0.02 * plan.trouble * 5,
            repeated=0.05,
            failing=plan.trouble / 2,
            hanging=plan.trouble / 4,
            deaf=plan.trouble / 10,
        )
        # Nodes blame no scenes: a gateway quarantines nodes whose blamed scenes other nodes render.
        if plan.is_verified:
            self.faults.blamed = ("node", "network")
        self.nodes = [self._node(number) for number in range(plan.nodes)]
        self.nodes += [self._verifier(node) for node in sorted(self.own)]
        self.customers = [
            Customer(UUID(int=5000 + n), self.gateways, TwinRandom(seed * 1000 + n))
            for n in range(plan.customers)
        ]
        self.events = 0

    def _gateways(self, seed: int) -> list[SimulatedGateway]:
        if self.plan.gateways == 1:
            return [SimulatedGateway(self.store, self.objects, TwinRandom(seed + 1))]
        return [self._one_of_several(number) for number in range(self.plan.gateways)]

    def _one_of_several(self, number: int) -> SimulatedGateway:
        """Return a gateway with its own clock and a lossy bus to the other gateways."""
        skew, since = self.chance.uniform(-SKEW_SECONDS, SKEW_SECONDS), self.chance.uniform(0, 1e6)
        return SimulatedGateway(
            Connection(self.store),
            self.objects,
            TwinRandom(int(self.chance.uniform(0, 2**31))),
            self.leads,
            clock=GatewayClock(skew, since),
            bus=lambda: BusOfGateway(self.network, number),
            verifying=VerifierSettings(
                Verification(least_odds=LEAST_ODDS, wait_seconds=900.0, check_seconds=120.0),
                own=self.own,
                look_seconds=5.0,
            ),
        )

    def _node(self, number: int) -> SimulatedNode:
        node, plain = UUID(int=1 + number), number % 3 == 2
        types = ("echo",) if number % 4 == 3 or self._is_unsigned(plain) else ("echo", "render")
        owner = UUID(int=9000 + number) if number % 2 or self.plan.is_verified else None
        self.store.add_node(node, types, owner=owner, verified=not plain, status="REGISTERED")
        identity = NodeIdentity(node, owner, types, verified=not plain)
        chance = TwinRandom(int(self.chance.uniform(0, 2**31)))
        checks = self.plan.is_verified and not plain
        if checks:
            self._know(node, number)
        return SimulatedNode(
            *(identity, self.gateways, chance, self.faults),
            plain=plain,
            slots=1 + number % 3,
            device_class=DEVICE_CLASS if checks else None,
        )

    def _is_unsigned(self, plain: bool) -> bool:
        """Return whether the node's results are unsigned although results are verified."""
        return plain and self.plan.is_verified

    def _verifier(self, node: UUID) -> SimulatedNode:
        """Return one of the gateway's own verifiers, which checks results and renders nothing."""
        owner = UUID(int=8999)
        self.store.add_node(node, ("echo",), owner=owner, verified=True, status="REGISTERED")
        identity = NodeIdentity(node, owner, ("echo",), verified=True)
        chance = TwinRandom(int(self.chance.uniform(0, 2**31)))
        return SimulatedNode(
            *(identity, self.gateways, chance, self.faults),
            plain=False,
            slots=1,
            device_class=DEVICE_CLASS,
        )

    def _know(self, node: UUID, number: int) -> None:
        """Give a node a record so long that more valid results do not change its odds of a draw."""
        for one in range(KNOWN_RESULTS):
            row = valid_result(UUID(int=1_000_000 + 1000 * number + one), node)
            self.store.checks[row.id] = row

    async def run(self) -> tuple[str, ...]:
        """Run the phase with faults, then the calm phase; return all violations."""
        for gateway in self.gateways:
            await gateway.start()
        async with asyncio.TaskGroup() as tasks:
            keepers = [tasks.create_task(gateway.run()) for gateway in self.gateways]
            lives = [tasks.create_task(node.live()) for node in self.nodes]
            customers = [tasks.create_task(customer.live()) for customer in self.customers]
            await self._trouble(self.plan.hours * 3600)
            await self._calm(customers)
            for task in (*keepers, *lives):
                task.cancel()
        for gateway in self.gateways:
            await gateway.stop()
        findings = [str(finding) for finding in await self._audit()]
        shares = sampling_faults(self.store, LEAST_ODDS) if self.plan.is_verified else []
        return (*findings, *violations(self.store, self.customers, self.nodes), *shares)

    async def _audit(self) -> Sequence[Finding]:
        while True:
            # faults injected last may still be pending
            with contextlib.suppress(InjectedBug, Unavailable):
                return await self.store.audit()

    async def _trouble(self, seconds: float) -> None:
        if self.plan.trouble == 0:
            await asyncio.sleep(seconds)
            return
        end = asyncio.get_running_loop().time() + seconds
        every = 20.0 / max(self.plan.trouble * 5, 0.01)
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self.chance.uniform(0.0, 2 * every))
            self.events += 1
            await self._strike()

    async def _strike(self) -> None:
        node = self.nodes[int(self.chance.uniform(0, len(self.nodes)))]
        gateway = pick_gateway(self.gateways, self.chance)
        store = gateway.store
        blows: list[tuple[float, Callable[[], object]]] = [
            (0.30, node.disconnect),
            (0.15, node.crash),
            (0.05, lambda: self._part_with(node)),
            (0.15, lambda: store.fail_next(InjectedBug("an injected bug"))),
            (0.05, store.lose_commit_answer),
            (0.10, store.fail_next),
        ]
        dice = self.chance.uniform(0.0, 1.0)
        for odds, blow in blows:
            dice -= odds
            if dice < 0:
                blow()
                return
        await self._strike_hard(dice, gateway)

    def _part_with(self, node: SimulatedNode) -> None:
        """Let a node whose id is a multiple of five leave for good; the other nodes can do every
        job.
        """
        if node.identity.id.int % 5 == 0 and node.identity.id not in self.own:
            node.leave()

    async def _strike_hard(self, dice: float, gateway: SimulatedGateway) -> None:
        seconds = self.chance.uniform(0.5, 100.0)
        if dice < 0.06:
            await self._database_away(gateway, seconds)
        elif dice < 0.12:
            self.objects.away = True
            await asyncio.sleep(seconds)
            self.objects.away = False
        elif dice < 0.16:
            await gateway.kill()
        elif self.plan.gateways == 1 or dice < 0.17:
            await gateway.stop()
        else:
            await self._strike_between(seconds, gateway)

    async def _database_away(self, gateway: SimulatedGateway, seconds: float) -> None:
        """Disconnect all gateways, or one of several, from the database for a while."""
        cut = self.gateways if self._is_heads() else [gateway]
        for one in cut:
            one.cut_off(away=True)
        await asyncio.sleep(seconds)
        for one in cut:
            one.cut_off(away=False)

    def _is_heads(self) -> bool:
        """Return True at even odds if there are several gateways, otherwise False."""
        return self.plan.gateways > 1 and self.chance.uniform(0.0, 1.0) < 0.5

    async def _strike_between(self, seconds: float, gateway: SimulatedGateway) -> None:
        """Set the gateway's clock, or cut its bus for a while."""
        if self._is_heads():
            gateway.clock.skew = self.chance.uniform(-SKEW_SECONDS, SKEW_SECONDS)
            return
        number = self.gateways.index(gateway)
        self.network.cut.add(number)
        await asyncio.sleep(seconds)
        self.network.cut.discard(number)

    async def _calm(self, customers: list["asyncio.Task[None]"]) -> None:
        """Stop all faults and wait until every job has ended."""
        self.faults.calm()
        for customer in self.customers:
            customer.is_done = True
        await asyncio.wait(customers)
        for customer in self.customers:
            await customer.release()
        await self._all_ended(CALM_HOURS_MOST)
        for customer in self.customers:  # new jobs must succeed now
            await customer.submit_some(LAST_JOBS)
        await self._all_ended(LAST_HOURS)
        await asyncio.sleep(CHECKED_SECONDS)

    async def _all_ended(self, hours: float) -> None:
        for _ in range(int(hours * 360)):
            await asyncio.sleep(10.0)
            if all(unit.state in ENDED for unit in self.store.units.values()):
                return

    def trace(self) -> str:
        """Return a digest of all jobs, units and entries."""
        digest = hashlib.sha256()
        for table in (self.store.jobs, self.store.units, self.store.entries):
            for row in table.values():
                digest.update(repr(row).encode())
        return digest.hexdigest()[:16]


def valid_result(job: UUID, node: UUID) -> CheckRow:
    """Return the check of a result that was found valid before the simulation."""
    return CheckRow(
        job=job,
        unit=0,
        attempt=1,
        node=node,
        device_class=DEVICE_CLASS,
        result_ref=None,
        verified=True,
        share_percent=0,
        opened_at=EPOCH,
        state="DECIDED",
        verdict="exact",
        decided_at=EPOCH,
    )


def run_seed(seed: int, plan: Plan) -> Report:
    """Simulate one world to its end and return its report."""

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
            starts=sum(gateway.starts for gateway in world.gateways),
            events=world.events,
            trace=world.trace(),
            wrong=wrong,
        )

    return simulate(live(), seed=seed)
