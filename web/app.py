"""The composition root: from settings to a gateway that can be run."""

from pathlib import Path

import attrs
from aiohttp import web

from actors.kernel import Ref
from config.data_folder import data_folder
from config.settings import Settings, SettingsError
from rendertrust import money
from sql.credits import Credits
from sql.jobs import Jobs
from sql.nodes import Nodes
from sql.uploads import Uploads
from sql.users import Users
from supervisors.child import Child
from supervisors.engines.system import SystemClock, SystemRandom
from supervisors.registry import Registry
from supervisors.supervisor import Supervisor
from supervisors.tree import build_tree
from web.gateway import Gateway
from web.keys import with_key
from web.listener import Listener, ListenerActor, Place
from web.objects_route import add_object_routes
from web.outside import Outside, build_outside
from web.passwords import Passwords
from web.rates import Rates
from web.site import build_site
from web.tokens import Tokens


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


def build(given: Settings) -> Application:
    """Everything wired, nothing started. Raises SettingsError, EngineError."""
    data = data_folder(given)
    settings = with_key(given, data)
    place = Place(settings.server.host, settings.server.port)
    outside = build_outside(settings, data, lambda: settings.server.public_url or place.url)
    registry, random = Registry(), SystemRandom()
    gateway = build_gateway(settings, outside, registry)

    def site() -> web.Application:
        built = build_site(gateway)
        if not settings.objects.public_url:
            add_object_routes(built, outside.objects_url, settings.objects.bucket)
        return built

    listener = Ref[Listener]("web")
    registry.register(Listener, listener)
    child = Child("web", lambda: ListenerActor(site, place, settings), ref=listener)
    tree = build_tree(outside.engines, child, registry, lambda: random.uniform(0.0, 1.0))
    return Application(settings, data, tree.root, place, outside, gateway)


def build_gateway(settings: Settings, outside: Outside, registry: Registry) -> Gateway:
    """What the handlers can reach."""
    clock, random, database = SystemClock(), SystemRandom(), outside.database
    return Gateway(
        settings=settings,
        clock=clock,
        random=random,
        registry=registry,
        database=database,
        objects=outside.objects,
        tokens=Tokens(settings.jwt, clock, random),
        passwords=Passwords(),
        rates=Rates(settings.limits, clock),
        users=Users(database),
        nodes=Nodes(database),
        uploads=Uploads(database),
        jobs=Jobs(database),
        credits=Credits(database),
        starter=starter_units(settings),
        probes=outside.probes,
    )


def starter_units(settings: Settings) -> int:
    """The starter credits in units; '0' is none."""
    if settings.credits.starter.strip("0.") == "":
        return 0
    try:
        return money.parse(settings.credits.starter)
    except ValueError as error:
        raise SettingsError(f"credits.starter {error}") from error
