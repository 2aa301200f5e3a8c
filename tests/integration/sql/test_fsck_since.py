"""Incremental audits: rows that were written since a mark are checked once, however late they
commit.
"""

import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from actors.ledger.effects import Transfer, UnitStart
from actors.ledger.messages import Commit
from bench.volume import fill
from sql.account_names import user_account
from sql.fsck import BY_ID, INVARIANT_QUERIES, AuditMark, Finding, audit_since
from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.integration.sql.test_fsck import BREAKS, EVERY_ID, some_of_everything
from tests.integration.sql.test_log import fill_log
from tests.support.databases import connected
from tests.support.transfers import transfer_between
from tests.support.until import until

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
EVERYTHING = AuditMark()


@pytest.fixture
async def owner(database: PostgresEndpoint, stage: Stage) -> AsyncIterator[Owner]:
    """Yield a connection of the schema's owner with triggers off."""
    async with connected(database.owner_dsn) as connection:
        await connection.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        yield connection


async def first_mark(stage: Stage) -> AuditMark:
    return (await stage.store.audit_since(None)).mark


async def invariants_of(stage: Stage, mark: AuditMark) -> set[str]:
    return {finding.invariant for finding in (await stage.store.audit_since(mark)).findings}


async def test_sound_books_have_no_findings_from_any_mark(stage: Stage) -> None:
    mark = await first_mark(stage)
    await some_of_everything(stage)
    for from_ in (mark, EVERYTHING):
        increment = await stage.store.audit_since(from_)
        assert increment.findings == []
        assert increment.looked_at > 50


async def test_what_breaks_what_was_written_is_found(
    stage: Stage, database: PostgresEndpoint, owner: Owner
) -> None:
    """Every broken invariant is found when all rows are new, except invariants about sums over all
    rows.
    """
    await some_of_everything(stage)
    async with connected(database.owner_dsn) as other:
        for broken, (query, statement) in BREAKS.items():
            kind, invariant = query.split("_")[:2]
            if kind == "whole":
                continue
            transaction = owner.transaction()
            await transaction.start()
            await owner.execute(statement)
            # so this transaction's number is below the newest
            await other.execute("SELECT pg_current_xact_id()")
            found = (await audit_since(owner, EVERYTHING, log_most=1000)).findings
            assert invariant.upper() in {finding.invariant for finding in found}, broken
            await transaction.rollback()


async def test_checks_of_few_rows_read_few_rows(database: PostgresEndpoint) -> None:
    """The checks use indexes: the smallest table has 2,500 rows."""
    await fill(database.owner_dsn, entries=40_000, open_jobs=500, ended_jobs=2000)
    async with connected(database.app_dsn) as connection, connection.transaction():
        await connection.execute(QUERIES["fsck_settings"], "off")
        for check in INVARIANT_QUERIES:
            if check.rows not in BY_ID:
                continue
            ids = (await connection.fetchval(EVERY_ID[check.rows]))[:10]
            text = f"EXPLAIN (ANALYZE, FORMAT JSON) {QUERIES[check.name]}"
            (found,) = json.loads(await connection.fetchval(text, ids))
            assert sum(rows_read(found["Plan"])) < 1000, check


def rows_read(plan: dict[str, Any]) -> Iterator[float]:
    """Yield the number of rows that each scan of a plan reads, including rows that it
    filters out.
    """
    if "Scan" in plan["Node Type"]:
        removed = (plan.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        yield (plan["Actual Rows"] + sum(removed)) * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from rows_read(part)


async def test_old_transfers_that_somebody_removed_are_found_within_a_day(
    stage: Stage, owner: Owner
) -> None:
    """No new row refers to these transfers; only the walk over the log finds them."""
    await fill_log(stage, 600)
    mark, found = await first_mark(stage), list[str]()
    await owner.execute("DELETE FROM transfers WHERE id IN (3, 270, 590)")
    for walked in (256, 512, 600, 0, 256):
        increment = await stage.store.audit_since(mark)
        mark = increment.mark
        assert mark.walked == walked
        found += [one.subject for one in increment.findings if one.invariant == "I7"]
    assert found == [f"transfer {number}" for number in (3, 270, 590, 3)]


# ── marks ────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_seen_is_not_looked_at_again(stage: Stage) -> None:
    """Rows are checked once more while a transaction of their time is open, even in another
    database.
    """
    mark = await first_mark(stage)
    await stage.dispatched()
    increment = await stage.store.audit_since(mark)
    assert increment.looked_at == len(("transfer", "account", "account", "job"))

    async def is_nothing() -> bool:
        nonlocal increment
        increment = await stage.store.audit_since(increment.mark)
        return increment.looked_at == 0

    await until(is_nothing)


async def test_a_balance_that_somebody_altered_is_found_though_nothing_was_posted(
    stage: Stage, owner: Owner
) -> None:
    user, _, _ = await stage.dispatched()
    mark = await first_mark(stage)
    account = user_account(user)
    await owner.execute("UPDATE accounts SET balance = balance + 1 WHERE name = $1", account)
    found = (await stage.store.audit_since(mark)).findings
    text = "balance 201 at version 1, but its newest entry ends at 200 with version 1"
    assert found == [Finding("I2", account, text)]


async def test_a_transfer_of_an_account_that_is_missing_is_found(
    stage: Stage, owner: Owner
) -> None:
    await stage.user(100)
    mark = await first_mark(stage)
    number = await insert_stray_transfer(owner)
    found = (await stage.store.audit_since(mark)).findings
    assert ("I1", f"transfer {number}") in {(f.invariant, f.subject) for f in found}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("whose", ["platform", "user"])
async def test_entries_of_an_account_that_does_not_follow_them_are_found(
    stage: Stage, database: PostgresEndpoint, owner: Owner, whose: str, late: bool
) -> None:
    """The transfer is complete, but no account's balance follows from its entries."""
    user, _, _ = await stage.dispatched()
    account = user_account(user) if whose == "user" else "payouts"
    mark = await first_mark(stage)
    await owner.execute("BEGIN")
    await owner.execute(transfer_between("disputes", account))
    assert await accounts_found(stage, owner, mark, late) == {"disputes", account}


async def accounts_found(stage: Stage, owner: Owner, mark: AuditMark, late: bool) -> set[str]:
    """Commit the owner's transaction and return the accounts with wrong sums; if ``late``, audit
    twice before it commits.
    """
    if late:
        mark = (await stage.store.audit_since(mark)).mark
        await stage.user(100)
        mark = (await stage.store.audit_since(mark)).mark
    await owner.execute("COMMIT")
    found = (await stage.store.audit_since(mark)).findings
    return {f.subject for f in found if f.invariant == "I2"}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE holds SET amount = amount + 1 WHERE state = 'OPEN'",
        "UPDATE holds SET state = 'RELEASED', closed_at = now() WHERE state = 'OPEN'",
        (
            "INSERT INTO holds (id, account_id, reference, amount, created_at)"
            " SELECT gen_random_uuid(), account_id, 'another', 1, now() FROM holds"
        ),
    ],
)
async def test_a_hold_that_changes_without_its_account_is_found(
    stage: Stage, owner: Owner, statement: str, late: bool
) -> None:
    user, _, _ = await stage.dispatched()
    mark = await first_mark(stage)
    await owner.execute("BEGIN")
    await owner.execute(statement)
    assert user_account(user) in await accounts_found(stage, owner, mark, late)


async def insert_stray_transfer(connection: Owner) -> int:
    """Insert a transfer between two accounts that do not exist; return its number."""
    return int(await connection.fetchval(transfer_between("no debtor", "no creditor")))


async def test_a_late_committer_is_found_behind_the_marks_that_were_taken_meanwhile(
    stage: Stage, database: PostgresEndpoint, owner: Owner
) -> None:
    """The late transaction has lower numbers than audited rows, as it began first and committed
    last.
    """
    await stage.user(100)
    async with connected(database.owner_dsn) as late:
        await late.execute("BEGIN")
        number = await insert_stray_transfer(late)
        mark = await first_mark(stage)
        for _ in range(3):
            await stage.user(100)
            increment = await stage.store.audit_since(mark)
            assert increment.findings == []
            mark = increment.mark
        await late.execute("COMMIT")
        found = (await stage.store.audit_since(mark)).findings
        assert f"transfer {number}" in {finding.subject for finding in found}


@pytest.mark.parametrize(
    ("statement", "invariant"),
    [
        ("UPDATE accounts SET balance = balance + 1 WHERE name = 'revenue'", "I2"),
        ("UPDATE accounts SET held = held - 1 WHERE held > 0", "I2"),
        (
            "UPDATE jobs SET retry_count = 5, touched = pg_current_xact_id()::text::bigint",
            "I9",
        ),
    ],
)
async def test_a_row_that_is_changed_late_is_found(
    stage: Stage, database: PostgresEndpoint, statement: str, invariant: str
) -> None:
    await stage.dispatched()
    async with connected(database.owner_dsn) as late:
        await late.execute("BEGIN")
        await late.execute(statement)
        mark = (await stage.store.audit_since(await first_mark(stage))).mark
        assert await invariants_of(stage, mark) == set()
        await late.execute("COMMIT")
        assert await invariants_of(stage, mark) == {invariant}


@pytest.mark.parametrize("seed", range(6))
async def test_whoever_commits_when_he_likes_is_found(
    stage: Stage, database: PostgresEndpoint, seed: int
) -> None:
    """Broken transactions begin and end in random order among the Ledger's sound transactions and
    audits.
    """
    chance = random.Random(seed)
    user = await stage.user(10_000)
    account = user_account(user)
    async with AsyncExitStack() as stack:
        idle, open_, wanted, found = list[Owner](), dict[Owner, int](), set[str](), set[str]()
        for _ in range(5):
            connection = await asyncpg.connect(database.owner_dsn)
            stack.push_async_callback(connection.close)
            idle.append(connection)
        mark = await first_mark(stage)
        for step in range(60):
            match chance.randrange(5):
                case 0 if idle:
                    connection = idle.pop()
                    await connection.execute("BEGIN")
                    open_[connection] = await insert_stray_transfer(connection)
                case 1 if open_:
                    connection = chance.choice(list(open_))
                    number = open_.pop(connection)
                    commits = chance.random() < 0.8
                    await connection.execute("COMMIT" if commits else "ROLLBACK")
                    wanted |= {f"transfer {number}"} if commits else set()
                    idle.append(connection)
                case 2 | 3:
                    spent = Transfer(account, "revenue", account, 1, "DEDUCTION", f"s{step}")
                    await stage.do(transfers=(spent,))
                case _:
                    increment = await stage.store.audit_since(mark)
                    mark = increment.mark
                    found |= {f.subject for f in increment.findings if f.invariant == "I1"}
        found |= {f.subject for f in (await stage.store.audit_since(mark)).findings
                  if f.invariant == "I1"}  # fmt: skip
    assert len(wanted) >= 3
    assert found == wanted


async def test_a_transaction_that_lasts_over_many_audits_is_found_when_it_ends(
    stage: Stage, database: PostgresEndpoint
) -> None:
    await stage.user(100)
    async with connected(database.owner_dsn) as stays:
        await stays.execute("BEGIN")
        number = await insert_stray_transfer(stays)
        mark = await first_mark(stage)
        for _ in range(5):
            mark = (await stage.store.audit_since(mark)).mark
        await stays.execute("COMMIT")
        found = (await stage.store.audit_since(mark)).findings
        assert f"transfer {number}" in {finding.subject for finding in found}


async def test_a_transfer_that_the_log_covers_later_needs_its_leaf_then(
    stage: Stage, owner: Owner
) -> None:
    """The transfer was audited before the log reached it, and is audited again afterwards."""
    await owner.execute("INSERT INTO log_head VALUES (true, 'log', 0, sha256(''), 0)")
    mark = await first_mark(stage)
    await stage.user(100)
    for _ in range(2):
        increment = await stage.store.audit_since(mark)
        assert increment.findings == []
        mark = increment.mark
    await owner.execute("UPDATE log_head SET covered = 1")
    found = (await stage.store.audit_since(mark)).findings
    assert [(f.invariant, f.subject) for f in found] == [("I7", "transfer 1")]


async def test_the_application_audits_while_units_run(stage: Stage) -> None:
    mark = await first_mark(stage)
    user, node = await stage.user(1000), await stage.node()
    jobs: list[UUID] = [fresh_id() for _ in range(5)]
    await stage.commit(*(dispatch(user, job, 100, 1, node) for job in jobs))
    await stage.commit(*(Commit((), (UnitStart(job, 0, 1, node),)) for job in jobs))
    assert await invariants_of(stage, mark) == set()
