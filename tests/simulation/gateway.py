"""A simulated gateway: the real supervision tree over in-memory ports; tests stop or kill it."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from actors.kernel import Actor, Message, Ref, State, handles
from actors.ledger.messages import Ledger
from actors.node_session.messages import Close, NodeSession
from actors.node_session.settings import NodeSessionSettings
from actors.paymaster.actor import PaymasterSettings
from actors.ports import Bus
from actors.scheduler.messages import Scheduler
from actors.scheduler.settings import SchedulerSettings
from actors.sequencer.policy import SequencerSettings
from actors.verifier.settings import VerifierSettings
from config.settings import Earnings, Limits, Verification
from rendertrust.protocol import CloseCode
from sql.nodes import NodeIdentity
from supervisors.actor_settings import ActorSettings
from supervisors.child import Child, StartFailed
from supervisors.registry import Registry
from supervisors.tree import Tree
from tests.twins.bus import TwinBus
from tests.twins.clock import EPOCH, TwinClock
from tests.twins.leadership import Leads, TwinLeadership
from tests.twins.objects import TwinObjects
from tests.twins.ports import twin_ports
from tests.twins.random import TwinRandom
from tests.twins.socket import TwinSocket
from tests.twins.store import StoreTwin

BUCKET = "rendertrust"
VERIFIES_NOTHING = VerifierSettings(Verification(enabled=False), look_seconds=600.0)
MANY = Limits(open_jobs=1_000_000, open_free_jobs=1_000_000, open_kinds=1_000_000)


class Idle:
    """Marker of the actor in the place of the web server."""


@attrs.frozen
class Nothing(Message[Idle, None]):
    """Message that is never sent."""


class IdleActor(Actor[Idle]):
    @handles(Nothing)
    async def nothing(self, message: Nothing) -> None:
        """Do nothing; no test sends this message."""


class GatewayClock(TwinClock):
    """A clock: its time of day is off by ``skew``, and its monotonic time starts at ``since``."""

    def __init__(self, skew: float = 0.0, since: float = 0.0) -> None:
        super().__init__()
        self.skew, self.since = skew, since

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=super().monotonic() + self.skew)

    def monotonic(self) -> float:
        return super().monotonic() + self.since


class SimulatedGateway:
    """A gateway that is started again and again over the same database and object store."""

    def __init__(
        self,
        store: StoreTwin,
        objects: TwinObjects,
        chance: TwinRandom,
        leads: Leads | None = None,
        *,
        clock: GatewayClock | None = None,
        bus: Callable[[], Bus] = TwinBus,
        verifying: VerifierSettings | None = None,
    ) -> None:
        """Create a gateway that is not yet started.

        ``leads`` is the table of leaders that several gateways share; None if there is only one
        gateway. ``bus`` makes a bus for each process. With ``verifying``, results of renders wait
        for a verdict.
        """
        self.leadership = TwinLeadership(leads or Leads())
        self.store = store
        self.objects = objects
        self.clock = clock or GatewayClock()
        self.starts = 0
        self.failures = 0  # how often the tree gave up
        self._bus, self._verifying = bus, verifying
        self._dying = 0
        self._is_cut_off = False
        self._chance = chance
        self._tree: Tree | None = None
        self._registry = Registry()
        self._sockets: list[TwinSocket] = []
        self._serving: dict[Any, Ref[NodeSession]] = {}

    @property
    def is_up(self) -> bool:
        return self._tree is not None

    @property
    def scheduler(self) -> Ref[Scheduler]:
        return self._registry.ref(Scheduler)

    @property
    def ledger(self) -> Ref[Ledger]:
        return self._registry.ref(Ledger)

    async def start(self) -> None:
        """Start a new process."""
        self.starts += 1
        self._registry = Registry()
        ports = twin_ports(
            clock=self.clock,
            random=self._chance,
            store=self.store,
            objects=self.objects,
            bus=self._bus(),
            leadership=self.leadership,
        )
        verifying = self._verifying
        own = frozenset() if verifying is None else verifying.own
        earnings = Earnings(dispute_hours=1 / 30, sweep_seconds=120.0)
        settings = ActorSettings(
            NodeSessionSettings(
                bucket=BUCKET,
                earnings=earnings,
                runtime_seconds_most=600.0,
                verified_types=frozenset() if verifying is None else frozenset({"render"}),
                own=own,
            ),
            # The bus carries no changes of standings here, so they are polled.
            scheduler=SchedulerSettings(MANY, ours=own, standings_seconds=30.0),
            sequencer=SequencerSettings(every_seconds=5.0),
            paymaster=PaymasterSettings(earnings, claims_seconds=600.0),
            verifier=verifying or VERIFIES_NOTHING,
        )
        web = Child("web", IdleActor)
        tree = Tree(ports, self._registry, settings, [web])
        await tree.root.start()
        self._tree = tree

    async def run(self) -> None:
        """Start the gateway again whenever it is down, as a service manager does."""
        while True:
            await asyncio.sleep(2.0)
            if self._tree is not None and self._tree.root.state is State.DOWN:
                self.failures += 1
                await self.kill()
            if self._tree is None:
                await self.start()

    async def stop(self) -> None:
        """Stop in good order, as for an upgrade."""
        tree, self._tree = self._tree, None
        self._sockets.clear()
        if tree is not None:
            await tree.root.stop()
        await self.leadership.close()

    async def kill(self) -> None:
        """Kill the process: from now on it reaches neither the database nor a node."""
        tree, self._tree = self._tree, None
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            socket.broken = True
        self._dying += 1
        self._update()
        if tree is not None:
            await tree.root.stop()
        self._dying -= 1
        self._update()
        await self.leadership.close()
        for socket in sockets:
            await socket.close(1006)

    def cut_off(self, *, away: bool) -> None:
        """Disconnect the gateway from the database, or connect it again."""
        self._is_cut_off = away
        if away:
            self.leadership.cut()
        self._update()

    def _update(self) -> None:
        self.store.away = self.leadership.away = self._is_cut_off or self._dying > 0

    async def open_session(self, node: NodeIdentity, socket: TwinSocket) -> Ref[NodeSession] | None:
        """Open a session for an accepted socket, as the relay does; None if the gateway is down."""
        if self._tree is None:
            return None
        self._sockets = [s for s in self._sockets if s.closed is None]
        self._sockets.append(socket)
        ref: Ref[NodeSession] | None = None
        with contextlib.suppress(StartFailed):
            ref = await self._tree.open_session(node, socket)
        if ref is None:
            return None
        older = self._serving.get(node.id)
        self._serving[node.id] = ref
        if older is not None:
            older.tell(Close(CloseCode.REPLACED, "replaced"))
        return ref
