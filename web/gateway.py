"""The gateway object: everything that handlers of requests use."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

import attrs
from aiohttp import web

from actors.kernel import DeadLetters, Restart
from actors.ports import Clock, Ports
from config.settings import Settings
from sql.database import Database
from sql.halts import Halts
from sql.tables import Tables
from supervisors.engines.rates_valkey import SharedRates
from supervisors.registry import Registry
from supervisors.snapshot import Snapshot
from supervisors.supervisor import Supervisor
from web.console.console_state import ConsoleState
from web.documents.writer import DocumentWriter
from web.http.rate_limits import RateLimits
from web.identity.api_keys import VerifiedKeys
from web.identity.passwords import Passwords
from web.identity.providers import Providers
from web.identity.revocation_set import Revocations
from web.identity.tokens import Tokens
from web.jobs.eta import ShownEtas
from web.nodes.connections import Connections
from web.process.gateway_metrics import GatewayMetrics
from web.process.host import Host
from web.process.readiness import Probe, Readiness, needs_of_submissions
from web.process.response_cache import CachedBody, ResponseCache


@attrs.frozen
class Identity:
    """Everything that authenticates callers: tokens, passwords, API keys, and revocations."""

    tokens: Tokens
    passwords: Passwords
    api_keys: VerifiedKeys
    revocations: Revocations

    @classmethod
    def of(cls, tokens: Tokens, tables: Tables, clock: Clock) -> "Identity":
        """Return a new identity object, which has read no revocations yet."""
        revocations = Revocations(clock)
        keys = VerifiedKeys.over(tables.api_keys, clock, revocations)
        return cls(tokens, Passwords(), keys, revocations)


@attrs.frozen
class Monitoring:
    """Readiness and metrics; ``metrics`` are cached as plain text and as OpenMetrics.

    ``host``: the machine.
    """

    probes: dict[str, Probe]
    host: Host
    figures: GatewayMetrics
    readiness: ResponseCache[Readiness]
    metrics: tuple[ResponseCache[CachedBody], ResponseCache[CachedBody]]

    @classmethod
    def of(
        cls,
        probes: dict[str, Probe],
        database: Database,
        clock: Clock,
        halts: Halts,
        host: Host,
    ) -> "Monitoring":
        """Return a new instance with empty caches."""
        figures = GatewayMetrics(database, probes, clock, halts)
        metrics = ResponseCache[CachedBody](clock), ResponseCache[CachedBody](clock)
        return cls(probes, host, figures, ResponseCache(clock), metrics)


@attrs.frozen
class TreeView:
    """The supervision tree for pages and metrics. ``root`` returns the root of the tree once the
    tree is built.
    """

    root: Callable[[], Supervisor]

    def snapshot(self) -> Snapshot:
        """Return a reading of the whole tree, without details."""
        return self.root().snapshot(brief=True)

    def restarts(self) -> Sequence[Restart]:
        """Return the recent restarts."""
        return self.root().restarts.recent()

    def unread(self) -> DeadLetters:
        """Return the messages that were not delivered."""
        return self.root().dead_letters


@attrs.frozen
class Gateway:
    """Everything that handlers use; the composition root builds it once.

    ``sources``: where each setting's value came from. ``halts``: reasons to refuse all writes.
    ``providers``: the providers of OpenID Connect. ``starter``: what a new user gets, in 1/10,000
    credit. ``verifiers``: the nodes that the gateway uses as verifiers. ``url`` returns the
    gateway's public address. ``etas``: when jobs will be done, as their owners were told.
    """

    settings: Settings
    sources: Mapping[str, str]
    ports: Ports
    database: Database
    tables: Tables
    halts: Halts
    registry: Registry
    tree: TreeView
    identity: Identity
    providers: Providers
    rates: RateLimits
    monitoring: Monitoring
    console: ConsoleState
    connections: Connections
    verifiers: frozenset[UUID]
    starter: int
    url: Callable[[], str]
    documents: DocumentWriter = attrs.field(factory=DocumentWriter)
    etas: ShownEtas = attrs.field(factory=ShownEtas)


GATEWAY: Final = web.AppKey("gateway", Gateway)


def make_gateway(
    settings: Settings,
    ports: Ports,
    database: Database,
    halts: Halts,
    *,
    registry: Registry,
    root: Callable[[], Supervisor],
    tokens: Tokens,
    url: Callable[[], str],
    probes: Mapping[str, Probe],
    host: Host,
    starter: int,
    sources: Mapping[str, str],
    verifiers: frozenset[UUID],
    shared_rates: SharedRates | None = None,
) -> Gateway:
    """Return the gateway object over its ports and database."""
    clock, tables, tree = ports.clock, Tables.over(database), TreeView(root)
    console = ConsoleState.of(ports.random.uuid(), tree.snapshot, clock)
    own = console.gateways.id
    return Gateway(
        settings=settings,
        sources=sources,
        ports=ports,
        database=database,
        tables=tables,
        halts=halts,
        registry=registry,
        tree=tree,
        identity=Identity.of(tokens, tables, clock),
        providers=Providers(
            settings.oidc.providers, ports.providers, clock, loopback=not settings.production
        ),
        rates=RateLimits(settings.limits, clock, shared_rates),
        monitoring=Monitoring.of(
            {**probes, **needs_of_submissions(registry, halts)}, database, clock, halts, host
        ),
        console=console,
        connections=Connections(own, tables.connections, clock, ports.random),
        verifiers=verifiers,
        starter=starter,
        url=url,
    )
