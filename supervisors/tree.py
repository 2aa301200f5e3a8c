"""The supervision tree: which supervisor has which children, and their dependencies."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar

import attrs

from actors.anchor.actor import AnchorActor
from actors.anchor.messages import Anchor
from actors.anchor.policy import AnchorSettings
from actors.auditor.actor import AuditorActor, AuditorSettings
from actors.auditor.messages import Auditor
from actors.courier.actor import CourierActor
from actors.courier.messages import Courier
from actors.courier.policy import CourierSettings
from actors.kernel import Actor, Ref
from actors.ledger.actor import LedgerActor
from actors.ledger.messages import Ledger
from actors.lifeline.actor import LifelineActor, LifelineSettings
from actors.lifeline.messages import Lifeline
from actors.night_auditor.actor import NightAuditorActor
from actors.night_auditor.messages import NightAuditor
from actors.night_auditor.policy import NightAuditorSettings
from actors.node_session.actor import NodeSessionActor, SessionPeers
from actors.node_session.connection import Socket
from actors.node_session.manifests import Manifests
from actors.node_session.messages import NodeSession
from actors.node_session.progress_watchdog import OverrunTracker, ProgressTracker
from actors.node_session.sampling import Sampling
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.notifier.actor import NotifierActor
from actors.notifier.messages import Notifier
from actors.paymaster.actor import PaymasterActor, PaymasterSettings
from actors.paymaster.messages import Paymaster
from actors.ports import (
    ALONE,
    AnchorStore,
    Bus,
    Chain,
    CheckpointSigner,
    Clock,
    Leadership,
    LogMemory,
    LogStore,
    NodeTokens,
    Objects,
    Post,
    Random,
    ReceiptSigner,
    Store,
)
from actors.scheduler.actor import SchedulerActor
from actors.scheduler.messages import Scheduler
from actors.scheduler.settings import SchedulerSettings
from actors.sequencer.actor import SequencerActor
from actors.sequencer.messages import Sequencer
from actors.sequencer.policy import SequencerSettings
from actors.verifier.actor import VerifierActor
from actors.verifier.messages import Verifier
from actors.verifier.settings import VerifierPeers, VerifierSettings
from actors.watchman.actor import WatchmanActor
from actors.watchman.messages import Watchman
from sql.webhooks import Deliveries
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.intensity import Intensity
from supervisors.registry import Registry
from supervisors.snapshot import Snapshot
from supervisors.strategy import GiveUp, Strategy
from supervisors.supervisor import Supervisor

To = TypeVar("To")
# In messages. A full Ledger or Scheduler refuses, and the API answers 503. A session has room for a
# Send and two answers of the Ledger per unit that its node may have, besides an eighth for the
# node's own frames.
LEDGER_CAPACITY, SCHEDULER_CAPACITY, NOTIFIER_CAPACITY, SESSION_CAPACITY = (
    20_000,
    10_000,
    10_000,
    1_024,
)
STOP_SECONDS = 5.0
# Audits read all books, the Sweeper ("Uploads") removes everything expired, and the hub ("Console")
# reads all open pages, two seconds each at most.
MAY_TAKE_MINUTES = frozenset({"auditor", "night auditor", "Uploads", "Console"})
COURIER_STOP_SECONDS = 15.0  # endpoints may take ten seconds to answer
WATCHMAN_STOP_SECONDS = 60.0  # it closes sockets in batches


@attrs.frozen
class Ports:
    """The ports that the actors use."""

    store: Store
    objects: Objects
    bus: Bus
    clock: Clock
    random: Random
    tokens: NodeTokens
    log: LogStore
    signer: CheckpointSigner
    memory: LogMemory | None = None  # None: only the database has a memory of the log
    receipts: ReceiptSigner | None = None  # None: no receipts
    leadership: Leadership = ALONE  # among several gateways


@attrs.frozen
class Anchoring:
    """A chain to anchor on: its engine, the port over it, and the store of transactions."""

    engine: Child
    chain: Chain
    store: AnchorStore
    settings: AnchorSettings


@attrs.frozen
class Couriering:
    """Webhooks: the port that sends them, the stored deliveries, and the retry settings."""

    post: Post
    deliveries: Deliveries
    settings: CourierSettings


@attrs.frozen
class Paces:
    """Intervals and time limits of the actors."""

    lifeline: LifelineSettings = attrs.Factory(LifelineSettings)
    scheduler: SchedulerSettings = attrs.Factory(SchedulerSettings)
    sequencer: SequencerSettings = attrs.Factory(SequencerSettings)
    paymaster: PaymasterSettings = attrs.Factory(PaymasterSettings)
    auditor: AuditorSettings = attrs.Factory(AuditorSettings)
    night_auditor: NightAuditorSettings = attrs.Factory(NightAuditorSettings)


UNCHANGED = Paces()


class Tree:
    """The tree before its start: start ``root``; ``registry`` has the addresses."""

    def __init__(
        self,
        ports: Ports,
        registry: Registry,
        session_settings: NodeSessionSettings,
        *,
        paces: Paces = UNCHANGED,
        anchoring: Anchoring | None = None,
        couriering: Couriering | None = None,
        verifying: VerifierSettings | None = None,
        engines: Sequence[Child],
        web: Sequence[Child],
        last: Sequence[Child] = (),
        verifier: Child | None = None,
    ) -> None:
        """``web``: children that serve; ``last``: children that start at the very end and observe.

        ``verifier`` runs the embedded verifier, once the gateway serves.
        """
        self._ports, self._registry, self._session_settings = ports, registry, session_settings
        self._paces, self._anchoring, self._couriering = paces, anchoring, couriering
        self._verifying, self._numbers = verifying, count(1)
        self._progress, self._overruns = ProgressTracker(), OverrunTracker()
        self._manifests = Manifests()
        self._ledger = self._address(Ledger, "ledger", LEDGER_CAPACITY)
        self._scheduler = self._address(Scheduler, "scheduler", SCHEDULER_CAPACITY)
        self._sequencer = self._address(Sequencer, "sequencer")
        self._notifier = self._address(Notifier, "notifier", NOTIFIER_CAPACITY)
        self._verifier, self._sampling = self._verification()
        self.nodes = DynamicSupervisor("Nodes")
        books = Supervisor("Books", Strategy.ONE_FOR_ONE, Intensity(5, 30), self._books())
        dispatch = Supervisor("Dispatch", Strategy.REST_FOR_ONE, Intensity(5, 30), self._dispatch())
        edge = Supervisor("Edge", Strategy.REST_FOR_ONE, Intensity(3, 60), self._edge(web, last))
        self._vital = (books, dispatch, edge)
        self.root = Supervisor(
            "Root",
            Strategy.REST_FOR_ONE,
            Intensity(3, 60),
            [
                Supervisor("Engines", Strategy.ONE_FOR_ONE, Intensity(5, 30), engines),
                books,
                self.nodes,
                dispatch,
                expendable("Outside", self._outside()),
                edge,
                *([] if verifier is None else [expendable("Verification", [verifier])]),
            ],
            uniform=lambda: ports.random.uniform(0.0, 1.0),
        )

    def _verification(self) -> tuple[Ref[Verifier] | None, Sampling | None]:
        """Return the verifier and the sampling of deliveries; None if checks are off."""
        ports, settings = self._ports, self._verifying
        if settings is None:
            return None, None
        sampling = Sampling(ports.store, ports.signer, ports.random, settings.least_odds)
        return self._address(Verifier, "verifier"), sampling

    def _books(self) -> list[Child]:
        store, clock, random = self._ports.store, self._ports.clock, self._ports.random
        log, signer, settings = self._ports.log, self._ports.signer, self._paces.sequencer
        ledger, paying, awaits = self._ledger, self._paces.paymaster, self._anchoring is not None
        sequencer, memory = self._sequencer, self._ports.memory
        auditor = self._address(Auditor, "auditor")
        night = self._address(NightAuditor, "night auditor")
        auditing, nightly = self._paces.auditor, self._paces.night_auditor
        leading = self._ports.leadership
        paymaster = self._address(Paymaster, "paymaster")
        return [
            child(ledger, lambda: LedgerActor(store, clock, random)),
            child(
                sequencer,
                lambda: SequencerActor(
                    log,
                    signer,
                    clock,
                    random,
                    settings=settings,
                    awaits_chain=awaits,
                    memory=memory,
                ),
            ),
            child(
                auditor,
                lambda: AuditorActor(night, store, clock, leadership=leading, settings=auditing),
            ),
            child(
                night,
                lambda: NightAuditorActor(
                    auditor, store, clock, leadership=leading, settings=nightly
                ),
            ),
            child(paymaster, lambda: PaymasterActor(ledger, store, settings=paying)),
        ]

    def _dispatch(self) -> list[Child]:
        ledger, scheduler, notifier = self._ledger, self._scheduler, self._notifier
        store, clock, sessions = self._ports.store, self._ports.clock, self.nodes.children
        settings, scheduling = self._paces.lifeline, self._paces.scheduler
        lifeline, leading = self._address(Lifeline, "lifeline"), self._ports.leadership
        return [
            child(
                scheduler,
                lambda: SchedulerActor(
                    ledger, notifier, store, clock, sessions=sessions, settings=scheduling
                ),
            ),
            child(
                lifeline,
                lambda: LifelineActor(
                    ledger, scheduler, notifier, store, clock, leadership=leading, settings=settings
                ),
            ),
            *self._checking(),
        ]

    def _checking(self) -> list[Child]:
        """Return the Verifier, if checks are on."""
        settings, ports = self._verifying, self._ports
        if self._verifier is None or settings is None:
            return []
        gateway = ports.random.uuid()
        peers = VerifierPeers(
            ledger=self._ledger,
            scheduler=self._scheduler,
            notifier=self._notifier,
            store=ports.store,
            objects=ports.objects,
            clock=ports.clock,
            random=ports.random,
            signer=ports.receipts,
            gateway=gateway,
        )
        return [child(self._verifier, lambda: VerifierActor(peers, settings))]

    def _outside(self) -> list[Child]:
        bus, clock, given = self._ports.bus, self._ports.clock, self._anchoring
        scheduler, uuid = self._scheduler, self._ports.random.uuid
        notifier = child(
            self._notifier, lambda: NotifierActor(bus, scheduler=scheduler, name=uuid())
        )
        children = [notifier, *self._courier()]
        if given is None:
            return children
        anchor = self._address(Anchor, "anchor")
        settings, sequencer, signer = given.settings, self._sequencer, self._ports.signer
        return [
            *children,
            given.engine,
            child(
                anchor,
                lambda: AnchorActor(
                    given.chain,
                    given.store,
                    clock,
                    settings=settings,
                    sequencer=sequencer,
                    signer=signer,
                ),
            ),
        ]

    def _courier(self) -> list[Child]:
        given, clock, random = self._couriering, self._ports.clock, self._ports.random
        if given is None:
            return []
        post, deliveries, settings = given.post, given.deliveries, given.settings
        courier = self._address(Courier, "courier")
        return [
            child(
                courier,
                lambda: CourierActor(post, deliveries, clock, random, settings),
                stop_within=COURIER_STOP_SECONDS,
            )
        ]

    def _edge(self, web: Sequence[Child], last: Sequence[Child]) -> list[Child]:
        store, sessions = self._ports.store, self.nodes.children
        watchman = self._address(Watchman, "watchman")
        return [
            *web,
            child(
                watchman,
                lambda: WatchmanActor(sessions, store),
                stop_within=WATCHMAN_STOP_SECONDS,
            ),
            *last,
        ]

    def vital(self) -> list[Snapshot]:
        """Return the state of the vital children.

        Children that may take minutes for one message are left out.
        """
        parts = [child for part in self._vital for child in part.snapshot().children]
        return [part for part in parts if part.name not in MAY_TAKE_MINUTES]

    async def open_session(self, node: NodeIdentity, socket: Socket) -> Ref[NodeSession]:
        """Start a session for a node on its socket. Raises StartFailed."""
        peers = SessionPeers(
            scheduler=self._scheduler,
            ledger=self._ledger,
            notifier=self._notifier,
            store=self._ports.store,
            objects=self._ports.objects,
            clock=self._ports.clock,
            tokens=self._ports.tokens,
            signer=self._ports.receipts,
            verifier=self._verifier,
            progress=self._progress,
            overruns=self._overruns,
            sampling=self._sampling,
            manifests=self._manifests,
        )
        ref = Ref[NodeSession](f"node {node.id} #{next(self._numbers)}", capacity=SESSION_CAPACITY)
        settings = self._session_settings
        await self.nodes.start_child(
            child(ref, lambda: NodeSessionActor(node, socket, peers, settings))
        )
        return ref

    def _address(self, marker: type[To], name: str, capacity: int = 1024) -> Ref[To]:
        return self._registry.register(marker, Ref[To](name, capacity=capacity))


def expendable(name: str, children: Sequence[Child]) -> Supervisor:
    """A supervisor of non-essential children: each is restarted alone, with a back-off."""
    backoff, give_up = Backoff(1, 60), GiveUp.STAY_DOWN
    each = Intensity(5, 30)
    return Supervisor(name, Strategy.ONE_FOR_ONE, each, children, backoff=backoff, give_up=give_up)


def child(
    ref: Ref[Any], make: Callable[[], Actor[Any]], *, stop_within: float = STOP_SECONDS
) -> Child:
    """Return the child for an actor whose address is already known to others."""
    return Child(ref.name, make, ref=ref, stop_within=stop_within)
