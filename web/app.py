"""The composition root: from settings to a gateway that can be run."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import attrs
from aiohttp import web

from actors.kernel import Ref
from actors.node_session.messages import NodeSession
from actors.ports import LogMemory, LogSigner, Ports
from config.data_folder import data_folder
from config.loader import SettingsError
from config.redaction import hide_settings
from config.settings import Settings
from config.sources import sources_of
from rendertrust import money
from sql.anchors import Anchors
from sql.mails import Mails
from sql.nodes import NodeIdentity
from sql.store import SqlStore
from sql.webhooks import Deliveries
from supervisors.actor_settings import actor_settings
from supervisors.child import Child
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.engines.system_host import SystemHost
from supervisors.registry import Registry
from supervisors.supervisor import Supervisor
from supervisors.tree import Tree
from web.edge_children import (
    event_hub_child,
    hub_child,
    pulse_child,
    recorder_child,
    revocations_child,
    sweeper_child,
    video_maker_child,
)
from web.gateway import Gateway, make_gateway
from web.http.application import build_site
from web.http.listener import SHUTDOWN_SECONDS, ListenAddress, Listener, ListenerActor, bind
from web.identity.keyring import keyring
from web.identity.tokens import SignedNodeTokens, Tokens
from web.log.log_keys import log_keys
from web.log.newest_checkpoint import FileMemory, memory_file
from web.nodes.embedded_verifier import EmbeddedVerifierState, embedding_of
from web.nodes.relay import OpenSession, Relay
from web.nodes.socket import NodeSocket
from web.objects.object_forwarding import add_object_routes, object_gate
from web.process.adapters import Adapters, build_outside
from web.process.data_lock import claim
from web.process.service_manager import ServiceManager

LISTENER_STOP_SECONDS = 3 * SHUTDOWN_SECONDS + 5.0
NOBODY = ServiceManager()
CLOCK, RANDOM = SystemClock(), SystemRandom()


@attrs.frozen
class Application:
    """A gateway that was built and not started; it can run once."""

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
        """Close what is outside the supervision tree, after the tree has stopped."""
        self.gateway.identity.passwords.close()
        self.gateway.documents.close()
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
    # Test the address now: an error is better reported before the engines start.
    bind(attrs.evolve(place)).close()
    memory = FileMemory(memory_file(data))
    outside = build_outside(settings, data, lambda: place.url, lambda: memory.head)
    tokens = Tokens(settings.jwt, CLOCK, RANDOM, keyring(settings, data, CLOCK))
    signer = log_keys(settings, data, CLOCK, RANDOM)
    gateway = make_gateway(
        settings,
        ports_of(outside, tokens, signer, memory),
        outside.database,
        outside.halts,
        registry=Registry(),
        root=lambda: tree.root,  # the tree is built below, from the gateway
        tokens=tokens,
        url=outside.url,
        probes=outside.probes,
        host=SystemHost(data, CLOCK),
        shared_rates=outside.rates if settings.limits.shared else None,
        starter=starter_units(settings),
        sources=sources_of(settings, file),
        verifiers=verifiers,
    )

    def site() -> web.Application:
        opener = session_opener(embedding, place, settings, tree)
        return site_of(gateway, Relay(gateway, opener), outside)

    given = [
        *outside.engines,
        *actors_of(gateway),
        listener_child(gateway, place, site),
        pulse_child(gateway, lambda: tree.vital(), manager),  # noqa: PLW0108 - not made yet
        *embedding.children(gateway, place),
    ]
    actors = actor_settings(settings, verifiers, embedding.unverified_why, outside.url)
    tree = Tree(gateway.ports, gateway.registry, actors, given)
    return Application(settings, data, tree.root, place, outside, gateway, embedding)


def actors_of(gateway: Gateway) -> list[Child]:
    """Return the actors that need the gateway object, as children of the tree."""
    registry = gateway.registry
    return [
        revocations_child(gateway, registry),
        recorder_child(gateway, registry),
        sweeper_child(gateway, registry),
        video_maker_child(gateway, registry),
        hub_child(gateway, registry),
        event_hub_child(gateway, registry),
    ]


def ports_of(outside: Adapters, tokens: Tokens, signer: LogSigner, memory: LogMemory) -> Ports:
    """Return the ports of the actors and routes."""
    database, store = outside.database, SqlStore(outside.database, outside.halts)
    return Ports(
        clock=CLOCK,
        random=RANDOM,
        store=store,
        log=store,
        objects=outside.objects,
        bus=outside.bus,
        tokens=SignedNodeTokens(tokens, RANDOM),
        signer=signer,
        payments=outside.payments,
        post=outside.post,
        leadership=outside.leadership,
        memory=memory,
        chain=outside.chain,
        anchors=Anchors(database),
        deliveries=Deliveries(database),
        mail=outside.mail,
        mails=Mails(database),
        providers=outside.providers,
    )


def verifiers_of(settings: Settings, embedding: EmbeddedVerifierState) -> frozenset[UUID]:
    """Return the ids of the gateway's verifiers. Raises SettingsError."""
    embedded = () if embedding.confined is None else (embedding.confined.id,)
    try:
        return settings.verification.own() | frozenset(embedded)
    except ValueError as error:
        raise SettingsError("verification.own_nodes must be ids of nodes") from error


def session_opener(
    embedding: EmbeddedVerifierState, place: ListenAddress, settings: Settings, tree: Tree
) -> OpenSession:
    """Return the function with which the relay opens a session for a socket."""

    async def open_session(node: NodeIdentity, socket: NodeSocket) -> Ref[NodeSession]:
        return await tree.open_session(embedding.placed(node, place, settings), socket)

    return open_session


def site_of(gateway: Gateway, relay: Relay, outside: Adapters) -> web.Application:
    """Build a new aiohttp application with all routes."""
    site, objects = build_site(gateway), gateway.settings.objects
    relay.add_to(site)
    if not objects.public_url:
        gate, store = object_gate(gateway.rates), outside.objects_store
        add_object_routes(site, store, objects.bucket, gateway.ports.objects, through=gate)
    return site


def listener_child(
    gateway: Gateway, place: ListenAddress, make: Callable[[], web.Application]
) -> Child:
    """Return the child that serves ``make()`` at ``place``."""
    ref = gateway.registry.register(Listener, Ref[Listener]("web"))
    return Child(
        "web",
        lambda: ListenerActor(make, place, gateway.settings),
        ref=ref,
        stop_within=LISTENER_STOP_SECONDS,
    )


def starter_units(settings: Settings) -> int:
    """Return the starter credits in 1/10,000 credit; the setting '0' means none."""
    if settings.credits.starter.strip("0.") == "":
        return 0
    try:
        return money.parse(settings.credits.starter)
    except ValueError as error:
        raise SettingsError(f"credits.starter {error}") from error
