"""The gateway's HTTP site for tests: real routes and a real database, but stand-ins for actors."""

import functools
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from actors.kernel import Actor, AskFailed, DeferredReply, handles
from actors.ledger.actor import LedgerActor
from actors.ledger.effects import Effect
from actors.ledger.messages import Commit, IsAccepting, Ledger, Outcome, Posted
from actors.notifier.log_tails import LogTails
from actors.notifier.messages import (
    LogLine,
    Notifier,
    Progress,
    ProgressOf,
    ProgressOfJobs,
    ProgressOfUnits,
    TailOf,
    UnitLogLines,
    UnitsMoved,
)
from actors.paymaster.messages import FindClaimable, Paymaster
from actors.ports import Chain, Ports
from actors.scheduler.actor import SchedulerActor
from actors.scheduler.messages import (
    AccessChanged,
    Dispatch,
    DispatchOutcome,
    IsLoaded,
    JobPaused,
    JobsChanged,
    NoCapableNode,
    NodeProved,
    NodeSeen,
    Scheduler,
    StandingChanged,
    UnitsChanged,
    Wake,
)
from actors.watchman.messages import IsOpen, Watchman
from config.loader import load
from config.settings import Settings
from config.sources import sources_of
from sql.anchors import Anchors
from sql.database import Database
from sql.halts import Halts, Kept
from sql.store import SqlStore
from supervisors.child import Child
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.provider_requests import HttpProviders
from supervisors.engines.stripe_payments import NoPayments, StripeEndpoint, StripePayments
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.registry import Registry
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.api_description import our_contract
from tests.support.stand_in import StandIn
from tests.twins.bus import TwinBus
from tests.twins.host import TwinHost
from tests.twins.leadership import Leads, TwinLeadership
from tests.twins.objects import TwinObjects
from tests.twins.ports import TwinLogMemory, twin_ports
from tests.twins.post import TwinPost
from tests.twins.signer import TwinSigner
from web.edge_children import event_hub_child, hub_child, revocations_child
from web.gateway import Gateway, make_gateway
from web.http.application import build_site
from web.http.listener import make_runner
from web.identity.tokens import SignedNodeTokens, Tokens

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
# Nothing listens at this URL; a test that needs Stripe sets the URL of a stand-in.
NO_STRIPE = StripeEndpoint("sk_test_nobody", "whsec_of_the_tests", "http://127.0.0.1:1")


@attrs.define
class Script:
    """Scripted answers of the stand-in actors, and the messages that they received."""

    outcome: Outcome = attrs.field(factory=Posted)
    dispatched: DispatchOutcome = attrs.field(factory=NoCapableNode)
    progress: Progress | None = None
    failure: AskFailed | None = None  # the failure of asks to the Scheduler
    open: bool = True
    loaded: bool = True
    registry: Registry = attrs.field(factory=Registry)  # addresses of the actors
    seen: list[Any] = attrs.field(factory=list[Any])


class StandInLedger(StandIn[Ledger]):
    def __init__(self, script: Script) -> None:
        self._script = script

    @handles(Commit)
    async def commit(self, message: Commit) -> Outcome:
        self._script.seen.append(message)
        return self._script.outcome

    @handles(IsAccepting)
    async def is_accepting(self, message: IsAccepting) -> bool:
        return True


class StandInScheduler(StandIn[Scheduler]):
    def __init__(self, script: Script) -> None:
        self._script = script

    @handles(Dispatch)
    async def dispatch(self, message: Dispatch) -> DispatchOutcome | DeferredReply[DispatchOutcome]:
        self._script.seen.append(message)
        if self._script.failure is not None:
            later = self.later(message)
            later.fail(self._script.failure)
            return later
        return self._script.dispatched

    @handles(IsLoaded)
    async def is_loaded(self, message: IsLoaded) -> bool:
        return self._script.loaded

    @handles(NodeSeen)
    async def node_seen(self, message: NodeSeen) -> None:
        self._script.seen.append(message)

    @handles(NodeProved)
    async def node_proved(self, message: NodeProved) -> None:
        self._script.seen.append(message)

    @handles(StandingChanged)
    async def node_stands(self, message: StandingChanged) -> None:
        self._script.seen.append(message)

    @handles(UnitsChanged)
    async def units_changed(self, message: UnitsChanged) -> None:
        self._script.seen.append(message)

    @handles(JobPaused)
    async def job_paused(self, message: JobPaused) -> None:
        self._script.seen.append(message)

    @handles(JobsChanged)
    async def jobs_changed(self, message: JobsChanged) -> None:
        self._script.seen.append(message)

    @handles(Wake)
    async def wake(self, message: Wake) -> None:
        self._script.seen.append(message)

    @handles(AccessChanged)
    async def circles_changed(self, message: AccessChanged) -> None:
        self._script.seen.append(message)


class StandInNotifier(StandIn[Notifier]):
    def __init__(self, script: Script) -> None:
        self._script = script
        self._tails = LogTails(10)

    @handles(UnitLogLines)
    async def said(self, message: UnitLogLines) -> None:
        self._tails.add(message.job, message.unit, message.attempt, message.text)

    @handles(TailOf)
    async def tail_of(self, message: TailOf) -> tuple[LogLine, ...]:
        return self._tails.of(message.job)

    @handles(UnitsMoved)
    async def units_moved(self, message: UnitsMoved) -> None:
        self._script.seen.append(message)

    @handles(ProgressOf)
    async def progress_of(self, message: ProgressOf) -> Progress | None:
        return self._script.progress

    @handles(ProgressOfJobs)
    async def progress_of_jobs(self, message: ProgressOfJobs) -> Mapping[UUID, float]:
        told = self._script.progress
        return {} if told is None or told.job not in message.jobs else {told.job: told.value}

    @handles(ProgressOfUnits)
    async def progress_of_units(self, message: ProgressOfUnits) -> tuple[Progress, ...]:
        progress = self._script.progress
        return () if progress is None or progress.job != message.job else (progress,)


class StandInPaymaster(StandIn[Paymaster]):
    def __init__(self, script: Script) -> None:
        self._script = script

    @handles(FindClaimable)
    async def look_for_claims(self, message: FindClaimable) -> None:
        self._script.seen.append(message)


class StandInWatchman(Actor[Watchman]):
    def __init__(self, script: Script) -> None:
        self._script = script

    @handles(IsOpen)
    async def is_open(self, message: IsOpen) -> bool:
        return self._script.open


Headers: TypeAlias = dict[str, str]
Actors: TypeAlias = Mapping[type, Callable[[Script], Actor[Any]]]

STAND_INS: Actors = {
    Ledger: StandInLedger,
    Scheduler: StandInScheduler,
    Notifier: StandInNotifier,
    Paymaster: StandInPaymaster,
    Watchman: StandInWatchman,
}


@attrs.frozen
class Face:
    """A running site, and the ``client`` that talks to it."""

    client: TestClient[web.Request, web.Application]
    gateway: Gateway
    script: Script
    objects: TwinObjects
    stripe: CurrentEndpoint[StripeEndpoint]

    async def user(self, email: str = "jane@example.org") -> Headers:
        """Register a user and return headers with their token."""
        body = {"email": email, "name": "Jane", "password": "a long password"}
        async with self.client.post("/api/v1/auth/register", json=body) as answer:
            assert answer.status == 201, await answer.text()
            tokens = (await answer.json())["tokens"]
        return {"Authorization": f"Bearer {tokens['access_token']}"}

    async def book(self, commit: Commit) -> Outcome:
        """Send the commit to the Ledger and return the outcome."""
        return await self.gateway.registry.ref(Ledger).ask(commit, within=60)

    async def do(self, *effects: Effect) -> Outcome:
        """Send the effects to the Ledger in one commit and return the outcome."""
        return await self.book(Commit(effects=effects))


def settings_for_tests(**sections: Mapping[str, Any] | str) -> Settings:
    """Return development settings with a JWT key and no rate limits; ``sections`` override.

    All frames cost the same, and nothing is verified.
    """
    many = dict.fromkeys(("login", "register", "refresh", "node"), 1000000)
    base: dict[str, Any] = {"jwt": {"secret": SECRET}, "limits": many, "logs": {"access": False}}
    base["verification"] = {"enabled": False}
    base["pricing"] = {"frame_seconds": 0}
    for name, section in sections.items():
        base[name] = section if isinstance(section, str) else {**base.get(name, {}), **section}
    # pytest sets PYTEST_CURRENT_TEST to another value for each test. It is left out, so that equal
    # settings are loaded only once.
    told = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return _loaded(json.dumps(base), tuple(sorted(told.items())))


@functools.cache
def _loaded(overrides: str, _: tuple[tuple[str, str], ...]) -> Settings:
    """Load settings once for each combination of overrides and environment; loading is slow."""
    return load(overrides=json.loads(overrides))


class FaceServer(TestServer):
    """A test server that uses the gateway's own connection handling, with its deadlines."""

    def __init__(self, site: web.Application, settings: Settings) -> None:
        super().__init__(site)
        self._settings = settings

    async def _make_runner(self, **kwargs: Any) -> web.AppRunner:
        return make_runner(self.app, self._settings)


def with_ledger(database: Database) -> Actors:
    """Return stand-ins for all actors but the Ledger, which is real."""
    ledger = partial(LedgerActor, SqlStore(database), SystemClock(), SystemRandom())
    return {**STAND_INS, Ledger: lambda _: ledger()}


def with_scheduler(database: Database) -> Actors:
    """Return stand-ins for all actors but the Ledger and the Scheduler, which are real."""

    def scheduler(script: Script) -> Actor[Any]:
        ledger, notifier = script.registry.ref(Ledger), script.registry.ref(Notifier)
        ports = twin_ports(store=SqlStore(database), clock=SystemClock())
        return SchedulerActor(ports, ledger, notifier, lambda: ())

    return {**with_ledger(database), Scheduler: scheduler}


def gateway_over(
    database: Database,
    settings: Settings,
    registry: Registry,
    objects: TwinObjects,
    root: Callable[[], Supervisor],
    *,
    chain: Chain | None = None,
    seen: Callable[[], Kept] = lambda: None,
    stripe: CurrentEndpoint[StripeEndpoint] | None = None,
    url: Callable[[], str] = lambda: "http://127.0.0.1:1",
) -> Gateway:
    """Return a gateway over a database; new users begin with 100 credits."""
    clock, random = SystemClock(), SystemRandom()
    tokens, halts = (
        Tokens(settings.jwt, clock, random),
        Halts(database, chain=chain is not None, seen=seen),
    )
    store = SqlStore(database, halts)
    ports = Ports(
        clock=clock,
        random=random,
        store=store,
        log=store,
        objects=objects,
        bus=TwinBus(),
        tokens=SignedNodeTokens(tokens, random),
        signer=TwinSigner(),
        payments=StripePayments(stripe or CurrentEndpoint(NO_STRIPE))
        if settings.takes_payments
        else NoPayments(),
        post=TwinPost(),
        leadership=TwinLeadership(Leads()),
        memory=TwinLogMemory(),
        chain=chain,
        anchors=Anchors(database),
        providers=HttpProviders(loopback=True),
    )
    return make_gateway(
        settings,
        ports,
        database,
        halts,
        registry=registry,
        root=root,
        tokens=tokens,
        url=url,
        probes={"database": _yes, "redis": _yes, "objects": _yes},
        host=TwinHost(),
        starter=1_000_000,
        sources=sources_of(settings, None),
        verifiers=settings.verification.own(),
    )


@asynccontextmanager
async def serving(
    database: Database,
    settings: Settings,
    actors: Actors = STAND_INS,
    make: Callable[[Gateway], web.Application] = build_site,
) -> AsyncGenerator[Face]:
    """Serve a site, which ``make`` builds, on a free port until the block ends."""
    script = Script()
    registry = script.registry
    children = [Child(m.__name__, partial(make, script)) for m, make in actors.items()]
    for marker, child in zip(actors, children, strict=True):
        registry.register(marker, child.ref)
    objects = TwinObjects(lambda: SystemClock().now().timestamp())
    stripe = CurrentEndpoint(NO_STRIPE)
    gateway = gateway_over(
        database,
        settings,
        registry,
        objects,
        lambda: tree,
        stripe=stripe,
        url=lambda: str(server.make_url("")).rstrip("/"),
    )
    server = FaceServer(make(gateway), settings)
    children.append(revocations_child(gateway, registry))
    children.append(hub_child(gateway, registry))
    children.append(event_hub_child(gateway, registry))
    tree = Supervisor("Stand-ins", Strategy.ONE_FOR_ONE, Intensity(), children)
    await tree.start()
    try:
        async with TestClient(server, trace_configs=[our_contract().watch()]) as client:
            yield Face(client, gateway, script, objects, stripe)
    finally:
        await tree.stop()
        await close_payments(gateway)
        await close_providers(gateway)
        gateway.identity.passwords.close()


@asynccontextmanager
async def face_over(
    database: PostgresEndpoint,
    actors: Callable[[Database], Actors] = lambda _: STAND_INS,
    *,
    audited: bool = False,
    **sections: Mapping[str, Any] | str,
) -> AsyncGenerator[Face]:
    """Serve a site over a test's database; ``sections`` override settings.

    With ``audited`` the books must be sound at the end.
    """
    pool = Database(lambda: database.app_dsn)
    try:
        async with serving(pool, settings_for_tests(**sections), actors(pool)) as face:
            yield face
            if audited:
                assert await SqlStore(pool).audit() == []
    finally:
        await pool.close()


def face_with(
    actors: Callable[[Database], Actors] = lambda _: STAND_INS,
    *,
    audited: bool = False,
    **sections: Mapping[str, Any] | str,
) -> Any:
    """Return a fixture, for use in a test module, that serves a site as ``face_over`` does."""

    @pytest.fixture
    async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
        async with face_over(database, actors, audited=audited, **sections) as running:
            yield running

    return face


async def close_payments(gateway: Gateway) -> None:
    """Close the gateway's connections to Stripe."""
    payments = gateway.ports.payments
    assert isinstance(payments, StripePayments | NoPayments)
    await payments.aclose()


async def close_providers(gateway: Gateway) -> None:
    """Close the gateway's connections to providers of OpenID Connect."""
    providers = gateway.ports.providers
    assert isinstance(providers, HttpProviders)
    await providers.close()


async def _yes() -> bool:
    return True
