"""The gateway object: everything that handlers can reach (ports, actors' addresses, rows)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

import attrs
from aiohttp import web

from actors.kernel import DeadLetters, Restart
from actors.ports import Chain, Clock, LogSigner, Objects, Payments, Random
from config.settings import Settings
from config.sources import sources_of
from sql.anchors import Anchors
from sql.api_keys import ApiKeys
from sql.attempt_logs import AttemptLogs
from sql.audit import AuditLog
from sql.checks import EvidenceReads
from sql.connections import ConnectionRows
from sql.credits import Credits
from sql.events import Events
from sql.halts import Halts
from sql.jobs import Jobs
from sql.multiparts import Multiparts, ResultMultiparts
from sql.nodes import Nodes
from sql.operators import Operators
from sql.organisations import Organisations
from sql.preflights import Preflights
from sql.prices import Prices
from sql.proofs import Proofs
from sql.purchases import Purchases
from sql.receipts import Receipts
from sql.retention import Retention
from sql.sessions import Sessions
from sql.skus import Skus
from sql.thumbnails import Thumbnails
from sql.uploads import Uploads
from sql.users import Administration, Users
from sql.webhooks import Endpoints
from supervisors.registry import Registry
from supervisors.snapshot import Snapshot
from web.console.console_memory import ConsoleMemory
from web.http.rate_limits import RateLimits
from web.identity.api_keys import VerifiedKeys
from web.identity.passwords import Passwords
from web.identity.revocation import Revocations
from web.identity.tokens import Tokens
from web.nodes.connections import Connections
from web.process.gateway_metrics import GatewayMetrics
from web.process.readiness import Probe, Readiness
from web.process.response_cache import CachedBody, ResponseCache

if TYPE_CHECKING:
    from sql.database import Database


def _operators(gateway: "Gateway") -> Operators:
    return Operators(gateway.database)


def _organisations(gateway: "Gateway") -> Organisations:
    return Organisations(gateway.database)


def _retention(gateway: "Gateway") -> Retention:
    return Retention(gateway.database)


def _preflights(gateway: "Gateway") -> Preflights:
    return Preflights(gateway.database)


def _thumbnails(gateway: "Gateway") -> Thumbnails:
    return Thumbnails(gateway.database)


def _attempt_logs(gateway: "Gateway") -> AttemptLogs:
    return AttemptLogs(gateway.database)


def _prices(gateway: "Gateway") -> Prices:
    return Prices(gateway.database)


def _events(gateway: "Gateway") -> Events:
    return Events(gateway.database)


def _endpoints(gateway: "Gateway") -> Endpoints:
    return Endpoints(gateway.database)


def _receipts(gateway: "Gateway") -> Receipts:
    return Receipts(gateway.database)


def _evidence(gateway: "Gateway") -> EvidenceReads:
    return EvidenceReads(gateway.database)


def _multiparts(gateway: "Gateway") -> Multiparts:
    return Multiparts(gateway.database)


def _result_multiparts(gateway: "Gateway") -> ResultMultiparts:
    return ResultMultiparts(gateway.database)


def _figures(gateway: "Gateway") -> GatewayMetrics:
    return GatewayMetrics(gateway.database, gateway.probes, gateway.clock, gateway.halts)


def _readiness(gateway: "Gateway") -> ResponseCache[Readiness]:
    return ResponseCache(gateway.clock)


def _metrics(gateway: "Gateway") -> tuple[ResponseCache[CachedBody], ResponseCache[CachedBody]]:
    return ResponseCache(gateway.clock), ResponseCache(gateway.clock)


def _own_nodes(gateway: "Gateway") -> frozenset[UUID]:
    return gateway.settings.verification.own()


def _sources(gateway: "Gateway") -> Mapping[str, str]:
    return sources_of(gateway.settings, None)


def _memory(gateway: "Gateway") -> ConsoleMemory:
    return ConsoleMemory.of(gateway.random.uuid(), gateway.snapshot, gateway.clock)


def _connections(gateway: "Gateway") -> Connections:
    id_, rows = gateway.console.gateways.id, ConnectionRows(gateway.database)
    return Connections(id_, rows, gateway.clock, gateway.random)


@attrs.frozen
class Accounts:
    """Rows of logins, API keys, and what admins do."""

    sessions: Sessions
    api_keys: ApiKeys
    administration: Administration
    audit: AuditLog

    @classmethod
    def over(cls, database: "Database") -> "Accounts":
        """Make all of them over one database."""
        return cls(
            Sessions(database), ApiKeys(database), Administration(database), AuditLog(database)
        )


@attrs.frozen
class Sales:
    """The price list, the payment provider, and purchases.

    ``url`` is the gateway's public address for buyers.
    """

    payments: Payments
    skus: Skus
    purchases: Purchases
    url: Callable[[], str]

    @classmethod
    def over(cls, database: "Database", payments: Payments, url: Callable[[], str]) -> "Sales":
        """Make them over one database."""
        return cls(payments, Skus(database), Purchases(database), url)


@attrs.frozen
class Gateway:
    """Everything that handlers can reach; built once by the composition root."""

    settings: Settings
    clock: Clock
    random: Random
    registry: Registry
    database: "Database"
    objects: Objects
    tokens: Tokens
    passwords: Passwords
    rates: RateLimits
    revocations: Revocations
    api_keys: VerifiedKeys
    accounts: Accounts
    users: Users
    nodes: Nodes
    uploads: Uploads
    jobs: Jobs
    credits: Credits
    proofs: Proofs
    anchors: Anchors
    sales: Sales
    halts: Halts  # reasons to refuse all writes
    signer: LogSigner
    starter: int  # units that a new user is given
    probes: dict[str, Probe]  # the checks of readiness, by name
    snapshot: Callable[[], Snapshot]  # a brief reading of the whole tree
    preflights: Preflights = attrs.field(default=attrs.Factory(_preflights, takes_self=True))
    thumbnails: Thumbnails = attrs.field(default=attrs.Factory(_thumbnails, takes_self=True))
    attempt_logs: AttemptLogs = attrs.field(default=attrs.Factory(_attempt_logs, takes_self=True))
    prices: Prices = attrs.field(default=attrs.Factory(_prices, takes_self=True))
    receipts: Receipts = attrs.field(default=attrs.Factory(_receipts, takes_self=True))
    evidence: EvidenceReads = attrs.field(default=attrs.Factory(_evidence, takes_self=True))
    multiparts: Multiparts = attrs.field(default=attrs.Factory(_multiparts, takes_self=True))
    result_multiparts: ResultMultiparts = attrs.field(
        default=attrs.Factory(_result_multiparts, takes_self=True)
    )
    endpoints: Endpoints = attrs.field(default=attrs.Factory(_endpoints, takes_self=True))
    events: Events = attrs.field(default=attrs.Factory(_events, takes_self=True))
    figures: GatewayMetrics = attrs.field(default=attrs.Factory(_figures, takes_self=True))
    readiness: ResponseCache[Readiness] = attrs.field(
        default=attrs.Factory(_readiness, takes_self=True)
    )
    # Of /metrics: as plain text, and as OpenMetrics.
    metrics: tuple[ResponseCache[CachedBody], ResponseCache[CachedBody]] = attrs.field(
        default=attrs.Factory(_metrics, takes_self=True)
    )
    operators: Operators = attrs.field(default=attrs.Factory(_operators, takes_self=True))
    organisations: Organisations = attrs.field(
        default=attrs.Factory(_organisations, takes_self=True)
    )
    retention: Retention = attrs.field(default=attrs.Factory(_retention, takes_self=True))
    verifiers: frozenset[UUID] = attrs.field(default=attrs.Factory(_own_nodes, takes_self=True))
    chain: Chain | None = None  # None: nothing is anchored
    restarts: Callable[[], Sequence[Restart]] = tuple  # the log of the whole tree
    unread: Callable[[], DeadLetters] = (
        DeadLetters  # messages of the whole tree that were not delivered
    )
    console: ConsoleMemory = attrs.field(default=attrs.Factory(_memory, takes_self=True))
    connections: Connections = attrs.field(default=attrs.Factory(_connections, takes_self=True))
    # where each setting's value came from
    sources: Mapping[str, str] = attrs.field(default=attrs.Factory(_sources, takes_self=True))


GATEWAY: Final = web.AppKey("gateway", Gateway)
