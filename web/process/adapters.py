"""The adapters of a gateway to the outside: engines, embedded or remote, and ports over them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from actors.ports import ObjectsUnavailable
from config.mail_server import mail_server
from config.settings import Chain, Mail, Settings
from sql.database import Database, Unavailable
from sql.halts import Halts, Kept
from sql.leadership import SqlLeadership
from sql.migrate import migrate
from supervisors.child import Child
from supervisors.engines.anvil import ChainEndpoint, EmbeddedAnvil
from supervisors.engines.bus_valkey import ValkeyBus
from supervisors.engines.current_endpoint import CurrentEndpoint, NotStarted
from supervisors.engines.engine_account import EngineAccount, check_way, engine_account
from supervisors.engines.engine_actor import RunsEngine, engine_child
from supervisors.engines.lazy_chain import EvmChain, KnownChain, remote_chain
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.objects_s3 import S3Objects
from supervisors.engines.postgres import EmbeddedPostgres, PostgresEndpoint
from supervisors.engines.provider_requests import HttpProviders
from supervisors.engines.rates_valkey import SharedRates
from supervisors.engines.remote import remote_objects, remote_postgres, remote_valkey
from supervisors.engines.seaweedfs import EmbeddedObjects
from supervisors.engines.smtp import SmtpTransport
from supervisors.engines.stripe_payments import NoPayments, StripeEndpoint, StripePayments
from supervisors.engines.stripe_stand_in.engine import EmbeddedStripe
from supervisors.engines.system_clock import SystemClock
from supervisors.engines.valkey import EmbeddedValkey, ValkeyEndpoint, process_at
from supervisors.engines.webhook_http import HttpPost
from supervisors.schema_actor import schema_child
from web.process.readiness import Probe


@attrs.frozen
class Adapters:
    """Ports that outlive their engines; ``engines``: the children that run or check the engines.

    ``url``: the public address of the gateway.
    """

    engines: Sequence[Child]
    stored: CurrentEndpoint[ObjectsEndpoint]
    database: Database
    halts: Halts
    leadership: SqlLeadership
    objects: S3Objects
    bus: ValkeyBus
    payments: StripePayments | NoPayments
    rates: SharedRates
    post: HttpPost
    providers: HttpProviders | None  # None: there are no providers of OpenID Connect
    mail: SmtpTransport | None  # None: no mail is sent
    chain: EvmChain | None  # the chain on which checkpoints are anchored; None: nothing is anchored
    probes: dict[str, Probe]
    url: Callable[[], str]

    async def close(self) -> None:
        """Close all connections, after the tree has stopped."""
        if self.chain is not None:
            await self.chain.close()
        await self.post.close()
        if self.providers is not None:
            await self.providers.close()
        await self.rates.close()
        await self.bus.close()
        await self.payments.aclose()
        await self.objects.aclose()
        await self.leadership.close()
        await self.database.close()

    def objects_store(self) -> ObjectsEndpoint | None:
        """Return the object store's address, to which the object routes forward.

        None before the store has started.
        """
        try:
            return self.stored.get()
        except NotStarted:
            return None


def build_outside(
    settings: Settings, data: Path, own_url: Callable[[], str], seen: Callable[[], Kept]
) -> Adapters:
    """Build the adapters: services with a URL in ``settings`` are remote, all other services run in
    ``data``.

    ``own_url``: the gateway's address on this machine, once it listens; ``seen``: the gateway's own
    memory of the log. Raises EngineError if engines could not run in ``data``.
    """

    def public_url() -> str:
        return settings.server.public_url or own_url()

    account = engine_account()
    stands_in = settings.takes_payments and not settings.stripe.secret_key
    if not (settings.database.url and settings.redis.url and settings.objects.url):
        check_way(data, account)
    postgres, valkey = CurrentEndpoint[PostgresEndpoint](), CurrentEndpoint[ValkeyEndpoint]()
    stored, stripe = CurrentEndpoint[ObjectsEndpoint](), stripe_of(settings)
    database = Database(lambda: app_dsn(postgres), connections=settings.database.connections)
    chain, chain_engine = build_chain(settings.chain, data, account)
    halts = Halts(database, chain=chain is not None, seen=seen)
    objects = S3Objects(stored, lambda: settings.objects.public_url or public_url())
    return Adapters(
        engines=[
            engine_child(_postgres(settings, data, account), postgres),
            schema_child(
                lambda: migrate(postgres.get().owner_dsn, application=postgres.get().app_dsn)
            ),
            engine_child(_objects(settings, data, account), stored),
            engine_child(_valkey(settings, data, account), valkey),
            *([engine_child(EmbeddedStripe(data, own_url), stripe)] if stands_in else []),
            *chain_engine,
        ],
        stored=stored,
        database=database,
        halts=halts,
        leadership=SqlLeadership(database, halts),
        objects=objects,
        bus=ValkeyBus(valkey),
        payments=StripePayments(stripe) if settings.takes_payments else NoPayments(),
        post=HttpPost(private=settings.webhooks.private),
        providers=providers_of(settings),
        mail=mail_of(settings.mail, settings.farm_name),
        rates=SharedRates(valkey, lambda: SystemClock().now().timestamp()),
        chain=chain,
        probes=probes_of(database, valkey, objects),
        url=public_url,
    )


def build_chain(
    given: Chain, data: Path, account: EngineAccount | None
) -> tuple[EvmChain | None, Sequence[Child]]:
    """Return the chain, and the child that runs it or has its address; None: nothing is anchored.

    Raises SettingsError.
    """
    if not given.url:
        return None, ()
    current = CurrentEndpoint[ChainEndpoint]()
    engine: RunsEngine[ChainEndpoint] = (
        EmbeddedAnvil(data, account=account) if given.embedded else KnownChain(remote_chain(given))
    )
    chain = EvmChain(current, fee_cap_gwei=given.fee_cap_gwei)
    return chain, [engine_child(engine, current)]


def app_dsn(postgres: CurrentEndpoint[PostgresEndpoint]) -> str:
    """Return the application's URL of the database.

    Before the database's first start this fails like a refused connection.
    """
    try:
        return postgres.get().app_dsn
    except NotStarted as reason:
        raise ConnectionRefusedError(str(reason)) from None


def stripe_of(settings: Settings) -> CurrentEndpoint[StripeEndpoint]:
    """Return Stripe if the settings have a key for it, otherwise an empty handle."""
    given = settings.stripe
    if not given.secret_key:
        return CurrentEndpoint()
    return CurrentEndpoint(StripeEndpoint(given.secret_key, given.webhook_secret, given.url))


def providers_of(settings: Settings) -> HttpProviders | None:
    """Return the sender of requests to providers of OpenID Connect; None if there are none."""
    return HttpProviders(loopback=not settings.production) if settings.oidc.providers else None


def mail_of(mail: Mail, farm: str) -> SmtpTransport | None:
    """Return the mail server of the settings; None if they have none. ``farm``: the sender's
    name.
    """
    if not mail.url:
        return None
    return SmtpTransport(mail_server(mail.url), mail.sender, name=farm)


def _postgres(settings: Settings, data: Path, account: EngineAccount | None) -> RunsEngine[Any]:
    url = settings.database.url
    if url:
        return remote_postgres(
            settings.database.owner_url or url, url, patience=settings.server.wait_seconds
        )
    return EmbeddedPostgres(data, account=account)


def _objects(settings: Settings, data: Path, account: EngineAccount | None) -> RunsEngine[Any]:
    given = settings.objects
    if given.url:
        return remote_objects(
            ObjectsEndpoint(
                given.url, given.access_key, given.secret_key, given.bucket, given.region
            ),
            patience=settings.server.wait_seconds,
        )
    return EmbeddedObjects(data, account=account, bucket=given.bucket)


def _valkey(settings: Settings, data: Path, account: EngineAccount | None) -> RunsEngine[Any]:
    url = settings.redis.url
    if url:
        return remote_valkey(url, patience=settings.server.wait_seconds)
    return EmbeddedValkey(data, account=account)


def probes_of(
    database: Database, valkey: CurrentEndpoint[ValkeyEndpoint], objects: S3Objects
) -> dict[str, Probe]:
    """Return the checks of the services that readiness names."""
    return {
        "database": lambda: _database_answers(database),
        "redis": lambda: _valkey_answers(valkey),
        "objects": lambda: _objects_answer(objects),
    }


async def _database_answers(database: Database) -> bool:
    try:
        await database.one("database_answers")
    except Unavailable:
        return False
    return True


async def _valkey_answers(valkey: CurrentEndpoint[ValkeyEndpoint]) -> bool:
    try:
        return await process_at(valkey.get()) is not None
    except NotStarted:
        return False


async def _objects_answer(objects: S3Objects) -> bool:
    try:
        await objects.check()
    except ObjectsUnavailable:
        return False
    return True
