"""Rows with numbers of the past or future: the application cannot insert them, and audits find any
that exist.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from sql.account_names import user_account
from sql.fsck import AuditMark
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import Stage
from tests.integration.conformance.test_log import sequencing, wait_until_covered
from tests.support.databases import connected, execute
from tests.support.until import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
GAP = 6  # how many numbers a transaction that rolled back had drawn


@pytest.fixture
async def app(database: PostgresEndpoint) -> AsyncIterator[Connection]:
    """Yield a connection with the role of the application."""
    async with connected(database.app_dsn) as connection:
        yield connection


async def draw(connection: Connection, sequence: str, count: int) -> Sequence[int]:
    rows = await connection.fetch(
        f"SELECT nextval('{sequence}') AS n FROM generate_series(1, {count})"
    )
    return [int(row["n"]) for row in rows]


async def make_covered_gap(
    stage: Stage, connection: Connection
) -> tuple[Sequence[int], Sequence[int]]:
    """Return numbers of transfers and entries that nobody used and that the log has passed."""
    await stage.user(100)
    transfers = await draw(connection, "transfers_id_seq", GAP)
    entries = await draw(connection, "entries_entry_id_seq", GAP)
    await stage.user(100)
    async with sequencing(stage):
        await wait_until_covered(stage, 4)
    return transfers, entries


async def book(
    connection: Connection, account: str, transfer: int, entries: Sequence[int], amount: int = 7
) -> None:
    """Write a transfer with two entries and both balances; only its numbers are wrong."""
    await connection.execute(
        "INSERT INTO transfers (id, debit, credit, subject, amount, kind, reference, created_at)"
        " OVERRIDING SYSTEM VALUE SELECT $1, d.id, c.id, c.id, $2, 'ADJUSTMENT',"
        " gen_random_uuid()::text, now() FROM accounts d, accounts c"
        " WHERE d.name = 'payouts' AND c.name = $3",
        *(transfer, amount, account),
    )
    for number, name, moved in zip(entries, ("payouts", account), (-amount, amount), strict=True):
        await connection.execute(
            "WITH a AS (UPDATE accounts SET balance = balance + $4, version = version + 1"
            "           WHERE name = $3 RETURNING *) "
            "INSERT INTO entries (entry_id, id, transfer_id, account_id, version, amount, before,"
            " after, created_at) OVERRIDING SYSTEM VALUE"
            " SELECT $1, gen_random_uuid(), $2, id, version, $4, balance - $4, balance, now()"
            " FROM a",
            *(number, transfer, name, moved),
        )


async def triggers_off(database: PostgresEndpoint) -> None:
    for table in ("entries", "transfers"):
        await execute(database.owner_dsn, f"ALTER TABLE {table} DISABLE TRIGGER USER")


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


async def test_an_entry_below_what_the_log_covers_is_refused(stage: Stage, app: Connection) -> None:
    transfers, entries = await make_covered_gap(stage, app)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="the log has passed"):
        async with app.transaction():
            await book(app, "disputes", transfers[0], entries[:2])
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


@pytest.mark.parametrize("which", ["transfers", "entries"])
async def test_a_number_that_no_sequence_gave_is_refused(
    stage: Stage, app: Connection, which: str
) -> None:
    """A number far ahead would make the log skip all entries that are still to come."""
    await stage.user(100)
    far = [10**15, 10**15 + 1]
    near = await draw(app, "entries_entry_id_seq", 2)
    [transfer] = await draw(app, "transfers_id_seq", 1)
    chosen: Any = (far[0], near) if which == "transfers" else (transfer, far)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="no sequence gave"):
        async with app.transaction():
            await book(app, "disputes", *chosen)


@pytest.mark.parametrize("numbers", [(0, [1_000, 1_001]), (1_000, [0, 1_000]), (1_000, [-1, 1])])
async def test_numbers_are_above_0(app: Connection, numbers: tuple[int, list[int]]) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        async with app.transaction():
            await book(app, "disputes", *numbers)


async def test_a_version_below_the_first_is_refused(stage: Stage, app: Connection) -> None:
    await stage.user(100)
    with pytest.raises(asyncpg.CheckViolationError):
        await app.execute(
            "INSERT INTO entries (id, transfer_id, account_id, version, amount, before, after,"
            " created_at) SELECT gen_random_uuid(), t.id, t.debit, 0, 7, -7, 0, now()"
            " FROM transfers t LIMIT 1"
        )


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_snapshot_of_before_is_no_way_in(
    stage: Stage, app: Connection, isolation: Any
) -> None:
    """An old snapshot does not show how far the log covers now, so the trigger refuses this
    isolation level.
    """
    await stage.user(100)
    numbers = await draw(app, "entries_entry_id_seq", 2)
    [transfer] = await draw(app, "transfers_id_seq", 1)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="read committed"):
        async with app.transaction(isolation=isolation):
            await book(app, "disputes", transfer, numbers)


async def test_a_table_of_ones_own_is_not_asked_instead(stage: Stage, app: Connection) -> None:
    transfers, entries = await make_covered_gap(stage, app)
    await app.execute("CREATE TEMP TABLE log_head AS SELECT 0::bigint AS covered")
    await app.execute("SET search_path = pg_temp, public")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="the log has passed"):
        async with app.transaction():
            await book(app, "disputes", transfers[0], entries[:2])


@pytest.mark.parametrize("table", ["entries", "transfers"])
async def test_when_a_row_was_written_is_not_for_the_writer_to_say(
    app: Connection, table: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(f"INSERT INTO {table} (written) VALUES (1)")


async def test_a_gap_that_the_log_has_not_passed_is_nobodys_harm(
    stage: Stage, app: Connection
) -> None:
    await stage.user(100)
    entries = await draw(app, "entries_entry_id_seq", 2)
    [transfer] = await draw(app, "transfers_id_seq", 1)
    await stage.user(100)
    async with app.transaction():
        await book(app, "disputes", transfer, entries)
    async with sequencing(stage):
        await wait_until_covered(stage, 6)
    assert await stage.store.audit() == []


# ── audits ───────────────────────────────────────────────────────────────────────────────────────


async def test_an_entry_below_what_the_log_covers_is_found_within_a_minute(
    stage: Stage, database: PostgresEndpoint, app: Connection
) -> None:
    transfers, entries = await make_covered_gap(stage, app)
    mark = await newest_mark(stage)
    await triggers_off(database)
    async with app.transaction():
        await book(app, "disputes", transfers[0], entries[:2])
    found = await found_since(stage, mark)
    assert found == {("I7", f"entry {number}") for number in entries[:2]}


async def test_what_is_wrong_with_an_entry_of_an_old_number_is_found_within_a_minute(
    stage: Stage, database: PostgresEndpoint, app: Connection
) -> None:
    """The third entry is on an account that is not part of the transfer."""
    transfers, entries = await make_covered_gap(stage, app)
    account = user_account(await stage.user(100))
    mark = await newest_mark(stage)
    await triggers_off(database)
    async with app.transaction():
        await book(app, account, transfers[0], entries[:2])
        await app.execute(
            "INSERT INTO entries (entry_id, id, transfer_id, account_id, version, amount, before,"
            " after, created_at) OVERRIDING SYSTEM VALUE SELECT $1, gen_random_uuid(), $2, id, 99,"
            " 5, 0, 5, now() FROM accounts WHERE name = 'disputes'",
            *(entries[2], transfers[0]),
        )
    found = await found_since(stage, mark)
    assert {("I1", f"transfer {transfers[0]}"), ("I2", "disputes")} <= found


async def test_a_transfer_of_an_old_number_is_found_within_a_minute(
    stage: Stage, database: PostgresEndpoint, app: Connection
) -> None:
    """The transfer has no entries, so nothing else refers to it."""
    transfers, _ = await make_covered_gap(stage, app)
    mark = await newest_mark(stage)
    await app.execute(
        "INSERT INTO transfers (id, debit, credit, subject, amount, kind, reference, created_at)"
        " OVERRIDING SYSTEM VALUE SELECT $1, d.id, c.id, c.id, 7, 'ADJUSTMENT', 'x', now()"
        " FROM accounts d, accounts c WHERE d.name = 'payouts' AND c.name = 'disputes'",
        transfers[0],
    )
    assert await found_since(stage, mark) == {("I1", f"transfer {transfers[0]}")}


async def test_who_waits_until_the_log_has_passed_his_number_is_found_within_a_minute(
    stage: Stage, database: PostgresEndpoint, app: Connection
) -> None:
    """The numbers are above what the log covers at the insert, and below it at the commit."""
    await stage.user(100)
    entries = await draw(app, "entries_entry_id_seq", 2)
    [transfer] = await draw(app, "transfers_id_seq", 1)
    await stage.user(100)
    head = "INSERT INTO log_head VALUES (true, 'log', 0, sha256(''), 0)"
    await execute(database.owner_dsn, head)
    mark = await newest_mark(stage)
    async with app.transaction():
        await book(app, "disputes", transfer, entries)
        await execute(database.owner_dsn, "UPDATE log_head SET covered = 6")
        mark = (await stage.store.audit_since(mark)).mark
    assert {("I7", f"entry {number}") for number in entries} <= await found_since(stage, mark)
