"""Webhook deliveries per second from the Courier to receivers on this machine.

    python -m bench.webhooks [--endpoints 10] [--deliveries 5000]

The benchmark runs on a separate embedded PostgreSQL, which has the deliveries already. The figure
covers one Courier's work: claiming, signing, sending over HTTP and recording the outcome.
"""

import argparse
import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
from aiohttp import web

from actors.courier.actor import CourierActor
from actors.courier.messages import Courier
from actors.kernel import Ref
from sql.database import Database
from sql.migrate import migrate
from sql.webhooks import Deliveries
from supervisors.child import Child
from supervisors.engines.engine_account import engine_account
from supervisors.engines.postgres import EmbeddedPostgres, PostgresEndpoint
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.engines.webhook_http import HttpPost
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.engines import engine_folder

WRITTEN = """
WITH someone AS (
    INSERT INTO users (id, email, name, password_hash)
    VALUES ($1, $1::uuid::text || '@example.org', 'Bench', 'none')
), places AS (
    INSERT INTO endpoints (id, user_id, url, types, secret, created_at)
    SELECT gen_random_uuid(), $1, $2, ARRAY['job.*'], $3, now() FROM generate_series(1, $4::integer)
    RETURNING id
), happened AS (
    INSERT INTO job_events (job_id, number, state)
    SELECT $5, n, 'RUNNING' FROM generate_series(1, $6::integer / $4) n RETURNING number
)
INSERT INTO deliveries (endpoint_id, job_id, number, type)
SELECT p.id, $5, h.number, 'job.running' FROM places p CROSS JOIN happened h
"""


class Receiver:
    """A webhook receiver that answers 204 and counts deliveries."""

    def __init__(self, awaited: int) -> None:
        self.taken, self._awaited, self.done = 0, awaited, asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        await request.read()
        self.taken += 1
        if self.taken >= self._awaited:
            self.done.set()
        return web.Response(status=204)


async def listening(receiver: Receiver) -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}/"


@asynccontextmanager
async def filled_database(endpoint: PostgresEndpoint, *given: object) -> AsyncGenerator[Database]:
    """Fill a database with deliveries and endpoints."""
    await migrate(endpoint.owner_dsn)
    owner = await asyncpg.connect(endpoint.owner_dsn)
    await owner.execute(WRITTEN, *given)
    await owner.close()
    database = Database(lambda: endpoint.app_dsn)
    yield database
    await database.close()


async def seconds_to_deliver(database: Database, receiver: Receiver) -> float:
    """Return the seconds until the receiver has all deliveries."""
    post = HttpPost(private=True)

    def make() -> CourierActor:
        return CourierActor(post, Deliveries(database), SystemClock(), SystemRandom())

    child = Child("courier", make, ref=Ref[Courier]("courier"))
    tree = Supervisor("Tree", Strategy.ONE_FOR_ONE, Intensity(), [child])
    began = time.monotonic()
    await tree.start()
    async with asyncio.timeout(600):
        await receiver.done.wait()
    took = time.monotonic() - began
    await tree.stop()
    await post.close()
    return took


async def main(endpoints: int, deliveries: int) -> None:
    receiver = Receiver(deliveries // endpoints * endpoints)
    runner, url = await listening(receiver)
    given = (uuid4(), url, secrets.token_bytes(32), endpoints, uuid4(), deliveries)
    with engine_folder() as folder:
        engine = EmbeddedPostgres(folder / "data", account=engine_account())
        try:
            async with filled_database(await engine.start(), *given) as database:
                took = await seconds_to_deliver(database, receiver)
        finally:
            await engine.stop()
    print(f"{receiver.taken} deliveries to {endpoints} endpoints in {took:.1f} s:", end=" ")
    print(f"{receiver.taken / took:.0f} a second")
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--deliveries", type=int, default=5_000)
    given = parser.parse_args()
    asyncio.run(main(given.endpoints, given.deliveries))
