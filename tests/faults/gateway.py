"""A whole gateway in the test process, built as for production, with a proxy before each engine.

Several gateways may share the engines; each has its own proxies, so that one alone can fail.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs

from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.valkey import ValkeyEndpoint
from tests.faults.orders import STARTER
from tests.faults.place import http_by, of_http, of_postgres, of_redis, postgres_by, redis_by
from tests.faults.proxy import Proxy
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from web.composition_root import Application, build

NO_STRIPE = {"secret_key": "sk_test_nobody", "webhook_secret": "whsec_of_the_tests"}


@attrs.frozen
class Engines:
    """Endpoints of the engines."""

    postgres: PostgresEndpoint
    valkey: ValkeyEndpoint
    objects: ObjectsEndpoint


@attrs.frozen
class FaultyGateway:
    """A gateway that uses the proxies ``postgres``, ``redis`` and ``objects`` for its engines."""

    application: Application
    postgres: Proxy
    redis: Proxy
    objects: Proxy

    @property
    def url(self) -> str:
        return self.application.url

    async def mend(self) -> None:
        """Remove all faults and make all engines reachable."""
        for proxy in (self.postgres, self.redis, self.objects):
            proxy.mend()
            await proxy.up()

    async def becomes(self, http: aiohttp.ClientSession, what: str, said: str) -> None:
        """Wait until readiness reports ``said`` for an engine, or for the gateway (``status``)."""

        async def says() -> bool:
            async with http.get(f"{self.url}/api/v1/health/ready") as answer:
                found: dict[str, Any] = await answer.json()
                return answer.status == 200 and {**found["checks"], **found}[what] == said

        await until(says)


@asynccontextmanager
async def faulty_gateway(
    engines: Engines, data: Path, **sections: dict[str, Any]
) -> AsyncGenerator[FaultyGateway]:
    """Run a gateway until the block ends; ``sections`` are additional settings."""
    async with (
        Proxy(of_postgres(engines.postgres.app_dsn)) as postgres,
        Proxy(of_redis(engines.valkey.url)) as redis,
        Proxy(of_http(engines.objects.url)) as objects,
    ):
        given: dict[str, dict[str, Any]] = {
            "server": {"host": "127.0.0.1", "port": 0},
            "database": {
                "url": postgres_by(postgres, engines.postgres.app_dsn),
                "owner_url": engines.postgres.owner_dsn,
            },
            "redis": {"url": redis_by(redis, engines.valkey.url)},
            "objects": at_store(engines.objects, http_by(objects, engines.objects.url)),
            "stripe": NO_STRIPE,
            "proof": {"key": "07" * 32},  # all gateways share one log
            "credits": {"starter": f"{STARTER:g}"},
        }
        settings = settings_for_tests(**{**given, **sections})
        application = build(attrs.evolve(settings, data=str(data)))
        async with serving(application):
            gateway = FaultyGateway(application, postgres, redis, objects)
            yield gateway
            await gateway.mend()


@asynccontextmanager
async def serving(application: Application) -> AsyncGenerator[None]:
    await application.root.start()
    try:
        yield
    finally:
        await application.root.stop()
        await application.close()


def at_store(endpoint: ObjectsEndpoint, url: str) -> dict[str, Any]:
    return {
        "url": url,
        "access_key": endpoint.access_key,
        "secret_key": endpoint.secret_key,
        "bucket": endpoint.bucket,
    }
