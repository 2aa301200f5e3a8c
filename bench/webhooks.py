"""How many deliveries a second the Courier tells to receivers on this machine.

    BENCH_OWNER_DSN=… BENCH_DSN=… python -m bench.webhooks [--endpoints 10] [--deliveries 5000]

The database is migrated and empty. What is to be told stands in it already: the figure is of
claiming, signing, sending over HTTP and writing down what became of it, by one Courier.
"""

import argparse
import asyncio
import os
import secrets
import time
from uuid import uuid4

import asyncpg
from aiohttp import web

from actors.courier.actor import CourierActor
from actors.courier.messages import Courier
from actors.kernel import Ref
from sql.database import Database
from sql.deliveries import Deliveries
from supervisors.child import Child
from supervisors.engines.post import HttpPost
from supervisors.engines.system import SystemClock, SystemRandom
from supervisors.intensity import Intensity
from supervisors.strategy import Strategy
from supervisors.supervisor import Supervisor

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
    """Answers 204, and counts."""

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


async def main(endpoints: int, deliveries: int) -> None:
    receiver = Receiver(deliveries // endpoints * endpoints)
    runner, url = await listening(receiver)
    owner = await asyncpg.connect(os.environ["BENCH_OWNER_DSN"])
    written = (uuid4(), url, secrets.token_bytes(32), endpoints, uuid4(), deliveries)
    await owner.execute(WRITTEN, *written)
    pool, post = Database(lambda: os.environ["BENCH_DSN"]), HttpPost(private=True)
    told = Deliveries(pool)

    def make() -> CourierActor:
        return CourierActor(post, told, SystemClock(), SystemRandom())

    child = Child("courier", make, ref=Ref[Courier]("courier"))
    tree = Supervisor("Tree", Strategy.ONE_FOR_ONE, Intensity(), [child])
    began = time.monotonic()
    await tree.start()
    async with asyncio.timeout(600):
        await receiver.done.wait()
    took = time.monotonic() - began
    await tree.stop()
    print(f"{receiver.taken} deliveries to {endpoints} endpoints in {took:.1f} s:", end=" ")
    print(f"{receiver.taken / took:.0f} a second")
    await post.close()
    await pool.close()
    await owner.close()
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--deliveries", type=int, default=5_000)
    given = parser.parse_args()
    asyncio.run(main(given.endpoints, given.deliveries))
