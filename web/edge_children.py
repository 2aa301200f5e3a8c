"""Children of the supervisor Edge: actors that work over the gateway, each with its ports.

Most have a separate supervisor, so that their failure stops nothing else.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial

from actors.console_hub.actor import HubActor
from actors.console_hub.messages import Hub
from actors.event_hub.actor import EventHubActor
from actors.event_hub.messages import EventHub
from actors.kernel import Ref
from actors.pulse.actor import Process, PulseActor
from actors.recorder.actor import RecorderActor
from actors.recorder.messages import Recorder
from actors.revocations.actor import RevocationsActor
from actors.revocations.messages import Revocations
from actors.sweeper.actor import SweeperActor, SweeperSettings
from actors.sweeper.messages import Sweeper
from actors.video_maker.actor import VideoMakerActor
from actors.video_maker.messages import VideoMaker
from config.settings import Settings
from sql.overview import Overview
from sql.revocations import RevocationFeed
from sql.revocations import Revocations as RevocationRows
from supervisors.child import Child
from supervisors.registry import Registry
from supervisors.snapshot import Snapshot
from web.gateway import Gateway
from web.money.credit_price import credit_price
from web.process.forced_exit import exit_within
from web.process.memory_tuning import tidy
from web.process.service_manager import ServiceManager
from web.routes.videos import ordered


def revocations_child(gateway: Gateway, registry: Registry) -> Child:
    """Return the child that keeps revocations up to date; without it all tokens are refused."""
    database, logins = gateway.database, gateway.tables.sessions
    revocations, clock, rows = (
        gateway.identity.revocations,
        gateway.ports.clock,
        RevocationRows(database),
    )

    def make() -> RevocationsActor:
        return RevocationsActor(revocations, partial(RevocationFeed, database), rows, logins, clock)

    ref = registry.register(Revocations, Ref[Revocations]("revocations"))
    return Child("revocations", make, ref=ref)


def recorder_child(gateway: Gateway, registry: Registry) -> Child:
    """Return the child that records connections of nodes."""
    ref = registry.register(Recorder, Ref[Recorder]("recorder"))
    return Child("recorder", lambda: RecorderActor(gateway.connections), ref=ref)


def sweeper_child(gateway: Gateway, registry: Registry) -> Child:
    """Return the child that removes expired rows and objects."""
    ref = registry.register(Sweeper, Ref[Sweeper]("sweeper"))
    return Child("sweeper", lambda: sweeper_of(gateway), ref=ref)


def video_maker_child(gateway: Gateway, registry: Registry) -> Child:
    """Return the child that orders the videos of completed jobs; without it, users order them."""
    ref = registry.register(VideoMaker, Ref[VideoMaker]("videos"))

    def make() -> VideoMakerActor:
        due, order = gateway.tables.related_jobs.videos_due, partial(ordered, gateway)
        return VideoMakerActor(due, order, gateway.ports.clock)

    return Child("videos", make, ref=ref)


def sweeper_of(gateway: Gateway) -> SweeperActor:
    """Return the Sweeper of a gateway."""
    return SweeperActor(gateway.ports, gateway.tables, sweeper_settings(gateway.settings))


def sweeper_settings(settings: Settings) -> SweeperSettings:
    """Return how long the Sweeper keeps the rows and objects that it removes."""
    return SweeperSettings(
        bucket=settings.objects.bucket,
        inputs=timedelta(days=settings.retention.inputs_days),
        results=timedelta(days=settings.retention.results_days),
        events=timedelta(days=settings.events.keep_days),
        require_proof=settings.nodes.require_proof,
    )


def hub_child(gateway: Gateway, registry: Registry) -> Child:
    """Return the child that keeps open console pages up to date; without it, pages still work."""
    ref = registry.register(Hub, Ref[Hub]("console", capacity=4_096))
    memory, url = gateway.console, gateway.url

    async def answers() -> bool:
        return await gateway.monitoring.probes["database"]()

    async def read_farm() -> None:
        """Read the prices, and the farm's public figures, of which a farm that is not open to
        everybody has none.
        """
        await _read_prices(gateway)
        if gateway.settings.accounts.registration == "open":
            memory.farm.note(await Overview(gateway.database).farm(), gateway.ports.clock.now())

    def make() -> HubActor:
        return HubActor(
            gateway.ports.bus,
            gateway.ports.clock,
            charts=memory.history,
            gateways=memory.gateways,
            url=url,
            probe=answers,
            read_farm=read_farm,
        )

    return Child("console", make, ref=ref)


async def _read_prices(gateway: Gateway) -> None:
    by_type = {row.job_type: row.units or 0 for row in await gateway.tables.prices.now()}
    gateway.console.prices.note(by_type, await credit_price(gateway))


def event_hub_child(gateway: Gateway, registry: Registry) -> Child:
    """Return the child that wakes streams of events; if it stays down, only the streams fail."""
    ref = registry.register(EventHub, Ref[EventHub]("events", capacity=4_096))
    return Child("events", lambda: EventHubActor(gateway.ports.bus, gateway.tables.events), ref=ref)


def pulse_child(
    gateway: Gateway, vital: Callable[[], Iterable[Snapshot]], manager: ServiceManager
) -> Child:
    """Return the child that ends the process if one of the ``vital`` parts is stuck."""
    process = Process(vital, manager, gateway.console.lag.note, exit_within, tidy)
    return Child("pulse", lambda: PulseActor(process, gateway.ports.clock))
