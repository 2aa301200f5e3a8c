"""A whole gateway inside the test process, with real actors and sockets, over a test's database.

Only the object store and the bus are in memory. Several of these gateways may share a database.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from actors.anchor.policy import AnchorSettings
from actors.kernel import Actor
from actors.node_session.settings import NodeSessionSettings
from actors.paymaster.actor import PaymasterSettings
from actors.ports import Chain
from actors.scheduler.settings import SchedulerSettings
from actors.verifier.settings import VerifierSettings
from config.settings import Settings, Verification
from sql.database import Database
from sql.store import SqlStore
from supervisors.actor_settings import ActorSettings
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from supervisors.registry import Registry
from supervisors.tree import Tree
from tests.support.http_gateway import FaceServer, close_payments, gateway_over
from tests.twins.objects import TwinObjects
from web.edge_children import event_hub_child, hub_child, recorder_child, revocations_child
from web.gateway import Gateway
from web.http.application import build_site
from web.log.newest_checkpoint import FileMemory
from web.nodes.relay import Relay

VERIFIES_NOTHING = VerifierSettings(Verification(enabled=False), look_seconds=10.0)
UNCHANGED = ActorSettings(NodeSessionSettings(bucket="rendertrust"))


class Idle:
    """Marker of the actor that does nothing."""


class IdleActor(Actor[Idle]):
    """An actor in the place of the web listener, as the test serves the site itself."""


@attrs.frozen
class Whole:
    """A running gateway; ``url`` is its address."""

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
    verifying: VerifierSettings = VERIFIES_NOTHING,
    scheduler: SchedulerSettings = UNCHANGED.scheduler,
    paymaster: PaymasterSettings = UNCHANGED.paymaster,
    **session: Any,
) -> AsyncGenerator[Whole]:
    """Run a gateway until the block ends.

    ``memory`` is what the gateway keeps outside the database; ``session`` holds settings of node
    sessions.
    """
    database, registry = Database(lambda: endpoint.app_dsn), Registry()
    gateway = gateway_over(
        database,
        settings,
        registry,
        TwinObjects(lambda: SystemClock().now().timestamp()),
        lambda: tree.root,
        chain=None if anchoring is None else anchoring[0],
        seen=lambda: None if memory is None else memory.head,
    )
    ports = attrs.evolve(gateway.ports, memory=memory or gateway.ports.memory)
    store = SqlStore(database, gateway.halts)
    sections: dict[str, Any] = {"earnings": settings.earnings, "leases": settings.leases}
    sections |= session
    tree = Tree(
        ports,
        registry,
        ActorSettings(
            NodeSessionSettings(
                bucket=settings.objects.bucket,
                **sections,
            ),
            scheduler=attrs.evolve(scheduler, limits=settings.limits),
            paymaster=paymaster,
            verifier=verifying,
            anchor=AnchorSettings() if anchoring is None else anchoring[1],
        ),
        [
            revocations_child(gateway, registry),
            recorder_child(gateway, registry),
            Child("web", IdleActor),
            hub_child(gateway, registry),
            event_hub_child(gateway, registry),
        ],
    )

    site, relay = build_site(gateway), Relay(gateway, tree.open_session)
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
        gateway.identity.passwords.close()
        await database.close()
