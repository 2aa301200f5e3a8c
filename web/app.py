"""The composition root: from settings to a gateway that can be run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

import attrs
from aiohttp import web

from actors.auditor.actor import AuditorSettings
from actors.courier.policy import CourierSettings
from actors.kernel import Ref
from actors.lifeline.actor import LifelineSettings
from actors.night_auditor.policy import NightAuditorSettings
from actors.node_session.messages import NodeSession
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.paymaster.actor import PaymasterSettings
from actors.scheduler.settings import SchedulerSettings, StragglerPolicy
from actors.sequencer.policy import SequencerSettings
from actors.verifier.settings import VerifierSettings
from config.data_folder import data_folder
from config.redaction import hide_settings
from config.settings import Settings, SettingsError
from config.sources import sources_of
from rendertrust import money
from rendertrust.receipt import OFF
from sql.anchors import Anchors
from sql.credits import Credits
from sql.jobs import Jobs
from sql.nodes import Nodes
from sql.proofs import Proofs
from sql.store import SqlStore
from sql.units import CHECKED
from sql.uploads import Uploads
from sql.users import Users
from sql.webhooks import Deliveries
from supervisors.chain_audit import settings_of
from supervisors.child import Child
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.registry import Registry
from supervisors.snapshot import Snapshot
from supervisors.supervisor import Supervisor
from supervisors.tree import Anchoring, Couriering, Paces, Ports, Tree
from web.edge import (
    event_hub_child,
    hub_child,
    pulse_child,
    recorder_child,
    revoker_child,
    sweeper_child,
)
from web.gateway import Accounts, Gateway, Sales
from web.http.application import build_site
from web.http.listener import SHUTDOWN_SECONDS, ListenAddress, Listener, ListenerActor, bind
from web.http.rate_limits import RateLimits
from web.identity.api_keys import VerifiedKeys
from web.identity.keyring import keyring
from web.identity.node_tokens import SignedNodeTokens
from web.identity.passwords import Passwords
from web.identity.revocation import Revocations
from web.identity.tokens import Tokens
from web.log.log_keys import log_keys
from web.log.log_memory import FileMemory, memory_file
from web.nodes.embedded import EmbeddedVerifierState, embedding_of
from web.nodes.relay import AcceptedNode, Relay
from web.nodes.socket import NodeSocket
from web.objects.object_forwarding import add_object_routes, object_gate
from web.process.adapters import Adapters, build_outside
from web.process.data_lock import claim
from web.process.readiness import needs_of_submissions
from web.process.service_manager import ServiceManager

LISTENER_STOP_SECONDS = 3 * SHUTDOWN_SECONDS + 5.0
NOBODY = ServiceManager()


@attrs.frozen
class Application:
    """A gateway, built and not started; it can be run once."""

    settings: Settings
    data: Path
    root: Supervisor
    place: ListenAddress
    outside: Adapters
    gateway: Gateway
    embedding: EmbeddedVerifierState

    @property
    def url(self) -> str:
        """Return the address at which others reach the gateway, once it listens."""
        return self.settings.server.public_url or self.place.url

    async def close(self) -> None:
        """Close what lives outside the supervision tree, after that has stopped."""
        self.gateway.passwords.close()
        await self.outside.close()


def build(
    settings: Settings, manager: ServiceManager = NOBODY, file: Path | None = None
) -> Application:
    """Build the gateway, with nothing started. Raises SettingsError, EngineError, CannotListen.

    ``manager`` is notified once the gateway is up; ``file`` is the settings file.
    """
    data = data_folder(settings)
    claim(data)
    hide_settings(settings)
    embedding, settings = embedding_of(settings, data)
    verifiers = verifiers_of(settings, embedding)
    place = ListenAddress(settings.server.host, settings.server.port)
    # An address that cannot be bound is better reported before the engines start.
    bind(attrs.evolve(place)).close()
    registry, memory = Registry(), FileMemory(memory_file(data))
    outside = build_outside(settings, data, lambda: place.url, lambda: memory.head)
    # The tree is made below, from the gateway.
    gateway = build_gateway(
        settings, data, outside, registry, snapshot=lambda: tree.root.snapshot(brief=True)
    )
    gateway = attrs.evolve(gateway, verifiers=verifiers)
    gateway = with_sight(gateway, lambda: tree, sources_of(settings, file))
    ports = ports_of(gateway, outside, memory)

    async def open_session(arrival: AcceptedNode, socket: NodeSocket) -> Ref[NodeSession]:
        placed = embedding.placed(arrival, place, settings)
        return await tree.open_session(identity_of(placed), socket)

    def site() -> web.Application:
        return site_of(gateway, Relay(gateway, open_session), outside)

    listener = listener_child(settings, place, registry, site)
    revoker = revoker_child(gateway, registry)
    pulse = pulse_child(gateway, lambda: tree.vital(), manager)  # noqa: PLW0108 - not made yet
    tree = Tree(
        ports,
        registry,
        session_settings(settings, verifiers, embedding.unverified_why),
        paces=paces_of(settings, verifiers),
        anchoring=anchoring_of(gateway, outside),
        couriering=couriering_of(settings, outside),
        verifying=verifying_of(settings, verifiers, embedding.unverified_why),
        engines=outside.engines,
        web=[revoker, recorder_child(gateway, registry), listener],
        last=[pulse, *helpers(gateway, registry, outside)],
        verifier=embedding.child(gateway, place),
    )
    return Application(settings, data, tree.root, place, outside, gateway, embedding)


def helpers(gateway: Gateway, registry: Registry, outside: Adapters) -> list[Child]:
    """Return the children that the gateway can do without for a while."""
    return [
        sweeper_child(gateway, registry),
        hub_child(gateway, registry, outside.bus),
        event_hub_child(gateway, registry, outside.bus),
    ]


def with_sight(gateway: Gateway, tree: Callable[[], Tree], sources: Mapping[str, str]) -> Gateway:
    """Give the gateway the tree, which is not made yet, and the source of each setting."""
    return attrs.evolve(
        gateway,
        restarts=lambda: tree().root.restarts.recent(),  # noqa: PLW0108 - there is no tree yet
        unread=lambda: tree().root.dead_letters,
        sources=sources,
    )


def anchoring_of(gateway: Gateway, outside: Adapters) -> Anchoring | None:
    """Return what the tree needs to anchor; None where anchoring is off."""
    if outside.chain is None:
        return None
    settings = settings_of(gateway.settings.chain)
    return Anchoring(outside.chain.engine, outside.chain.port, gateway.anchors, settings)


def couriering_of(settings: Settings, outside: Adapters) -> Couriering:
    """Return what the tree needs to deliver webhooks."""
    given = settings.webhooks
    pace = CourierSettings(give_up_days=given.give_up_days, keep_days=float(given.keep_days))
    return Couriering(outside.post, Deliveries(outside.database), pace)


IDLE_LOOK_SECONDS: Final = 10.0


def verifying_of(
    settings: Settings, verifiers: frozenset[UUID], unverified_why: str = OFF
) -> VerifierSettings:
    """Return the Verifier's settings.

    Where verification is off, the Verifier runs all the same, and now and then handles what still
    waits from before.
    """
    given, pays = settings.verification, not settings.is_for_money
    if not given.enabled:
        return VerifierSettings(
            enabled=False,
            unverified_why=unverified_why,
            pays_unverified=pays,
            look_seconds=IDLE_LOOK_SECONDS,
        )
    return VerifierSettings(
        require_evidence=settings.asks_for_evidence,
        pays_unverified=pays,
        least_odds=given.least_odds,
        wait_seconds=given.wait_seconds,
        check_seconds=given.check_seconds,
        own=verifiers,
    )


def ports_of(gateway: Gateway, outside: Adapters, memory: FileMemory) -> Ports:
    """Return the ports of the actors."""
    store = SqlStore(outside.database, gateway.halts)
    return Ports(
        store=store,
        objects=outside.objects,
        bus=outside.bus,
        clock=gateway.clock,
        random=gateway.random,
        tokens=SignedNodeTokens(gateway.tokens, gateway.random),
        log=store,
        signer=gateway.signer,
        receipts=gateway.signer,
        memory=memory,
        leadership=outside.leadership,
    )


def identity_of(arrival: AcceptedNode) -> NodeIdentity:
    """Return a node's identity for its session."""
    row = arrival.node
    return NodeIdentity(
        id=row.id,
        owner=row.owner_id,
        capabilities=row.capabilities,
        verified=row.verified_at is not None,
        base=arrival.base,
        standing=row.standing,
        token_expires=arrival.expires,
        key=row.public_key,
    )


def verifiers_of(settings: Settings, embedding: EmbeddedVerifierState) -> frozenset[UUID]:
    """Return the ids of the gateway's verifiers. Raises SettingsError."""
    embedded = () if embedding.confined is None else (embedding.confined.id,)
    try:
        return settings.verification.own() | frozenset(embedded)
    except ValueError as error:
        raise SettingsError("verification.own_nodes must be ids of nodes") from error


def session_settings(
    settings: Settings, verifiers: frozenset[UUID] = frozenset(), unverified_why: str = OFF
) -> NodeSessionSettings:
    """Return the settings of node sessions."""
    leases, earnings = settings.leases, settings.earnings
    return NodeSessionSettings(
        bucket=settings.objects.bucket,
        require_object=settings.results.require_object,
        share_percent=earnings.share_percent,
        dispute_seconds=earnings.dispute_hours * 3600,
        lease_seconds=leases.seconds,
        renew_seconds=leases.renew_seconds,
        verified_types=CHECKED if settings.verification.enabled else frozenset(),
        unverified_why=unverified_why,
        require_evidence=settings.asks_for_evidence,
        pays_unverified=not settings.is_for_money,
        own=verifiers,
    )


def paces_of(settings: Settings, verifiers: frozenset[UUID]) -> Paces:
    """Return the settings of the other actors."""
    leases, proof, audit = settings.leases, settings.proof, settings.audit
    return Paces(
        LifelineSettings(
            sweep_seconds=leases.sweep_seconds,
            grace_seconds=leases.grace_seconds,
            unsent_seconds=leases.unsent_seconds,
        ),
        SchedulerSettings(
            open_jobs=settings.limits.open_jobs,
            open_free_jobs=settings.limits.open_free_jobs,
            open_kinds=settings.limits.open_kinds,
            stragglers=StragglerPolicy(
                settings.scheduling.straggler_times, settings.scheduling.straggler_seconds
            ),
            ours=verifiers,
        ),
        SequencerSettings(proof.origin, proof.checkpoint_entries, proof.checkpoint_seconds),
        PaymasterSettings(ripe_seconds=settings.earnings.sweep_seconds),
        AuditorSettings(audit.every_seconds),
        NightAuditorSettings(audit.every_seconds, audit.time()),
    )


def site_of(gateway: Gateway, relay: Relay, outside: Adapters) -> web.Application:
    """Build a new aiohttp application with all routes."""
    site = build_site(gateway)
    relay.add_to(site)
    if not gateway.settings.objects.public_url:
        bucket, rates = gateway.settings.objects.bucket, gateway.rates
        add_object_routes(
            site, outside.objects_store, bucket, gateway.objects, through=object_gate(rates)
        )
    return site


def listener_child(
    settings: Settings,
    place: ListenAddress,
    registry: Registry,
    make: Callable[[], web.Application],
) -> Child:
    """Return the child that serves ``make()`` at ``place``."""
    ref = registry.register(Listener, Ref[Listener]("web"))
    return Child(
        "web",
        lambda: ListenerActor(make, place, settings),
        ref=ref,
        stop_within=LISTENER_STOP_SECONDS,
    )


def build_gateway(
    settings: Settings,
    data: Path,
    outside: Adapters,
    registry: Registry,
    *,
    snapshot: Callable[[], Snapshot],
) -> Gateway:
    """Build the gateway object that handlers use. Raises SettingsError."""
    clock, random, database = SystemClock(), SystemRandom(), outside.database
    accounts, revocations = Accounts.over(database), Revocations(clock)
    return Gateway(
        settings=settings,
        clock=clock,
        random=random,
        registry=registry,
        database=database,
        objects=outside.objects,
        tokens=Tokens(settings.jwt, clock, random, keyring(settings, data, clock)),
        passwords=Passwords(),
        rates=RateLimits(settings.limits, clock, outside.rates if settings.limits.shared else None),
        revocations=revocations,
        api_keys=VerifiedKeys.over(accounts.api_keys, clock, revocations),
        accounts=accounts,
        users=Users(database),
        nodes=Nodes(database),
        uploads=Uploads(database),
        jobs=Jobs(database),
        credits=Credits(database),
        proofs=Proofs(database),
        anchors=Anchors(database),
        chain=None if outside.chain is None else outside.chain.port,
        sales=Sales.over(database, outside.payments, outside.url),
        halts=outside.halts,
        signer=log_keys(settings, data, clock, random),
        starter=starter_units(settings),
        probes={**outside.probes, **needs_of_submissions(registry, outside.halts)},
        snapshot=snapshot,
    )


def starter_units(settings: Settings) -> int:
    """Return the starter credits in units; '0' means none."""
    if settings.credits.starter.strip("0.") == "":
        return 0
    try:
        return money.parse(settings.credits.starter)
    except ValueError as error:
        raise SettingsError(f"credits.starter {error}") from error
