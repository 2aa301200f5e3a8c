"""A whole gateway in this process over a database of the test's own: real actors, real sockets.

Only the outside is played: objects and the bus are twins. Several may share one database.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from actors.kernel import Actor, Ref
from actors.node_session.messages import NodeSession
from actors.node_session.settings import NodeSessionSettings
from config.settings import Settings
from sql.database import Database
from sql.store import SqlStore
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system import SystemClock, SystemRandom
from supervisors.registry import Registry
from supervisors.tree import Ports, Tree
from tests.face import FaceServer, gateway_over
from tests.twins.bus import TwinBus
from tests.twins.objects import TwinObjects
from tests.twins.signer import TwinSigner
from web.app import identity_of
from web.gateway import Gateway
from web.node_tokens import SignedNodeTokens
from web.relay import Arrival, Relay
from web.revoker import revoker_child
from web.site import build_site
from web.socket import NodeSocket


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
    endpoint: PostgresEndpoint, settings: Settings, **session: Any
) -> AsyncGenerator[Whole]:
    """One that serves; ``session`` are settings of node sessions."""
    database, registry = Database(lambda: endpoint.app_dsn), Registry()
    clock, random = SystemClock(), SystemRandom()
    objects = TwinObjects(lambda: clock.now().timestamp())
    gateway = gateway_over(database, settings, registry, objects, lambda: tree.root.snapshot())  # noqa: PLW0108
    tokens = SignedNodeTokens(gateway.tokens, random)
    store, signer = SqlStore(database), TwinSigner()
    ports = Ports(store, objects, TwinBus(), clock, random, tokens, store, signer)
    tree = Tree(
        ports,
        registry,
        NodeSessionSettings(bucket=settings.objects.bucket, **session),
        engines=[],
        web=[revoker_child(gateway, registry), Child("web", IdleActor)],
    )

    async def open_session(arrival: Arrival, socket: NodeSocket) -> Ref[NodeSession]:
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
        gateway.passwords.close()
        await database.close()
