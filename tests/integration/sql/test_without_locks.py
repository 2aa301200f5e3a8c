"""Batches that are read without locks: a row that another transaction has changed meanwhile is
never overwritten, and a batch takes two round trips; or one, if its accounts are remembered.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.kernel import Ref
from actors.ledger.actor import LedgerActor
from actors.ledger.effects import Transfer, UnitAssign, UnitComplete, UnitStart
from actors.ledger.messages import Commit, InsufficientCredits, Ledger, Outcome, Posted, Replayed
from sql.account_names import ADJUSTMENTS, user_account
from sql.books import Changes, Keys, ReadBooks, Rows
from sql.database import Database
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from tests.faults.place import of_postgres, postgres_by
from tests.faults.proxy import Proxy
from tests.integration.conformance.stage import Stage, dispatch, fresh_id, grant
from tests.integration.sql.ledgers import ask_ledger, running_ledger
from tests.support.databases import connected
from tests.support.until import until
from tests.twins.clock import TwinClock
from tests.twins.random import TwinRandom

STATEMENT_ENDS = b"Z\x00\x00\x00\x05"  # ReadyForQuery


@attrs.define
class RacingStore:
    """A store in which ``race`` happens after each read without locks, before its write."""

    store: SqlStore
    race: Any
    reads: int = 0

    async def read_books(
        self, keys: Keys, shard: int, *, from_database: bool = False
    ) -> ReadBooks | None:
        found = await self.store.read_books(keys, shard, from_database=True)
        return None if found is None else Racing(found, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@attrs.frozen
class Racing:
    books: ReadBooks
    of: RacingStore

    @property
    def rows(self) -> Rows:
        return self.books.rows

    @property
    def is_remembered(self) -> bool:
        return self.books.is_remembered

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        self.of.reads += 1
        await self.of.race()
        return await self.books.write(changes)


@pytest.fixture
async def owner(database: PostgresEndpoint) -> AsyncIterator[Any]:
    async with connected(database.owner_dsn) as connection:
        yield connection


async def commit_in_race(stage: Stage, commit: Commit, race: Any) -> Outcome:
    """Commit while ``race`` happens between the read without locks and its write."""
    assert isinstance(stage.store, SqlStore)
    store: Any = RacingStore(stage.store, race)
    (outcome,) = await LedgerActor(store, TwinClock(), TwinRandom()).commit([commit])
    assert store.reads == 1
    return outcome


def spend(user: UUID, units: int, reference: str) -> Commit:
    account = user_account(user)
    return Commit((Transfer(account, ADJUSTMENTS, account, units, "DEDUCTION", reference),))


async def test_what_another_gateway_spends_meanwhile_is_not_spent_twice(stage: Stage) -> None:
    user = await stage.user(100)

    async def race() -> None:
        assert isinstance((await stage.commit(spend(user, 70, "there")))[0], Posted)

    outcome = await commit_in_race(stage, spend(user, 70, "here"), race)
    assert outcome == InsufficientCredits(available=30, requested=70)
    assert await stage.of_user(user) == (30, 0)
    assert await stage.store.audit() == []


async def test_the_same_commit_by_another_gateway_meanwhile_is_booked_once(stage: Stage) -> None:
    user = await stage.user(100)
    order = spend(user, 70, "the same")

    async def race() -> None:
        assert isinstance((await stage.commit(order))[0], Posted)

    assert isinstance(await commit_in_race(stage, order, race), Replayed)
    assert await stage.of_user(user) == (30, 0)
    assert await stage.store.audit() == []


async def test_a_change_that_is_committed_while_the_write_waits_is_seen(
    stage: Stage, owner: Any
) -> None:
    """The write has begun, and waits for the lock of another transaction, which then commits."""
    user = await stage.user(100)
    name = user_account(user)
    await owner.execute("BEGIN")
    await owner.execute("UPDATE accounts SET held = held WHERE name = $1", name)
    waiting = asyncio.ensure_future(commit_in_race(stage, spend(user, 70, "x"), _nothing))
    await _until_waiting(owner)
    await owner.execute("COMMIT")
    assert isinstance(await waiting, Posted)
    assert await stage.of_user(user) == (30, 0)
    assert await stage.store.audit() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE jobs SET priority = 1 WHERE id = $1",
        "UPDATE units SET unsent = unsent + 1 WHERE job_id = $1",
        "UPDATE holds SET created_at = created_at WHERE reference = 'job:' || $1 || ':0'",
    ],
)
async def test_a_job_unit_or_hold_that_changes_meanwhile_is_read_again(
    stage: Stage, owner: Any, change: str
) -> None:
    _, node, job = await stage.dispatched()

    async def race() -> None:
        await owner.execute(change.replace("$1", f"'{job}'"))

    work = (UnitStart(job, 0, 1, node), UnitComplete(job, 0, 1, node, None))
    assert isinstance(await commit_in_race(stage, Commit(effects=work), race), Posted)
    row = await owner.fetchrow(
        "SELECT j.priority, u.unsent, u.state FROM jobs j JOIN units u ON u.job_id = j.id"
        " WHERE j.id = $1",
        job,
    )
    kept = (row["priority"], row["unsent"])
    assert kept == ((1, 0) if "jobs" in change else (0, 1) if "units" in change else (0, 0))
    assert row["state"] == "COMPLETED"


async def test_a_row_that_was_read_and_not_written_must_be_as_it_was(
    stage: Stage, owner: Any
) -> None:
    """The second commit is refused because of the balance that it read; the first is written."""
    rich, poor = await stage.user(100), await stage.user(1)
    assert isinstance(stage.store, SqlStore)

    async def race() -> None:
        await stage.commit(Commit((grant(poor, 100, "just now"),)))

    store: Any = RacingStore(stage.store, race)
    orders = [spend(rich, 5, "a"), spend(poor, 50, "b")]
    outcomes = await LedgerActor(store, TwinClock(), TwinRandom()).commit(orders)
    assert [type(outcome) for outcome in outcomes] == [Posted, Posted]
    assert await stage.of_user(poor) == (51, 0)


async def test_two_gateways_that_write_for_the_same_people_lose_nothing(
    stage: Stage, database: PostgresEndpoint
) -> None:
    people = [await stage.user(10_000) for _ in range(4)]
    pools = [Database(lambda: database.app_dsn) for _ in range(2)]
    async with running_ledger(pools[0]) as here, running_ledger(pools[1]) as there:

        async def work(ledger: Ref[Ledger], name: str) -> None:
            for number in range(25):
                orders = [spend(user, 1, f"{name}:{number}") for user in people]
                outcomes = await asyncio.gather(*(ask_ledger(ledger, each) for each in orders))
                assert {type(outcome) for outcome in outcomes} == {Posted}

        await asyncio.gather(
            *(
                work(ledger, f"{name}{n}")
                for n in range(3)
                for ledger, name in ((here, "h"), (there, "t"))
            )
        )
    for pool in pools:
        await pool.close()
    for user in people:
        assert await stage.of_user(user) == (10_000 - 2 * 3 * 25, 0)
    assert await stage.store.audit() == []


async def test_a_batch_of_one_takes_two_round_trips_or_one(
    database: PostgresEndpoint, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statements were prepared by earlier batches, which the accounts are known from.

    Halts are read once here, and otherwise each second.
    """
    monkeypatch.setattr("sql.halts.FRESH_SECONDS", 60.0)
    user, node = await stage.user(1000), await stage.node()

    def life(number: int) -> list[Commit]:
        job = fresh_id()
        return [
            spend(user, 1, f"{number}"),
            dispatch(user, job, 3),
            Commit((), (UnitAssign(job, 0, 1, node),)),
            Commit((), (UnitStart(job, 0, 1, node),)),
            Commit((), (UnitComplete(job, 0, 1, node, None),)),
        ]

    async with Proxy(of_postgres(database.app_dsn)) as proxy:
        pool = Database(lambda: postgres_by(proxy, database.app_dsn), connections=1)
        async with running_ledger(pool) as ledger:
            counted = proxy.watch(STATEMENT_ENDS, back=True)
            trips: list[int] = []
            for order in (*life(1), *life(2)):
                before = counted.sprung
                assert isinstance(await ask_ledger(ledger, order), Posted)
                trips.append(counted.sprung - before)
        await pool.close()
    assert trips[5:] == [1, 1, 2, 2, 2]
    assert await stage.store.audit() == []


@attrs.define
class ForesightStore:
    """A store that counts batches, and those whose rows were foreseen."""

    store: SqlStore
    foreseen: int = 0
    read: int = 0

    async def foresee_books(self, *args: Any) -> ReadBooks | None:
        found = await self.store.foresee_books(*args)
        self.foreseen += found is not None
        return found

    async def read_books(self, *args: Any, **kwargs: Any) -> ReadBooks | None:
        self.read += 1
        return await self.store.read_books(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


async def test_batches_that_are_decided_ahead_take_one_round_trip_each(
    database: PostgresEndpoint, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is decided twice, so each was decided on the rows as the batch before left them."""
    monkeypatch.setattr("sql.halts.FRESH_SECONDS", 60.0)
    users = [await stage.user(1_000) for _ in range(5)]
    async with Proxy(of_postgres(database.app_dsn)) as proxy:
        pool = Database(lambda: postgres_by(proxy, database.app_dsn), connections=1)
        store = ForesightStore(SqlStore(pool))
        async with running_ledger(pool, store) as ledger:
            for user in users:
                for number in range(2):
                    await ask_ledger(ledger, spend(user, 1, f"warm {number}"))
            counted = proxy.watch(STATEMENT_ENDS, back=True)
            before, store.read = counted.sprung, 0

            async def work(user: UUID, worker: int) -> None:
                for number in range(10):
                    outcome = await ask_ledger(ledger, spend(user, 1, f"{worker}:{number}"))
                    assert isinstance(outcome, Posted)

            await asyncio.gather(*(work(user, n) for user in users for n in range(40)))
            trips = counted.sprung - before
        await pool.close()
    assert store.foreseen > 5
    assert trips == store.foreseen + store.read
    for user in users:
        assert await stage.of_user(user) == (1_000 - 2 - 400, 0)
    assert await stage.store.audit() == []


async def test_a_remembered_account_that_another_gateway_has_changed_is_read_again(
    stage: Stage, database: PostgresEndpoint
) -> None:
    user = await stage.user(100)
    pools = [Database(lambda: database.app_dsn) for _ in range(2)]
    async with running_ledger(pools[0]) as here, running_ledger(pools[1]) as there:
        assert isinstance(await ask_ledger(here, spend(user, 10, "first")), Posted)
        assert isinstance(await ask_ledger(there, spend(user, 60, "there")), Posted)
        # Here 90 is remembered: enough for either, but 30 is left.
        short = InsufficientCredits(available=30, requested=70)
        assert await ask_ledger(here, spend(user, 70, "much")) == short
        assert await ask_ledger(here, dispatch(user, fresh_id(), 70)) == short
        assert isinstance(await ask_ledger(here, spend(user, 20, "second")), Posted)
        gift = Commit((grant(user, 1_000, "a gift"),))
        assert isinstance(await ask_ledger(there, gift), Posted)
        # Here 10 is remembered: too little, but there is more.
        assert isinstance(await ask_ledger(here, spend(user, 500, "third")), Posted)
    for pool in pools:
        await pool.close()
    assert await stage.of_user(user) == (510, 0)
    assert await stage.store.audit() == []


async def test_what_was_done_before_is_not_done_again_with_remembered_accounts(
    stage: Stage, database: PostgresEndpoint
) -> None:
    user, job = await stage.user(100), fresh_id()
    pool = Database(lambda: database.app_dsn)
    orders = (spend(user, 10, "first"), dispatch(user, job, 30))
    async with running_ledger(pool) as ledger:
        for kind in (Posted, Replayed, Replayed):
            for order in orders:
                assert isinstance(await ask_ledger(ledger, order), kind)
    await pool.close()
    assert await stage.of_user(user) == (90, 30)
    assert await stage.store.audit() == []


async def _nothing() -> None: ...


async def _until_waiting(owner: Any) -> None:
    async def waits() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(await owner.fetchval(query))

    await until(waits)
