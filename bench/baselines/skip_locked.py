"""Baseline: a job queue with a ledger, whose connections claim jobs by SKIP LOCKED.

The queue has two forms: one SQL function for each step of a job's life (``skip_locked.sql``), the
fastest form of such a queue, and interactive transactions, as most queues are written.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import asyncpg

CREATORS, OPERATORS, PRICE = 1_000, 20, 10_000
SHARDS_MOST = 16  # accounts of the platform
FIRST_OPERATOR, FIRST_PLATFORM = 1_000_000, 2_000_000
ENDED_JOBS = 20_000  # PostgreSQL makes other plans for an empty table
ACCOUNTS = """
INSERT INTO skip_locked.accounts (id, balance)
SELECT n, 1000000000000 FROM generate_series(0, $1::bigint - 1) AS n
UNION ALL SELECT $2 + n, 0 FROM generate_series(0, $3::bigint - 1) AS n
UNION ALL SELECT $4 + n, 0 FROM generate_series(0, $5::bigint - 1) AS n
"""
ENDED = """
INSERT INTO skip_locked.jobs (id, account, job_type, payload_ref, status, price, completed_at)
SELECT gen_random_uuid(), n % $2, 'cpu_benchmark', 's3://elsewhere/x', 'COMPLETED', $3, now()
FROM generate_series(1, $1::bigint) AS n
"""


CLAIM = "SELECT id, attempt FROM skip_locked.claim($1)"
HOLD = """
UPDATE skip_locked.accounts SET held = held + $2 WHERE id = $1 AND balance - held >= $2
RETURNING id
"""
INSERT_JOB = """
INSERT INTO skip_locked.jobs (id, account, job_type, payload_ref, status, price)
VALUES ($1, $2, 'cpu_benchmark', 's3://elsewhere/input/scene.blend', 'QUEUED', $3)
"""
INSERT_HOLD = "INSERT INTO skip_locked.holds (job, account, amount) VALUES ($1, $2, $3)"
COMPLETE = """
UPDATE skip_locked.jobs SET status = 'COMPLETED', result_ref = $3, completed_at = now()
WHERE id = $1 AND attempt = $2 AND status = 'DISPATCHED' RETURNING account, price
"""
CLOSE_HOLD = "UPDATE skip_locked.holds SET state = 'SETTLED' WHERE job = $1 AND state = 'OPEN'"
TRANSFER = """
INSERT INTO skip_locked.transfers (debit, credit, amount, kind, reference)
VALUES ($1, $2, $3, $4, $5) RETURNING id
"""
MOVE = """
UPDATE skip_locked.accounts SET balance = balance + $2, held = held + $3, version = version + 1
WHERE id = $1 RETURNING balance, version
"""
ENTER = """
INSERT INTO skip_locked.entries (transfer_id, account, version, amount, after)
VALUES ($1, $2, $3, $4, $5)
"""


class SkipLocked:
    """A queue with SKIP LOCKED; ``shards`` is the number of accounts that share the revenue."""

    def __init__(self, connections: list[Any], shards: int) -> None:
        self._connections = connections
        self._shards = shards

    @classmethod
    @asynccontextmanager
    async def over(cls, dsn: str, connections: int, shards: int) -> AsyncGenerator[Self]:
        """Open this number of connections to a database that ``prepare`` has filled."""
        opened = [await asyncpg.connect(dsn) for _ in range(connections)]
        try:
            yield cls(opened, shards)
        finally:
            for connection in opened:
                await connection.close()

    async def run(self, seconds: float) -> tuple[int, float]:
        """Run whole lives of jobs on each connection; return their number and the seconds taken."""
        start = time.perf_counter()
        lives = (self._work(n, start + seconds) for n in range(len(self._connections)))
        done = sum(await asyncio.gather(*lives))
        return done, time.perf_counter() - start

    async def _work(self, number: int, until: float) -> int:
        connection, done = self._connections[number], 0
        operator = FIRST_OPERATOR + number % OPERATORS
        while time.perf_counter() < until:
            creator = (done * len(self._connections) + number) % CREATORS
            await self.submit(connection, creator)
            while (job := await connection.fetchrow(CLAIM, number)) is None:
                pass  # other connections have claimed or locked all queued jobs
            await self.settle(connection, job, operator, FIRST_PLATFORM + done % self._shards)
            done += 1
        return done

    async def submit(self, connection: Any, creator: int) -> None:
        query = "SELECT skip_locked.submit($1, $2, $3)"
        assert await connection.fetchval(query, uuid4(), creator, PRICE)

    async def settle(self, connection: Any, job: Any, operator: int, platform: int) -> None:
        query = "SELECT skip_locked.settle($1, $2, $3, $4, $5)"
        arguments = (job["id"], job["attempt"], f"s3://elsewhere/{job['id']}")
        assert await connection.fetchval(query, *arguments, operator, platform)


class Interactive(SkipLocked):
    """A queue with SKIP LOCKED that uses interactive transactions of several statements."""

    async def submit(self, connection: Any, creator: int) -> None:
        job = uuid4()
        async with connection.transaction():
            assert await connection.fetchval(HOLD, creator, PRICE) == creator
            await connection.execute(INSERT_JOB, job, creator, PRICE)
            await connection.execute(INSERT_HOLD, job, creator, PRICE)

    async def settle(self, connection: Any, job: Any, operator: int, platform: int) -> None:
        async with connection.transaction():
            place = f"s3://elsewhere/{job['id']}"
            done = await connection.fetchrow(COMPLETE, job["id"], job["attempt"], place)
            assert done is not None
            await connection.execute(CLOSE_HOLD, job["id"])
            creator, price = done["account"], done["price"]
            share = price * 70 // 100
            charge = await connection.fetchval(
                TRANSFER, creator, platform, price, "USAGE", job["id"]
            )
            pay = await connection.fetchval(
                TRANSFER, platform, operator, share, "EARNING", job["id"]
            )
            await self._enter(connection, charge, creator, -price, -price)
            await self._enter(connection, pay, operator, share, 0)
            await self._enter(connection, charge, platform, price, 0)
            await self._enter(connection, pay, platform, -share, 0)

    async def _enter(
        self, connection: Any, transfer: int, account: int, amount: int, held: int
    ) -> None:
        row = await connection.fetchrow(MOVE, account, amount, held)
        version, after = row["version"], row["balance"]
        await connection.execute(ENTER, transfer, account, version, amount, after)


async def prepare(dsn: str) -> None:
    """Create the baseline's tables, with accounts and ended jobs; ``dsn`` is the owner's."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(Path(__file__).with_suffix(".sql").read_text())
    counts = (CREATORS, FIRST_OPERATOR, OPERATORS, FIRST_PLATFORM, SHARDS_MOST)
    await connection.execute(ACCOUNTS, *counts)
    await connection.execute(ENDED, ENDED_JOBS, CREATORS, PRICE)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
