"""Baseline: a ledger that writes transfers one by one over a pool of connections.

The ledger has two forms: one SQL function per transfer (``double_entry.sql``), and an interactive
transaction per transfer, as most ledgers are written. Both insert the transfer before they lock
accounts, lock the platform's account last, and need as few round trips as possible.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncpg

T = TypeVar("T")
FIRST_PLATFORM, PLATFORMS = 2_000_000, 16
WORDS = "Job execution: render"
ACCOUNTS = """
INSERT INTO double_entry.accounts (id, name, balance, may_overdraw)
SELECT n, 'user:' || gen_random_uuid(), $2::bigint, false FROM generate_series(0, $1::bigint - 1) n
UNION ALL SELECT $3 + n, 'platform:' || n, 0, true FROM generate_series(0, $4::bigint - 1) n
"""
# Filled first, because PostgreSQL makes other plans for empty tables than for full ones.
EARLIER = """
SELECT count(double_entry.post(n % $2, $3, 1, 'ADJUSTMENT', 'earlier:' || n, ''))
FROM generate_series(1, $1::bigint) n
"""
# Only the baseline's tables; the Ledger's tables are analysed once they have been filled.
VACUUM = """
VACUUM ANALYZE double_entry.accounts, double_entry.transfers, double_entry.entries,
               double_entry.holds
"""
UNSOUND = """
SELECT count(*) FROM double_entry.accounts a
LEFT JOIN (SELECT account_id, sum(amount) AS moved, count(*) AS entries
           FROM double_entry.entries GROUP BY account_id) e ON e.account_id = a.id
WHERE a.version <> coalesce(e.entries, 0) OR a.held <> 0
   OR a.balance <> coalesce(e.moved, 0) + CASE WHEN a.may_overdraw THEN 0 ELSE $1::bigint END
"""

TRANSFER = """
INSERT INTO double_entry.transfers (debit, credit, subject, amount, kind, reference, description)
VALUES ($1, $2, $1, $3, $4, $5, $6) ON CONFLICT (subject, kind, reference) DO NOTHING RETURNING id
"""
TAKE = """
UPDATE double_entry.accounts SET balance = balance - $2, held = held - $3, version = version + 1
WHERE id = $1 AND balance - held + $3 >= $2 RETURNING balance, version
"""
GIVE = """
UPDATE double_entry.accounts SET balance = balance + $2, version = version + 1
WHERE id = $1 RETURNING balance, version
"""
ENTER = """
INSERT INTO double_entry.entries (transfer_id, account_id, version, amount, before, after)
VALUES ($1, $2, $3, -$4::bigint, $5::bigint + $4, $5), ($1, $6, $7, $4, $8::bigint - $4, $8)
"""
PLACE = """
INSERT INTO double_entry.holds (account_id, reference, amount) VALUES ($1, $2, $3)
ON CONFLICT (reference) DO NOTHING RETURNING id
"""
HOLD = """
UPDATE double_entry.accounts SET held = held + $2 WHERE id = $1 AND balance - held >= $2
RETURNING id
"""
CLOSE = """
UPDATE double_entry.holds SET state = 'SETTLED', settled = amount, closed_at = now()
WHERE reference = $1 AND state = 'OPEN' RETURNING account_id, amount
"""


class Pool:
    """A pool of connections that is fair, unlike a queue's ``get``: first come, first served."""

    def __init__(self, connections: list[Any]) -> None:
        self._free = connections
        self._waiting: deque[asyncio.Future[Any]] = deque()

    async def lend(self, work: Callable[[Any], Awaitable[T]]) -> T:
        connection = await self._take()
        try:
            return await work(connection)
        finally:
            self._give(connection)

    async def _take(self) -> Any:
        if self._free:
            return self._free.pop()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return await turn

    def _give(self, connection: Any) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(connection)
        else:
            self._free.append(connection)


class Function:
    """A ledger that uses one SQL statement, and so one transaction, per operation."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def over(cls, dsn: str, connections: int) -> AsyncGenerator[Self]:
        """Open this number of connections to a database that ``prepare`` has filled."""
        opened = [await asyncpg.connect(dsn) for _ in range(connections)]
        try:
            yield cls(Pool(list(opened)))
        finally:
            for connection in opened:
                await connection.close()

    async def post(self, payer: int, platform: int, reference: str) -> None:
        """Transfer an amount of 1 from a user to an account of the platform."""
        query = "SELECT double_entry.post($1, $2, 1, 'DEDUCTION', $3, $4)"
        arguments = (payer, FIRST_PLATFORM + platform, reference, WORDS)
        assert await self._pool.lend(lambda c: c.fetchval(query, *arguments))

    async def place(self, payer: int, reference: str) -> None:
        """Hold an amount of 1 of a user's balance."""
        query = "SELECT double_entry.place($1, 1, $2)"
        assert await self._pool.lend(lambda c: c.fetchval(query, payer, reference))

    async def settle(self, reference: str, platform: int) -> None:
        """Settle the hold in favour of an account of the platform."""
        query = "SELECT double_entry.settle($1, $2, $3)"
        arguments = (reference, FIRST_PLATFORM + platform, WORDS)
        assert await self._pool.lend(lambda c: c.fetchval(query, *arguments))


class Interactive(Function):
    """A ledger that uses one interactive transaction of several statements per operation."""

    async def post(self, payer: int, platform: int, reference: str) -> None:
        await self._pool.lend(lambda c: post(c, payer, FIRST_PLATFORM + platform, reference))

    async def place(self, payer: int, reference: str) -> None:
        await self._pool.lend(lambda c: _place(c, payer, reference))

    async def settle(self, reference: str, platform: int) -> None:
        await self._pool.lend(lambda c: _settle(c, reference, FIRST_PLATFORM + platform))


async def post(connection: Any, payer: int, platform: int, reference: str) -> int | None:
    """Transfer an amount of 1; return the payer's balance, or None if the reference was posted."""
    async with connection.transaction():
        values = (payer, platform, 1, "DEDUCTION", reference, WORDS)
        moved = await connection.fetchval(TRANSFER, *values)
        return None if moved is None else await _move(connection, moved, payer, platform, (1, 0))


async def _place(connection: Any, payer: int, reference: str) -> None:
    async with connection.transaction():
        if await connection.fetchval(PLACE, payer, reference, 1) is not None:
            assert await connection.fetchval(HOLD, payer, 1) == payer


async def _settle(connection: Any, reference: str, platform: int) -> None:
    async with connection.transaction():
        hold = await connection.fetchrow(CLOSE, reference)
        assert hold is not None
        payer, amount = hold["account_id"], hold["amount"]
        values = (payer, platform, amount, "USAGE", reference, WORDS)
        moved = await connection.fetchval(TRANSFER, *values)
        await _move(connection, moved, payer, platform, (amount, amount))


async def _move(
    connection: Any, moved: int, payer: int, platform: int, amounts: tuple[int, int]
) -> int:
    """Move credits between two accounts; return the payer's balance.

    ``amounts`` is the amount and the held part of it.
    """
    amount, held = amounts
    payers = await connection.fetchrow(TAKE, payer, amount, held)
    assert payers is not None, "insufficient credits"
    platforms = await connection.fetchrow(GIVE, platform, amount)
    before = (payer, payers["version"], amount, payers["balance"])
    after = (platform, platforms["version"], platforms["balance"])
    await connection.execute(ENTER, moved, *before, *after)
    return int(payers["balance"])


async def prepare(dsn: str, people: int, units: int, earlier: int) -> None:
    """Create the baseline's tables as the schema's owner; each user has a balance of ``units``."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(Path(__file__).with_suffix(".sql").read_text())
    await connection.execute(ACCOUNTS, people, units, FIRST_PLATFORM, PLATFORMS)
    await connection.execute(EARLIER, earlier, people, FIRST_PLATFORM)
    await connection.execute(VACUUM)
    await connection.close()


async def check(dsn: str, units: int) -> None:
    """Check that every balance equals the sum of its entries."""
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval(UNSOUND, units) == 0
    assert await connection.fetchval("SELECT sum(amount) FROM double_entry.entries") == 0
    await connection.close()
