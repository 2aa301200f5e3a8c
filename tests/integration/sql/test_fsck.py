"""Each invariant, broken on purpose by the schema's owner, is found."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from actors.ledger.messages import (
    Commit,
    JobCancel,
    PlaceHold,
    UnitAssign,
    UnitComplete,
    UnitRequeue,
    UnitStart,
    user_account,
    work_reference,
)
from sql.database import Database
from sql.fsck import run_fsck
from sql.loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.integration.sql.breaks_of_earnings import BREAKS_OF_EARNINGS, earnings_of_every_kind

HASH = "sha256('x')"
BREAKS = {
    "an entry's amount": ("i1_total", "UPDATE entries SET amount = amount - 1, after = after - 1"),
    "an entry that is missing": ("i1_transfers", "DELETE FROM entries WHERE version = 2"),
    "an entry on a third account": (
        "i1_transfers",
        (
            "UPDATE entries SET account_id = (SELECT id FROM accounts WHERE name = 'disputes'),"
            " version = 1 WHERE entry_id = 1"
        ),
    ),
    "a balance": (
        "i2_balances",
        "UPDATE accounts SET balance = balance + 1 WHERE name = 'revenue'",
    ),
    "a version": ("i2_balances", "UPDATE accounts SET version = 9 WHERE name = 'revenue'"),
    "a chain": ("i2_chain", "UPDATE entries SET before = before + 1, after = after + 1"),
    "what is held": ("i2_held", "UPDATE accounts SET held = 0 WHERE held > 0"),
    "a hold without work": (
        "i3_live",
        "UPDATE holds SET reference = reference || 'x' WHERE state = 'OPEN'",
    ),
    "a hold of ended work": (
        "i3_live",
        "UPDATE units SET state = 'FAILED', ended_at = now() WHERE state = 'RUNNING'",
    ),
    "a hold of work that nobody took": (
        "i3_deadline",
        (
            "WITH waits AS (UPDATE units SET state = 'QUEUED', lease_until = NULL"
            " WHERE state = 'RUNNING') "
            "UPDATE holds SET created_at = created_at - interval '9 days' WHERE state = 'OPEN'"
        ),
    ),
    "a charge that the hold denies": (
        "i3_once",
        "UPDATE holds SET state = 'RELEASED', settled = 0 WHERE state = 'SETTLED'",
    ),
    "a charge of another amount": (
        "i3_once",
        "UPDATE holds SET settled = settled - 1 WHERE state = 'SETTLED'",
    ),
    "completed work without a settle": (
        "i4_completed",
        "UPDATE units SET state = 'COMPLETED', ended_at = now() WHERE state = 'RUNNING'",
    ),
    "a charge above the hold": (
        "i4_completed",
        "UPDATE holds SET amount = 1, settled = 1 WHERE state = 'SETTLED'",
    ),
    "a charge for failed work": (
        "i4_uncharged",
        (
            "UPDATE units SET state = 'FAILED', verified = false, result_key = NULL"
            " WHERE state = 'COMPLETED'"
        ),
    ),
    "a pay for unverified work": ("i4_earnings", "UPDATE units SET verified = false"),
    "a pay above the charge": (
        "i4_earnings",
        "UPDATE transfers SET amount = 1000 WHERE kind = 'EARNING'",
    ),
    "a refund above the charge": (
        "i4_refunds",
        (
            "INSERT INTO transfers (debit, credit, subject, amount, kind, reference, created_at)"
            " SELECT credit, debit, debit, amount + 1, 'REFUND', reference, created_at"
            " FROM transfers WHERE kind = 'USAGE' ON CONFLICT DO NOTHING"
        ),
    ),
    "a posting that is there twice": (
        "i5",
        (
            "ALTER TABLE transfers DROP CONSTRAINT transfers_subject_kind_reference_key;"
            "INSERT INTO transfers (debit, credit, subject, amount, kind, reference, created_at)"
            " SELECT debit, credit, subject, amount, kind, reference, created_at FROM transfers"
            " WHERE kind = 'USAGE'"
        ),
    ),
    "an operator who is paid as two": (
        "i5",
        (
            "INSERT INTO accounts (name) VALUES ('operator:other');"
            "INSERT INTO transfers (debit, credit, subject, amount, kind, reference, created_at)"
            " SELECT debit, o.id, o.id, amount, kind, reference, created_at FROM transfers,"
            " (SELECT id FROM accounts WHERE name = 'operator:other') o WHERE kind = 'EARNING'"
        ),
    ),
    **BREAKS_OF_EARNINGS,
    "a result of another attempt": (
        "i9_results",
        (
            "UPDATE units SET result_key = 'results/u/' || job_id || '/' || number || '/7/x.png'"
            " WHERE state = 'COMPLETED'"
        ),
    ),
    "a result without an attempt": (
        "i9_units",
        "UPDATE units SET attempt = 0, node_id = NULL WHERE state = 'COMPLETED'",
    ),
    "a result of work that goes on": (
        "i9_units",
        "UPDATE units SET result_key = 'x' WHERE state = 'RUNNING'",
    ),
    "a job that is behind its units": (
        "i9_jobs",
        "UPDATE jobs SET status = 'QUEUED' WHERE status = 'RUNNING'",
    ),
    "a count of open units": (
        "i9_jobs",
        "UPDATE jobs SET open_units = 3 WHERE status = 'RUNNING'",
    ),
    "a count of failed units": ("i9_jobs", "UPDATE jobs SET failed_units = 1"),
    "a count of cancelled units": ("i9_jobs", "UPDATE jobs SET cancelled_units = 7"),
    "an entry without a leaf": (
        "i7_missing",
        "INSERT INTO log_head VALUES (true, 'log', 0, sha256(''), 5)",
    ),
    "an entry that waits for its leaf": (
        "i7_late",
        (
            "INSERT INTO log_head VALUES (true, 'log', 0, sha256(''), 0);"
            "UPDATE entries SET created_at = created_at + interval '61 s' WHERE entry_id > 5"
        ),
    ),
    "a leaf beyond the end": ("i7_indices", f"INSERT INTO leaves VALUES (0, 1, {HASH}, {HASH})"),
    "a leaf that is numbered as another": (
        "i7_indices",
        (
            "INSERT INTO log_head VALUES (true, 'log', 1, sha256(''), 0);"
            f"INSERT INTO leaves VALUES (1, 1, {HASH}, {HASH})"
        ),
    ),
    "a checkpoint beyond the end": (
        "i7_beyond",
        f"INSERT INTO checkpoints VALUES (3, {HASH}, now(), 'x')",
    ),
    "a count of retries": ("i9_jobs", "UPDATE jobs SET retry_count = 5"),
}


@pytest.fixture
async def stage(database: PostgresEndpoint) -> AsyncIterator[Stage]:
    pool = Database(lambda: database.app_dsn)
    yield sql_stage(pool)
    await pool.close()


@pytest.fixture
async def owner(
    database: PostgresEndpoint, stage: Stage
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Books with one of everything, and a connection that may do anything to them."""
    await some_of_everything(stage)
    connection = await asyncpg.connect(database.owner_dsn)
    for table in ("entries", "transfers"):
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield connection
    await connection.close()


async def some_of_everything(stage: Stage) -> None:
    user, node = await stage.user(1000), await stage.node()
    done, runs, waits, gone, free = (fresh_id() for _ in range(5))
    key = f"results/{user}/{done}/0/2/x.png"
    result = UnitComplete(done, 0, 2, node, key, verified=True, operator=f"operator:{node}")
    await stage.commit(
        dispatch(user, done, 100, 1, node),
        Commit((), (UnitRequeue(done, 0, 1, "lost"),)),
        Commit((), (UnitAssign(done, 0, 2, node),)),
        Commit((), (result,)),
        dispatch(user, runs, 100, 2, node),
        Commit((), (UnitStart(runs, 0, 1, node),)),
        dispatch(user, waits, 100),
        dispatch(user, gone, 100),
        Commit((), (JobCancel(gone, user),)),
        dispatch(user, free, 0, 1, node),
    )
    await earnings_of_every_kind(stage)


async def test_sound_books_have_no_findings(
    owner: "asyncpg.Connection[asyncpg.Record]", stage: Stage
) -> None:
    assert await run_fsck(owner) == []
    assert await stage.store.audit() == []


async def test_every_broken_invariant_is_found(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    for broken, (query, statement) in BREAKS.items():
        await owner.execute("BEGIN")
        await owner.execute(statement)
        rows = await owner.fetch(QUERIES[f"fsck_{query}"], 10)
        assert rows, broken
        assert all(row["subject"] and row["found"] for row in rows), broken
        await owner.execute("ROLLBACK")


async def test_a_finding_names_its_invariant(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await owner.execute("UPDATE jobs SET retry_count = 5 WHERE status = 'CANCELLED'")
    (finding,) = await run_fsck(owner)
    assert (finding.invariant, finding.subject[:4]) == ("I9", "job ")
    units = "0 open, 0 failed and 1 cancelled units; they are CANCELLED"
    assert finding.found == f"CANCELLED after 5 retries, with {units}"


def test_every_query_was_seen_to_find_something() -> None:
    proven = {f"fsck_{query}" for query, _ in BREAKS.values()}
    assert proven == {name for name in QUERIES if name.startswith("fsck_i")}


async def test_an_overdrawn_account_is_found(
    owner: "asyncpg.Connection[asyncpg.Record]", stage: Stage
) -> None:
    user = await stage.user(1)
    await owner.execute("ALTER TABLE accounts DROP CONSTRAINT accounts_check")
    await owner.execute("UPDATE accounts SET held = 5 WHERE name = $1", user_account(user))
    await owner.execute(
        "INSERT INTO holds (id, account_id, reference, amount, created_at)"
        " SELECT $1, id, 'job:y', 5, now() FROM accounts WHERE name = $2",
        *(fresh_id(), user_account(user)),
    )
    found = {finding.subject for finding in await run_fsck(owner) if finding.invariant == "I2"}
    assert found == {user_account(user)}


async def test_a_hold_that_no_job_has_is_found(
    owner: "asyncpg.Connection[asyncpg.Record]", stage: Stage
) -> None:
    user = await stage.user(10)
    reference = work_reference(fresh_id(), 0)
    await stage.do(postings=(PlaceHold(user_account(user), 5, reference),))
    (finding,) = await run_fsck(owner)
    assert (finding.invariant, finding.found) == ("I3", "open without a unit of work")
