"""The Ledger alone under a supervisor, with rich users; and COPY of the rows that it wrote."""

import io
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from uuid import UUID

import asyncpg
import attrs

from actors.kernel import Ref
from actors.ledger.actor import LedgerActor
from actors.ledger.effects import JobInsert, Transfer, UnitAssign, UnitComplete
from actors.ledger.messages import Commit, Ledger, Posted
from rendertrust.job_spec import JobSpec
from sql.account_names import ADJUSTMENTS, user_account
from sql.database import Database
from sql.fsck import run_fsck
from sql.job_plan import JobPlan, NewUnit
from sql.store import SqlStore
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.conformance.conftest import sql_stage

WITHIN_SECONDS: Final = 60.0
ROOM: Final = 4096  # messages in the Ledger's mailbox; a gateway's mailbox is smaller
WORDS: Final = "Job execution: render"
ROWS_OF_TRANSFER: Final = 1
PLAN: Final = JobPlan(JobSpec("cpu_benchmark", "s3://elsewhere/scene"), units=(NewUnit(1),))
BARE: Final = """
DROP SCHEMA IF EXISTS copies CASCADE;
CREATE SCHEMA copies;
CREATE TABLE copies.transfers (LIKE public.transfers);
"""
# A table with the Ledger's columns, checks and indexes; ``REFERRING`` also has foreign keys.
INDEXED: Final = """
DROP SCHEMA IF EXISTS copies CASCADE;
CREATE SCHEMA copies;
CREATE TABLE copies.transfers (LIKE public.transfers INCLUDING ALL);
"""
REFERRING: Final = (
    INDEXED
    + """
ALTER TABLE copies.transfers ADD FOREIGN KEY (debit) REFERENCES accounts,
    ADD FOREIGN KEY (credit) REFERENCES accounts;
"""
)


class Books:
    """The Ledger with the operations of the baselines: ``post``, ``place`` and ``settle``.

    A hold belongs to a unit of a job, so ``place`` inserts a job and ``settle`` completes it, on
    ``node``. The reference of a hold names its job.
    """

    def __init__(self, ledger: Ref[Ledger], people: list[UUID], node: UUID) -> None:
        self._ledger = ledger
        self._people = people
        self._node = node

    async def post(self, payer: int, _: int, reference: str) -> None:
        """Deduct an amount of 1 from a user."""
        account = user_account(self._people[payer])
        deduction = Transfer(account, ADJUSTMENTS, account, 1, "DEDUCTION", reference, WORDS)
        await self._commit(Commit((deduction,)))

    async def place(self, payer: int, reference: str) -> None:
        """Insert a job, which holds an amount of 1 of a user's balance."""
        job = JobInsert(_job_of(reference), self._people[payer], PLAN)
        await self._commit(Commit(effects=(job,)))

    async def settle(self, reference: str, _: int) -> None:
        """Assign and complete the job's unit, which settles the hold."""
        attempt = (_job_of(reference), 0, 1, self._node)
        work = (UnitAssign(*attempt), UnitComplete(*attempt, None))
        await self._commit(Commit(effects=work))

    async def grant(self, units: int) -> None:
        """Grant credits to every user."""
        for account in map(user_account, self._people):
            gift = Transfer(ADJUSTMENTS, account, account, units, "ADJUSTMENT", "gift")
            await self._commit(Commit((gift,)))

    async def _commit(self, commit: Commit) -> None:
        outcome = await self._ledger.ask(commit, within=WITHIN_SECONDS)
        assert isinstance(outcome, Posted), outcome


def _job_of(reference: str) -> UUID:
    return UUID(reference.split(":")[1])


class Pair:
    """Two Ledgers, like those of two gateways; each reference belongs to one of them."""

    def __init__(self, *books: Books) -> None:
        self._books = books

    async def post(self, payer: int, platform: int, reference: str) -> None:
        await self._of(reference).post(payer, platform, reference)

    async def place(self, payer: int, reference: str) -> None:
        await self._of(reference).place(payer, reference)

    async def settle(self, reference: str, platform: int) -> None:
        await self._of(reference).settle(reference, platform)

    def _of(self, reference: str) -> Books:
        return self._books[hash(reference) % len(self._books)]


@asynccontextmanager
async def books(endpoint: PostgresEndpoint, people: int, units: int) -> AsyncGenerator[Books]:
    """Run the Ledger over a migrated database until the block ends."""
    clock, random = SystemClock(), SystemRandom()
    database = Database(lambda: endpoint.app_dsn)
    store = SqlStore(database)
    child = Child("ledger", lambda: LedgerActor(store, clock, random), capacity=ROOM)
    root = Supervisor("books", Strategy.ONE_FOR_ONE, Intensity(0, 1.0), [child])
    stage = sql_stage(database)
    users = [await stage.user() for _ in range(people)]
    found = Books(child.ref, users, await stage.node())
    await root.start()
    try:
        await found.grant(units)
        yield found
    finally:
        await root.stop()
        await database.close()


async def analyse(endpoint: PostgresEndpoint) -> None:
    """Vacuum and analyse now, so that autovacuum does not begin during a run."""
    connection = await asyncpg.connect(endpoint.owner_dsn)
    await connection.execute("VACUUM ANALYZE accounts, transfers, holds, jobs, units")
    await connection.close()


async def check(endpoint: PostgresEndpoint) -> None:
    """Check the invariants with fsck; no hold may be open."""
    connection = await asyncpg.connect(endpoint.owner_dsn)
    findings = await run_fsck(connection)
    await connection.close()
    assert not findings, findings


@attrs.define
class Copy:
    """Transfers in PostgreSQL's binary COPY format."""

    connection: Any
    content: bytes

    @classmethod
    @asynccontextmanager
    async def of(cls, endpoint: PostgresEndpoint, transfers: int) -> AsyncGenerator[Self]:
        """Read the Ledger's first ``transfers`` transfers, and their entries."""
        connection = await asyncpg.connect(endpoint.owner_dsn)
        buffer = io.BytesIO()
        await connection.copy_from_query(
            "SELECT * FROM transfers ORDER BY id LIMIT $1",
            transfers,
            output=buffer,
            format="binary",
        )
        try:
            yield cls(connection, buffer.getvalue())
        finally:
            await connection.close()

    async def write(self, copies: str) -> float:
        """Return the seconds of one transaction that copies all the rows into a new table."""
        await self.connection.execute(copies)
        begun = time.perf_counter()
        await self.connection.copy_to_table(
            "transfers", schema_name="copies", source=io.BytesIO(self.content), format="binary"
        )
        return time.perf_counter() - begun
