"""Rows with numbers of the past or future: the application cannot insert them, and audits find any
that exist.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from sql.fsck import AuditMark
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import Stage
from tests.integration.conformance.test_log import sequencing, wait_until_covered
from tests.support.databases import connected, execute
from tests.support.transfers import insert_transfers
from tests.support.until import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
GAP = 6  # how many numbers a transaction that rolled back had drawn


@pytest.fixture
async def app(database: PostgresEndpoint) -> AsyncIterator[Connection]:
    """Yield a connection with the role of the application."""
    async with connected(database.app_dsn) as connection:
        yield connection


async def draw(connection: Connection, count: int = 1) -> Sequence[int]:
    rows = await connection.fetch(
        f"SELECT nextval('transfers_id_seq') AS n FROM generate_series(1, {count})"
    )
    return [int(row["n"]) for row in rows]


async def make_covered_gap(stage: Stage, connection: Connection) -> int:
    """Return a number of a transfer that nobody used and that the log has passed."""
    await stage.user(100)
    number, *_ = await draw(connection, GAP)
    await stage.user(100)
    async with sequencing(stage):
        await wait_until_covered(stage, 2)
    return number


async def book(connection: Connection, account: str, number: int) -> None:
    """Write a transfer and the balances of both accounts; only its number is wrong."""
    query = (
        f"SELECT {number}, d.id, c.id, c.id, 7, 'ADJUSTMENT', gen_random_uuid()::text, now()"
        f" FROM accounts d, accounts c WHERE d.name = 'payouts' AND c.name = '{account}'"
    )
    await connection.execute(insert_transfers(query, "id"))
    await connection.execute(
        "UPDATE accounts SET version = version + 1,"
        " balance = balance + CASE name WHEN 'payouts' THEN -7 ELSE 7 END"
        " WHERE name IN ('payouts', $1)",
        account,
    )


async def triggers_off(database: PostgresEndpoint) -> None:
    await execute(database.owner_dsn, "ALTER TABLE transfers DISABLE TRIGGER USER")


async def newest_mark(stage: Stage) -> AuditMark:
    """Return an audit mark above everything written, once audits find nothing new."""
    mark = (await stage.store.audit_since(None)).mark

    async def is_nothing() -> bool:
        nonlocal mark
        increment = await stage.store.audit_since(mark)
        mark = increment.mark
        return increment.looked_at == 0

    await until(is_nothing)
    return mark


async def found_since(stage: Stage, mark: AuditMark) -> set[tuple[str, str]]:
    found = (await stage.store.audit_since(mark)).findings
    return {(finding.invariant, finding.subject) for finding in found}


# ── refusals to the application ──────────────────────────────────────────────────────────────────


async def test_a_transfer_below_what_the_log_covers_is_refused(
    stage: Stage, app: Connection
) -> None:
    number = await make_covered_gap(stage, app)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="the log has passed"):
        async with app.transaction():
            await book(app, "disputes", number)
    assert await stage.store.audit() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_head SET covered = covered - 1",
        "UPDATE log_head SET size = size - 1",
        "UPDATE log_head SET covered = 1000000",
    ],
)
async def test_what_the_log_has_passed_is_not_taken_back_nor_made_up(
    stage: Stage, app: Connection, statement: str
) -> None:
    await make_covered_gap(stage, app)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="the log"):
        await app.execute(statement)


async def test_a_number_that_no_sequence_gave_is_refused(stage: Stage, app: Connection) -> None:
    """A number far ahead would make the log skip all transfers that are still to come."""
    await stage.user(100)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="no sequence gave"):
        async with app.transaction():
            await book(app, "disputes", 10**15)


@pytest.mark.parametrize("number", [0, -1])
async def test_numbers_are_above_0(app: Connection, number: int) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        async with app.transaction():
            await book(app, "disputes", number)


@pytest.mark.parametrize("versions", ["0, 9", "9, 0"])
async def test_a_version_below_the_first_is_refused(
    stage: Stage, app: Connection, versions: str
) -> None:
    await stage.user(100)
    with pytest.raises(asyncpg.CheckViolationError):
        await app.execute(
            "INSERT INTO transfers (debit, credit, subject, amount, kind, reference, created_at,"
            " key, debit_version, credit_version, debit_after, credit_after)"
            " SELECT debit, credit, subject, amount, kind, 'x', created_at,"
            f" gen_random_uuid(), {versions}, 0, 0 FROM transfers LIMIT 1"
        )


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_snapshot_of_before_is_no_way_in(
    stage: Stage, app: Connection, isolation: Any
) -> None:
    """An old snapshot does not show how far the log covers now, so the trigger refuses this
    isolation level.
    """
    await stage.user(100)
    [number] = await draw(app)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="read committed"):
        async with app.transaction(isolation=isolation):
            await book(app, "disputes", number)


async def test_a_table_of_ones_own_is_not_asked_instead(stage: Stage, app: Connection) -> None:
    number = await make_covered_gap(stage, app)
    await app.execute("CREATE TEMP TABLE log_head AS SELECT 0::bigint AS covered")
    await app.execute("SET search_path = pg_temp, public")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="the log has passed"):
        async with app.transaction():
            await book(app, "disputes", number)


async def test_when_a_transfer_was_written_is_not_for_the_writer_to_say(app: Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("INSERT INTO transfers (written) VALUES (1)")


async def test_a_gap_that_the_log_has_not_passed_is_nobodys_harm(
    stage: Stage, app: Connection
) -> None:
    await stage.user(100)
    [number] = await draw(app)
    await stage.user(100)
    async with app.transaction():
        await book(app, "disputes", number)
    async with sequencing(stage):
        await wait_until_covered(stage, 3)
    assert await stage.store.audit() == []


# ── audits ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_transfer_below_what_the_log_covers_is_found_within_a_minute(
    stage: Stage, database: PostgresEndpoint, app: Connection
) -> None:
    number = await make_covered_gap(stage, app)
    mark = await newest_mark(stage)
    await triggers_off(database)
    async with app.transaction():
        await book(app, "disputes", number)
    found = await found_since(stage, mark)
    assert found == {("I7", f"transfer {number}")}


async def test_what_is_wrong_with_a_transfer_of_an_old_number_is_found_within_a_minute(
    stage: Stage, database: PostgresEndpoint, app: Connection
) -> None:
    """One account is missing, and the other does not have the balance after the transfer."""
    number = await make_covered_gap(stage, app)
    mark = await newest_mark(stage)
    await triggers_off(database)
    query = (
        f"SELECT {number}, id, 0, id, 7, 'ADJUSTMENT', 'x', now() FROM accounts"
        " WHERE name = 'payouts'"
    )
    await app.execute(insert_transfers(query, "id"))
    found = await found_since(stage, mark)
    assert {("I1", f"transfer {number}"), ("I2", "payouts")} <= found


async def test_who_waits_until_the_log_has_passed_his_number_is_found_within_a_minute(
    stage: Stage, database: PostgresEndpoint, app: Connection
) -> None:
    """The numbers are above what the log covers at the insert, and below it at the commit."""
    await stage.user(100)
    [number] = await draw(app)
    await stage.user(100)
    head = "INSERT INTO log_head VALUES (true, 'log', 0, sha256(''), 0)"
    await execute(database.owner_dsn, head)
    mark = await newest_mark(stage)
    async with app.transaction():
        await book(app, "disputes", number)
        await execute(database.owner_dsn, "UPDATE log_head SET covered = 3")
        mark = (await stage.store.audit_since(mark)).mark
    assert ("I7", f"transfer {number}") in await found_since(stage, mark)
