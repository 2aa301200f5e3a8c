"""A bank test: 64 users move money at two gateways, and every reader sees the same total."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from actors.kernel import Ref
from actors.ledger.actor import LedgerActor
from actors.ledger.effects import JobCancel, Transfer
from actors.ledger.messages import Commit, InsufficientCredits, Ledger, Posted
from sql.account_names import user_account
from sql.credits import Credits
from sql.database import Database
from sql.fsck import run_fsck
from sql.store import SqlStore
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import fresh_id, insert

WRITERS, ORDERS, PEOPLE, EACH = 64, 60, 12, 100_000
TOTAL = PEOPLE * EACH
LOOKS = ("balances", "snapshots", "totals", "audits")
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
BALANCE_AND_NEWEST = """
SELECT a.balance, (SELECT e.after FROM entries e WHERE e.account_id = a.id
                   ORDER BY e.version DESC LIMIT 1) AS newest
FROM accounts a WHERE a.name = $1
"""


@asynccontextmanager
async def gateways(
    endpoint: PostgresEndpoint,
) -> AsyncGenerator[list[tuple[Database, Ref[Ledger]]]]:
    """Run two gateways: each yields its own connection pool and its own Ledger."""
    pools = [Database(lambda: endpoint.app_dsn) for _ in range(2)]
    children = [
        Child(f"ledger {number}", lambda pool=pool: ledger(pool))  # type: ignore[misc]
        for number, pool in enumerate(pools)
    ]
    root = Supervisor("Books", Strategy.ONE_FOR_ONE, Intensity(1, 60), children)
    await root.start()
    try:
        yield [(pool, child.ref) for pool, child in zip(pools, children, strict=True)]
    finally:
        await root.stop()
        for pool in pools:
            await pool.close()


def ledger(pool: Database) -> LedgerActor:
    return LedgerActor(SqlStore(pool), SystemClock(), SystemRandom())


class Bank:
    """Writers and readers of a bank with a fixed total; ``outcomes`` counts commits, ``looks``
    counts reads.
    """

    def __init__(self, people: Sequence[UUID]) -> None:
        self.people = people
        self.outcomes: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        self.open = True

    @property
    def was_watched(self) -> bool:
        """Whether each reader has read at least five times, however slow the writers make it."""
        return all(self.looks[kind] >= 5 for kind in LOOKS)

    # ── who moves money ──────────────────────────────────────────────────────────────────────────

    async def write(self, ref: Ref[Ledger], seed: int) -> None:
        """Send random transfers, and jobs that are cancelled; some exceed the account's balance."""
        chance = random.Random(seed)
        for _ in range(ORDERS):
            user, other_user = chance.sample(self.people, 2)
            amount = chance.choice([1, 700, 30_000, 2 * TOTAL])
            if chance.random() < 0.2:
                job = fresh_id()
                if await self.done(ref, Commit((), (insert(user, job, amount),))):
                    assert await self.done(ref, Commit((), (JobCancel(job, user),)))
            else:
                one, other = user_account(user), user_account(other_user)
                move = Transfer(one, other, one, amount, "ADJUSTMENT", f"bank:{fresh_id()}")
                await self.done(ref, Commit((move,)))

    async def done(self, ref: Ref[Ledger], order: Commit) -> bool:
        outcome = await ref.ask(order, within=60)
        self.outcomes[type(outcome).__name__] += 1
        assert isinstance(outcome, Posted | InsufficientCredits), outcome
        return isinstance(outcome, Posted)

    # ── readers ──────────────────────────────────────────────────────────────────────────────────

    async def all_at_once(self, pool: Database) -> None:
        """Read the balances of all users in one query, as ``GET /credits/balance`` does."""
        kept = Credits(pool)
        while self.open:
            rows = await pool.all("balance_of_users", list(self.people))
            assert sum(row["balance"] for row in rows) == TOTAL
            assert all(0 <= row["held"] <= row["balance"] for row in rows)
            one = await kept.balance(self.people[0])
            assert 0 <= one.held <= one.balance <= TOTAL
            self.looks["balances"] += 1

    async def one_by_one(self, pool: Database) -> None:
        """Read account after account in a snapshot, and compare each with its newest entry."""
        while self.open:
            async with (
                pool.connection(within=20.0) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                total = 0
                for person in self.people:
                    row = await connection.fetchrow(BALANCE_AND_NEWEST, user_account(person))
                    assert row is not None
                    assert row["balance"] == row["newest"]
                    total += row["balance"]
                assert total == TOTAL
            self.looks["snapshots"] += 1

    async def everything(self, pool: Database) -> None:
        """Check that all balances and all entries sum to zero."""
        while self.open:
            async with pool.connection(within=20.0) as connection:
                row = await connection.fetchrow(
                    "SELECT (SELECT sum(balance) FROM accounts), (SELECT sum(amount) FROM entries)"
                )
            assert tuple(row or ()) == (0, 0)
            self.looks["totals"] += 1

    async def auditor(self, pool: Database) -> None:
        """Check that an incremental audit finds nothing wrong while money moves."""
        store = SqlStore(pool)
        mark = (await store.audit_since(None)).mark
        while self.open:
            increment = await store.audit_since(mark)
            assert not increment.findings
            mark = increment.mark
            self.looks["audits"] += 1


async def test_readers_see_the_same_total_while_64_writers_move_money(
    database: PostgresEndpoint,
) -> None:
    async with gateways(database) as both:
        pool, _ = both[0]
        stage = sql_stage(pool)
        bank = Bank([await stage.user(EACH) for _ in range(PEOPLE)])
        async with asyncio.TaskGroup() as readers:
            for number, look in enumerate(
                (bank.all_at_once, bank.one_by_one, bank.everything, bank.auditor)
            ):
                readers.create_task(look(both[number % 2][0]))
            try:
                for turn in itertools.count():
                    async with asyncio.TaskGroup() as writers:
                        for number in range(WRITERS):
                            seed = turn * WRITERS + number
                            writers.create_task(bank.write(both[number % 2][1], seed))
                    if bank.was_watched:
                        break
            finally:
                bank.open = False
        everything_was_tried(bank)
        async with pool.connection() as connection:
            assert await run_fsck(connection) == []
            # Writers that lock accounts in one order cannot deadlock.
            assert await connection.fetchval(DEADLOCKS) == 0


def everything_was_tried(bank: Bank) -> None:
    assert bank.outcomes.total() >= WRITERS * ORDERS
    assert bank.outcomes["Posted"] >= 1000
    assert bank.outcomes["InsufficientCredits"] >= 300
    assert bank.was_watched, bank.looks
