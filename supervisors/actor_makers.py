"""Constructors of the actors: their ports, their settings, and the actors that they send messages
to.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import count
from typing import Any, Final, TypeAlias

from actors.anchor.actor import AnchorActor
from actors.anchor.messages import Anchor
from actors.auditor.actor import AuditorActor
from actors.auditor.messages import Auditor
from actors.courier.actor import CourierActor
from actors.courier.messages import Courier
from actors.kernel import Actor, Ref
from actors.ledger.actor import LedgerActor
from actors.ledger.messages import Ledger
from actors.lifeline.actor import LifelineActor
from actors.lifeline.messages import Lifeline
from actors.mailer.actor import MailerActor
from actors.mailer.messages import Mailer
from actors.night_auditor.actor import NightAuditorActor
from actors.night_auditor.messages import NightAuditor
from actors.node_session.actor import NodeSessionActor, SessionPeers
from actors.node_session.connection import Socket
from actors.node_session.messages import NodeSession
from actors.node_session.progress_watchdog import OverrunTracker, ProgressTracker
from actors.node_session.sampling import Sampling
from actors.notifier.actor import NotifierActor
from actors.notifier.messages import Notifier
from actors.paymaster.actor import PaymasterActor
from actors.paymaster.messages import Paymaster
from actors.ports import Ports
from actors.scheduler.actor import SchedulerActor
from actors.scheduler.messages import Scheduler
from actors.sequencer.actor import SequencerActor
from actors.sequencer.messages import Sequencer
from actors.verifier.actor import VerifierActor
from actors.verifier.messages import Verifier
from actors.verifier.settings import VerifierPeers
from actors.watchman.actor import WatchmanActor
from actors.watchman.messages import Watchman
from sql.nodes import NodeIdentity
from supervisors.actor_settings import ActorSettings
from supervisors.registry import Registry

# In messages: a Send and two answers of the Ledger for each unit that a node may have; an eighth is
# the limit for relay frames from the node (``Ref.offer``).
SESSION_CAPACITY: Final = 1_024

Maker: TypeAlias = Callable[[], Actor[Any]]


class ActorMakers:
    """Constructors of the actors of one tree.

    ``sessions`` returns the addresses of the living sessions.
    """

    def __init__(
        self,
        ports: Ports,
        settings: ActorSettings,
        registry: Registry,
        sessions: Callable[[], Sequence[Ref[NodeSession]]],
    ) -> None:
        self._ports, self._settings = ports, settings
        self._to, self._sessions = registry.ref, sessions
        self._numbers = count(1)

    def all(self) -> Mapping[type[Any], Maker]:
        """Return the constructor of each actor, by the marker of the actor's address.

        An example is ``Ledger`` in ``Ref[Ledger]``. Actors that are switched off are left out.
        """
        p, s, to, sessions = self._ports, self._settings, self._to, self._sessions
        return {
            Ledger: lambda: LedgerActor(p.store, p.clock, p.random),
            Sequencer: lambda: SequencerActor(p, s.sequencer),
            Auditor: lambda: AuditorActor(p, to(NightAuditor), s.auditor),
            NightAuditor: lambda: NightAuditorActor(p, to(Auditor), s.auditor),
            Paymaster: lambda: PaymasterActor(to(Ledger), p.store, settings=s.paymaster),
            Scheduler: lambda: SchedulerActor(p, to(Ledger), to(Notifier), sessions, s.scheduler),
            Lifeline: lambda: LifelineActor(p, to(Ledger), to(Scheduler), to(Notifier), s.lifeline),
            Notifier: lambda: NotifierActor(p.bus, to(Scheduler), p.random.uuid()),
            Verifier: self._verifier(),
            Watchman: lambda: WatchmanActor(sessions, p.store),
            **self._courier(),
            **self._mailer(),
            **self._anchor(),
        }

    def _verifier(self) -> Maker:
        settings, gateway = self._settings.verifier, self._ports.random.uuid()

        def make() -> VerifierActor:
            peers = VerifierPeers(
                ledger=self._to(Ledger),
                scheduler=self._to(Scheduler),
                notifier=self._to(Notifier),
                ports=self._ports,
                gateway=gateway,
            )
            return VerifierActor(peers, settings)

        return make

    def _courier(self) -> Mapping[type[Any], Maker]:
        p, settings, deliveries = self._ports, self._settings.courier, self._ports.deliveries
        if deliveries is None:
            return {}
        return {Courier: lambda: CourierActor(p.post, deliveries, p.clock, p.random, settings)}

    def _mailer(self) -> Mapping[type[Any], Maker]:
        p, settings, mail, mails = (
            self._ports,
            self._settings.mailer,
            self._ports.mail,
            self._ports.mails,
        )
        if mail is None or mails is None:
            return {}
        return {Mailer: lambda: MailerActor(mail, mails, p.clock, p.random, settings)}

    def _anchor(self) -> Mapping[type[Any], Maker]:
        p, chain, anchors = self._ports, self._ports.chain, self._ports.anchors
        if chain is None or anchors is None:
            return {}

        def make() -> AnchorActor:
            return AnchorActor(
                *(chain, anchors, p.clock),
                settings=self._settings.anchor,
                sequencer=self._to(Sequencer),
                signer=p.signer,
            )

        return {Anchor: make}

    def session(self, node: NodeIdentity, socket: Socket) -> tuple[Ref[NodeSession], Maker]:
        """Return the address of a new session, and its constructor."""
        peers, settings = self._peers, self._settings.session
        ref = Ref[NodeSession](f"node {node.id} #{next(self._numbers)}", capacity=SESSION_CAPACITY)
        return ref, lambda: NodeSessionActor(node, socket, peers, settings)

    @cached_property
    def _peers(self) -> SessionPeers:
        """Return the parts of the gateway that all sessions share."""
        to, p, checks = self._to, self._ports, self._settings.verifier.verification
        return SessionPeers(
            scheduler=to(Scheduler),
            ledger=to(Ledger),
            notifier=to(Notifier),
            ports=p,
            progress=ProgressTracker(),
            overruns=OverrunTracker(),
            verifier=to(Verifier),
            sampling=Sampling(p.store, p.signer, p.random, checks.least_odds),
        )
