"""The composition root: from settings to a gateway that can be run."""

from collections.abc import Callable
from pathlib import Path

import attrs
from aiohttp import web

from actors.kernel import Ref
from actors.lifeline.actor import LifelineSettings
from actors.node_session.messages import NodeSession
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.paymaster.actor import PaymasterSettings
from actors.scheduler.actor import SchedulerSettings
from actors.sequencer.policy import SequencerSettings
from config.data_folder import data_folder
from config.redaction import hide_settings
from config.settings import Settings, SettingsError
from rendertrust import money
from sql.credits import Credits
from sql.jobs import Jobs
from sql.nodes import Nodes
from sql.proofs import Proofs
from sql.store import SqlStore
from sql.uploads import Uploads
from sql.users import Users
from supervisors.child import Child
from supervisors.engines.system import SystemClock, SystemRandom
from supervisors.registry import Registry
from supervisors.snapshot import Snapshot
from supervisors.supervisor import Supervisor
from supervisors.tree import Ports, Tree
from web.api_keys import VerifiedKeys
from web.claim import claim
from web.gateway import Accounts, Gateway
from web.keyring import keyring
from web.listener import SHUTDOWN_SECONDS, Listener, ListenerActor, Place, bind
from web.log_keys import log_keys
from web.node_tokens import SignedNodeTokens
from web.objects_route import add_object_routes, object_gate
from web.outside import Outside, build_outside
from web.passwords import Passwords
from web.pulse import PulseActor
from web.rates import Rates
from web.relay import Arrival, Relay
from web.revocation import Revocations
from web.revoker import revoker_child
from web.service_manager import ServiceManager
from web.site import build_site
from web.socket import NodeSocket
from web.sweeper import sweeper_child
from web.tokens import Tokens

LISTENER_STOP_SECONDS = 3 * SHUTDOWN_SECONDS + 5.0
NOBODY = ServiceManager()


@attrs.frozen
class Application:
    """A gateway, built and not started; it can be run once."""

    settings: Settings
    data: Path
    root: Supervisor
    place: Place
    outside: Outside
    gateway: Gateway

    @property
    def url(self) -> str:
        """Where others reach it, once it listens."""
        return self.settings.server.public_url or self.place.url

    async def close(self) -> None:
        """Let go of what the tree does not hold, after it has stopped."""
        self.gateway.passwords.close()
        await self.outside.close()


def build(settings: Settings, manager: ServiceManager = NOBODY) -> Application:
    """Everything wired, nothing started. Raises SettingsError, EngineError, CannotListen.

    ``manager`` is told that all is alive, if it wants to know.
    """
    data = data_folder(settings)
    claim(data)
    hide_settings(settings)
    place = Place(settings.server.host, settings.server.port)
    # What is wrong with it is better told before the engines start.
    bind(attrs.evolve(place)).close()
    outside = build_outside(settings, data, lambda: settings.server.public_url or place.url)
    registry = Registry()
    # The tree, which is made of what the gateway holds, comes below.
    gateway = build_gateway(
        settings, data, outside, registry, lambda: tree.root.snapshot(brief=True)
    )
    ports = ports_of(gateway, outside, data)

    async def open_session(arrival: Arrival, socket: NodeSocket) -> Ref[NodeSession]:
        return await tree.open_session(identity_of(arrival), socket)

    def site() -> web.Application:
        return site_of(gateway, Relay(gateway, open_session), outside)

    listener = listener_child(settings, place, registry, site)
    session, lifeline, scheduler = actor_settings(settings)
    revoker = revoker_child(gateway, registry)
    pulse = Child("pulse", lambda: PulseActor(tree.vital, gateway.clock, manager))
    tree = Tree(
        ports,
        registry,
        session,
        lifeline=lifeline,
        sequencer=sequencer_settings(settings),
        paymaster=PaymasterSettings(ripe_seconds=settings.earnings.sweep_seconds),
        scheduler=scheduler,
        engines=outside.engines,
        web=[revoker, listener],
        last=[pulse, sweeper_child(gateway, registry)],
    )
    return Application(settings, data, tree.root, place, outside, gateway)


def ports_of(gateway: Gateway, outside: Outside, data: Path) -> Ports:
    """The outside world as the actors see it. Raises SettingsError."""
    store = SqlStore(outside.database)
    return Ports(
        store=store,
        objects=outside.objects,
        bus=outside.bus,
        clock=gateway.clock,
        random=gateway.random,
        tokens=SignedNodeTokens(gateway.tokens, gateway.random),
        log=store,
        signer=log_keys(gateway.settings, data, gateway.clock, gateway.random),
    )


def identity_of(arrival: Arrival) -> NodeIdentity:
    """A node as its session knows it."""
    row = arrival.node
    return NodeIdentity(
        id=row.id,
        owner=row.owner_id,
        capabilities=row.capabilities,
        verified=row.verified_at is not None,
        base=arrival.base,
        standing=row.standing,
        token_expires=arrival.expires,
    )


def actor_settings(
    settings: Settings,
) -> tuple[NodeSessionSettings, LifelineSettings, SchedulerSettings]:
    """What the settings say to the actors that see to nodes and jobs."""
    leases, earnings = settings.leases, settings.earnings
    session = NodeSessionSettings(
        bucket=settings.objects.bucket,
        require_object=settings.results.require_object,
        share_percent=earnings.share_percent,
        dispute_seconds=earnings.dispute_hours * 3600,
        lease_seconds=leases.seconds,
        renew_seconds=leases.renew_seconds,
    )
    lifeline = LifelineSettings(
        sweep_seconds=leases.sweep_seconds,
        grace_seconds=leases.grace_seconds,
        unsent_seconds=leases.unsent_seconds,
    )
    return session, lifeline, SchedulerSettings(open_jobs=settings.limits.open_jobs)


def sequencer_settings(settings: Settings) -> SequencerSettings:
    """What the settings say to the Sequencer."""
    proof = settings.proof
    return SequencerSettings(proof.origin, proof.checkpoint_entries, proof.checkpoint_seconds)


def site_of(gateway: Gateway, relay: Relay, outside: Outside) -> web.Application:
    """A fresh aiohttp application with everything in it."""
    site = build_site(gateway)
    relay.add_to(site)
    if not gateway.settings.objects.public_url:
        bucket, rates = gateway.settings.objects.bucket, gateway.rates
        add_object_routes(site, outside.objects_url, bucket, through=object_gate(rates))
    return site


def listener_child(
    settings: Settings, place: Place, registry: Registry, make: Callable[[], web.Application]
) -> Child:
    """What serves ``make()`` at ``place``, for the tree."""
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
    outside: Outside,
    registry: Registry,
    snapshot: Callable[[], Snapshot],
) -> Gateway:
    """What the handlers can reach."""
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
        rates=Rates(settings.limits, clock, outside.rates if settings.limits.shared else None),
        revocations=revocations,
        api_keys=VerifiedKeys.over(accounts.api_keys, clock, revocations),
        accounts=accounts,
        users=Users(database),
        nodes=Nodes(database),
        uploads=Uploads(database),
        jobs=Jobs(database),
        credits=Credits(database),
        proofs=Proofs(database),
        starter=starter_units(settings),
        probes=outside.probes,
        snapshot=snapshot,
    )


def starter_units(settings: Settings) -> int:
    """The starter credits in units; '0' is none."""
    if settings.credits.starter.strip("0.") == "":
        return 0
    try:
        return money.parse(settings.credits.starter)
    except ValueError as error:
        raise SettingsError(f"credits.starter {error}") from error
