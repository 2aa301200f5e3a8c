"""A whole gateway in this process over a database of the test's own: real actors, real sockets.

Only the outside is played: objects and the bus are twins. Several may share one database.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from actors.anchor.policy import AnchorSettings
from actors.kernel import Actor, Ref
from actors.node_session.messages import NodeSession
from actors.node_session.settings import NodeSessionSettings
from actors.ports import Chain
from actors.verifier.settings import VerifierSettings
from config.settings import Settings
from sql.database import Database
from sql.halts import Halts
from sql.store import SqlStore
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.registry import Registry
from supervisors.tree import UNCHANGED, Anchoring, Paces, Ports, Tree
from tests.support.http_gateway import FaceServer, close_payments, gateway_over
from tests.twins.bus import TwinBus
from tests.twins.objects import TwinObjects
from tests.twins.signer import TwinSigner
from web.app import identity_of
from web.edge import event_hub_child, hub_child, recorder_child, revoker_child
from web.gateway import Gateway
from web.http.application import build_site
from web.identity.node_tokens import SignedNodeTokens
from web.log.log_memory import FileMemory
from web.nodes.relay import AcceptedNode, Relay
from web.nodes.socket import NodeSocket
from web.process.gateway_metrics import GatewayMetrics


def _anchoring(gateway: Gateway, given: tuple[Chain, AnchorSettings] | None) -> Anchoring | None:
    """A chain of the test's own, which needs no engine."""
    if given is None:
        return None
    return Anchoring(Child("chain", IdleActor), given[0], gateway.anchors, given[1])


class Idle:
    """Marker: the address of who does nothing."""


class IdleActor(Actor[Idle]):
    """In the place of the listener: the site is served beside the tree."""


@attrs.frozen
class Whole:
    """``url`` is where it listens."""

    url: str
    gateway: Gateway
    tree: Tree
    store: SqlStore


@asynccontextmanager
async def whole(
    endpoint: PostgresEndpoint,
    settings: Settings,
    *,
    anchoring: tuple[Chain, AnchorSettings] | None = None,
    memory: FileMemory | None = None,
    verifying: VerifierSettings | None = None,
    paces: Paces = UNCHANGED,
    **session: Any,
) -> AsyncGenerator[Whole]:
    """One that serves; ``memory`` is what it keeps beside the database, ``session`` are settings of
    node sessions.
    """
    database, registry = Database(lambda: endpoint.app_dsn), Registry()
    clock, random = SystemClock(), SystemRandom()
    objects = TwinObjects(lambda: clock.now().timestamp())
    gateway = gateway_over(database, settings, registry, objects, lambda: tree.root.snapshot())  # noqa: PLW0108
    tokens = SignedNodeTokens(gateway.tokens, random)
    gateway = attrs.evolve(gateway, restarts=lambda: tree.root.restarts.recent())  # noqa: PLW0108
    if anchoring is not None:
        gateway = attrs.evolve(gateway, chain=anchoring[0])
    halts = Halts(
        database,
        chain=anchoring is not None,
        seen=lambda: None if memory is None else memory.head,
    )
    figures = GatewayMetrics(database, gateway.probes, clock, halts)
    gateway = attrs.evolve(gateway, halts=halts, figures=figures)
    store, signer, bus = SqlStore(database, gateway.halts), TwinSigner(), TwinBus()
    ports = Ports(store, objects, bus, clock, random, tokens, store, signer, memory, signer)
    tree = Tree(
        ports,
        registry,
        NodeSessionSettings(bucket=settings.objects.bucket, **session),
        paces=paces,
        anchoring=_anchoring(gateway, anchoring),
        verifying=verifying,
        engines=[],
        web=[
            revoker_child(gateway, registry),
            recorder_child(gateway, registry),
            Child("web", IdleActor),
        ],
        last=[hub_child(gateway, registry, bus), event_hub_child(gateway, registry, bus)],
    )

    async def open_session(arrival: AcceptedNode, socket: NodeSocket) -> Ref[NodeSession]:
        return await tree.open_session(identity_of(arrival), socket)

    site, relay = build_site(gateway), Relay(gateway, open_session)
    relay.add_to(site)
    await tree.root.start()
    server = FaceServer(site, settings)
    try:
        await server.start_server()
        yield Whole(str(server.make_url("")).rstrip("/"), gateway, tree, store)
    finally:
        await server.close()
        await tree.root.stop()
        await close_payments(gateway)
        gateway.passwords.close()
        await database.close()
