"""Tests that fsck finds each broken invariant; the schema's owner breaks them on purpose."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from actors.ledger.effects import (
    JobCancel,
    Transfer,
    UnitAssign,
    UnitComplete,
    UnitRequeue,
    UnitStart,
)
from actors.ledger.messages import Commit
from sql.account_names import ADJUSTMENTS, user_account, work_reference
from sql.fsck import BY_ID, INVARIANT_QUERIES, AuditMark, Finding, run_fsck
from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.purchases import CREDIT, buy, tell
from tests.integration.conformance.stage import Stage, dispatch, fresh_id, tiled
from tests.integration.sql.breaks_of_anchors import BREAKS_OF_ANCHORS, CHECKPOINTS
from tests.integration.sql.breaks_of_earnings import BREAKS_OF_EARNINGS, earnings_of_every_kind
from tests.support.databases import connected
from tests.support.transfers import insert_transfers

HASH = "sha256('x')"
SALTS = f"{HASH} || {HASH}"
EVERY_ID = {
    "transfers": "SELECT array_agg(id) FROM transfers",
    "accounts": "SELECT array_agg(id) FROM accounts",
    "jobs": "SELECT array_agg(id) FROM jobs",
}
BREAKS = {
    "a debit of an account that is missing": (
        "transfers_i1",
        "UPDATE transfers SET debit = 0, subject = credit WHERE id = 1",
    ),
    "a credit of an account that is missing": (
        "transfers_i1",
        "UPDATE transfers SET credit = 0, subject = debit WHERE id = 1",
    ),
    "a transfer that is missing": ("transfers_i2", "DELETE FROM transfers WHERE id = 1"),
    "a balance": (
        "accounts_i2",
        "UPDATE accounts SET balance = balance + 1 WHERE name = 'revenue'",
    ),
    "a version": ("accounts_i2", "UPDATE accounts SET version = 9 WHERE name = 'revenue'"),
    "an amount": ("transfers_i2", "UPDATE transfers SET amount = amount + 1 WHERE id = 2"),
    "a balance after a debit": (
        "transfers_i2",
        "UPDATE transfers SET debit_after = debit_after + 1 WHERE id = 2",
    ),
    "a balance after a credit": (
        "transfers_i2",
        "UPDATE transfers SET credit_after = credit_after + 1 WHERE id = 2",
    ),
    "a version that is there on both sides": (
        "transfers_i2_sides",
        (
            "UPDATE transfers t SET credit_version = o.debit_version FROM transfers o"
            " WHERE t.credit = o.debit AND t.kind = 'STRIPE' AND o.kind = 'DEDUCTION'"
        ),
    ),
    "an account of a hold": (
        "whole_i2_holds",
        "UPDATE holds SET account_id = 0 WHERE state = 'RELEASED'",
    ),
    "a job that is missing": ("whole_i3_jobs", "DELETE FROM jobs WHERE status = 'CANCELLED'"),
    "what is held": ("always_i2_held", "UPDATE accounts SET held = 0 WHERE held > 0"),
    "what is held and is not there": (
        "always_i2_held",
        (
            "ALTER TABLE accounts DROP CONSTRAINT accounts_check;"
            "UPDATE accounts SET held = balance + 1 WHERE held > 0"
        ),
    ),
    "a hold without work": (
        "always_i3_live",
        "UPDATE holds SET reference = reference || 'x' WHERE state = 'OPEN'",
    ),
    "a hold of ended work": (
        "always_i3_live",
        "UPDATE units SET state = 'FAILED', ended_at = now() WHERE state = 'RUNNING'",
    ),
    "a hold of work that nobody took": (
        "always_i3_deadline",
        (
            "WITH waits AS (UPDATE units SET state = 'QUEUED', lease_until = NULL"
            " WHERE state = 'RUNNING') "
            "UPDATE holds SET created_at = created_at - interval '9 days' WHERE state = 'OPEN'"
        ),
    ),
    "a hold of work that never ends": (
        "always_i3_deadline",
        (
            "UPDATE holds h SET created_at = h.created_at - interval '400 days' FROM units u"
            " WHERE h.reference = 'job:' || u.job_id || ':' || u.number AND u.state = 'RUNNING';"
            " UPDATE units SET assigned_at = assigned_at - interval '400 days'"
            " WHERE state = 'RUNNING'"
        ),
    ),
    "a charge that the hold denies": (
        "jobs_i3_settled",
        "UPDATE holds SET state = 'RELEASED', settled = 0 WHERE state = 'SETTLED'",
    ),
    "a charge of another amount": (
        "jobs_i3_settled",
        "UPDATE holds SET settled = settled - 1 WHERE state = 'SETTLED'",
    ),
    "a charge without its hold": ("transfers_i3", "DELETE FROM holds WHERE state = 'SETTLED'"),
    "completed work without a settle": (
        "jobs_i4",
        "UPDATE units SET state = 'COMPLETED', ended_at = now() WHERE state = 'RUNNING'",
    ),
    "a charge above the hold": (
        "jobs_i4",
        "UPDATE holds SET amount = 1, settled = 1 WHERE state = 'SETTLED'",
    ),
    "a charge for failed work": (
        "jobs_i4",
        (
            "UPDATE units SET state = 'FAILED', verified = false, result_key = NULL"
            " WHERE state = 'COMPLETED'"
        ),
    ),
    "work that waits for no verdict": (
        "whole_i4_verdicts",
        "UPDATE units SET state = 'VERIFYING' WHERE state = 'RUNNING'",
    ),
    "a receipt that its entry does not pay for": (
        "whole_i4_receipts",
        (
            "INSERT INTO receipts SELECT job_id, number, 1, '{}', sha256('{}'),"
            " decode(repeat('00', 64), 'hex'), 1, now() FROM units LIMIT 1"
        ),
    ),
    "a pay for unverified work": ("transfers_i4_earnings", "UPDATE units SET verified = false"),
    "a pay above the charge": (
        "transfers_i4_earnings",
        "UPDATE transfers SET amount = 1000 WHERE kind = 'EARNING'",
    ),
    "a refund above the charge": (
        "transfers_i4_refunds",
        (
            insert_transfers(
                "SELECT credit, debit, debit, amount + 1, 'REFUND', reference, created_at"
                " FROM transfers WHERE kind = 'USAGE'"
            )
            + " ON CONFLICT DO NOTHING"
        ),
    ),
    "a posting that is there twice": (
        "whole_i5",
        (
            "ALTER TABLE transfers DROP CONSTRAINT transfers_subject_kind_reference_key;"
            + insert_transfers(
                "SELECT debit, credit, subject, amount, kind, reference, created_at"
                " FROM transfers WHERE kind = 'USAGE'"
            )
        ),
    ),
    "an operator who is paid as two": (
        "whole_i5",
        (
            "INSERT INTO accounts (name) VALUES ('operator:other');"
            + insert_transfers(
                "SELECT debit, o.id, o.id, amount, kind, reference, created_at FROM transfers,"
                " (SELECT id FROM accounts WHERE name = 'operator:other') o"
                " WHERE kind = 'EARNING'"
            )
        ),
    ),
    "a reference of a shard": (
        "whole_i5_shards",
        (
            "UPDATE transfers x SET debit = t.id, subject = t.id, debit_version = 1000 + x.id"
            " FROM accounts t WHERE t.name = 'revenue:3' AND kind = 'EARNING'"
        ),
    ),
    "a shard of another account": (
        "whole_i5_shards",
        (
            "UPDATE accounts SET shard_of = (SELECT id FROM accounts WHERE name = 'revenue')"
            " WHERE name = 'disputes'"
        ),
    ),
    **BREAKS_OF_EARNINGS,
    **BREAKS_OF_ANCHORS,
    "a result of another attempt": (
        "jobs_i9_units",
        (
            "UPDATE units SET result_key = 'results/u/' || job_id || '/' || number || '/7/x.png'"
            " WHERE state = 'COMPLETED'"
        ),
    ),
    "a result without an attempt": (
        "jobs_i9_units",
        "UPDATE units SET attempt = 0, node_id = NULL WHERE state = 'COMPLETED'",
    ),
    "a result of work that goes on": (
        "jobs_i9_units",
        "UPDATE units SET result_key = 'x' WHERE state = 'RUNNING'",
    ),
    "a job that is behind its units": (
        "jobs_i9",
        "UPDATE jobs SET status = 'QUEUED' WHERE status = 'RUNNING'",
    ),
    "a count of open units": (
        "jobs_i9",
        "UPDATE jobs SET open_units = 3 WHERE status = 'RUNNING'",
    ),
    "a count of failed units": ("jobs_i9", "UPDATE jobs SET failed_units = 1"),
    "a count of cancelled units": ("jobs_i9", "UPDATE jobs SET cancelled_units = 7"),
    "a sum of what is charged": ("jobs_i9", "UPDATE jobs SET charged = charged + 1"),
    "a sum of what is at work": ("jobs_i9", "UPDATE jobs SET committed = committed + 1"),
    "a pause that the status denies": (
        "jobs_i9",
        (
            "ALTER TABLE jobs DROP CONSTRAINT jobs_paused;"
            "UPDATE jobs SET paused = 'owner' WHERE status = 'RUNNING'"
        ),
    ),
    "a picture that misses no tile": ("jobs_i9_parts", "UPDATE units SET missing = 0"),
    "work that nothing is held for": (
        "jobs_i3_units",
        "UPDATE units SET price = price + 1 WHERE state = 'RUNNING'",
    ),
    "a transfer without a leaf": (
        "transfers_i7",
        "INSERT INTO log_head VALUES (true, 'log', 0, sha256(''), 5)",
    ),
    "a transfer that waits for its leaf": (
        "always_i7_late",
        (
            "INSERT INTO log_head VALUES (true, 'log', 0, sha256(''), 0);"
            "UPDATE transfers SET created_at = created_at + interval '61 s' WHERE id > 3"
        ),
    ),
    "a leaf beyond the end": (
        "always_i7_end",
        f"INSERT INTO leaves VALUES (0, 1, {SALTS}, {HASH})",
    ),
    "a leaf that is numbered as another": (
        "whole_i7_indices",
        (
            "INSERT INTO log_head VALUES (true, 'log', 1, sha256(''), 0);"
            f"INSERT INTO leaves VALUES (1, 1, {SALTS}, {HASH})"
        ),
    ),
    "a checkpoint beyond the end": (
        "always_i7_beyond",
        f"{CHECKPOINTS} (3, 1, {HASH}, now(), 'x')",
    ),
    "a checkpoint that no key signed": (
        "whole_i7_keys",
        f"{CHECKPOINTS} (3, 1, {HASH}, now(), 'x')",
    ),
    "a count of retries": ("jobs_i9", "UPDATE jobs SET retry_count = 5"),
    "a session that counted for nothing": (
        "whole_i11_purchases",
        "UPDATE transfers SET reference = 'x' WHERE kind = 'STRIPE'",
    ),
    "a session that counted more": (
        "transfers_i11",
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 'STRIPE'",
    ),
    "a session that counted without being paid": (
        "transfers_i11",
        "UPDATE purchases SET session = session || 'x'",
    ),
    "a session that counted for another": (
        "transfers_i11",
        "UPDATE transfers SET credit = 2, credit_version = 1000 + id WHERE kind = 'STRIPE'",
    ),
    "a refund that was not taken": ("whole_i11_reversals", "UPDATE purchases SET refunded = 0"),
    "a dispute that was taken as a refund": (
        "whole_i11_reversals",
        "UPDATE purchases SET refunded = refunded + disputed, disputed = 0",
    ),
    "a dispute that was won and not given back": (
        "whole_i11_reversals",
        "UPDATE reversals SET state = 'VOID' WHERE kind = 'DISPUTE'",
    ),
    "a refund that was taken twice": (
        "whole_i11_taken",
        insert_transfers(
            "SELECT debit, credit, subject, amount, kind, reference || 'x', created_at"
            " FROM transfers WHERE kind = 'REFUND'"
        ),
    ),
    "a debt that is not paid": (
        "always_i11_debts",
        "UPDATE accounts SET balance = 100000000 WHERE debt IS NOT NULL",
    ),
}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Move the clock far ahead, so dispute windows are open by the database's clock."""
    stage.clock.time += timedelta(days=36_500)
    return stage


@pytest.fixture
async def owner(
    database: PostgresEndpoint, stage: Stage
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Fill the books with rows of every kind, and yield a connection of the owner with triggers
    off.
    """
    await some_of_everything(stage)
    async with connected(database.owner_dsn) as connection:
        await connection.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        yield connection


async def some_of_everything(stage: Stage) -> None:
    # dispute windows must also be open by the database's clock
    stage.clock.time += timedelta(days=36_500)
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
    await stage.commit(tiled(user, fresh_id(), (20, 20), 1))
    buyer = await stage.user()
    bought = await buy(stage, buyer, 100)
    await tell(stage, bought.reversal("re_1", "REFUND", 20))
    account = user_account(buyer)
    spend = Transfer(account, ADJUSTMENTS, account, 70 * CREDIT, "DEDUCTION", "spent")
    await stage.do(transfers=(spend,))
    await tell(stage, bought.reversal("du_1", "DISPUTE", 50))
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
        rows = await found_by(owner, f"fsck_{query}", None)
        assert rows, broken
        assert all(subject and found for subject, found in rows), broken
        await owner.execute("ROLLBACK")


async def found_by(
    connection: "asyncpg.Connection[asyncpg.Record]", query: str, ids: list[Any] | None
) -> set[tuple[str, str]]:
    takes_ids = query.split("_")[1] in BY_ID
    rows = await connection.fetch(QUERIES[query], *((ids,) if takes_ids else ()))
    return {(row["subject"], row["found"]) for row in rows}


async def test_a_check_of_given_rows_finds_what_a_check_of_all_finds_in_them(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """All ids give the same findings as NULL instead of ids; an empty list gives no findings."""
    checks = [check for check in INVARIANT_QUERIES if check.rows in BY_ID]
    seen = set[str]()
    for broken, (_, statement) in BREAKS.items():
        await owner.execute("BEGIN")
        await owner.execute(statement)
        for check in checks:
            ids = await owner.fetchval(EVERY_ID[check.rows])
            whole = await found_by(owner, check.name, None)
            assert await found_by(owner, check.name, ids) == whole, (broken, check)
            assert await found_by(owner, check.name, []) == set(), (broken, check)
            seen |= {check.name} if whole else set()
        await owner.execute("ROLLBACK")
    assert seen == {check.name for check in checks}


@pytest.mark.parametrize(
    ("state", "days", "found"),
    [
        *(("QUEUED", 7, 0), ("QUEUED", 9, 1)),
        *(("DISPATCHED", 16, 0), ("DISPATCHED", 18, 1), ("RUNNING", 16, 0), ("RUNNING", 18, 1)),
    ],
)
async def test_what_is_held_for_too_long_is_found_whatever_its_work_does(
    stage: Stage, database: PostgresEndpoint, state: str, days: int, found: int
) -> None:
    """A hold's age is measured against the newest entry if no hold is newer."""
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(dispatch(user, job, 100, 1, None if state == "QUEUED" else node))
    if state == "RUNNING":
        await stage.do(UnitStart(job, 0, 1, node))
    stage.clock.time += timedelta(days=days)
    await stage.user(5)
    text = f"open since {stage.clock.time - timedelta(days=days):%F %T+00}"
    expected = [Finding("I3", f"hold job:{job}:0", text)] * found
    assert await stage.store.audit() == expected
    assert (await stage.store.audit_since(AuditMark())).findings == expected


async def test_a_finding_names_its_invariant(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await owner.execute("UPDATE jobs SET retry_count = 5 WHERE status = 'CANCELLED'")
    (finding,) = await run_fsck(owner)
    assert (finding.invariant, finding.subject[:4]) == ("I9", "job ")
    units = "0 open, 0 failed and 1 cancelled of 1 units, 0 charged of 0; they are CANCELLED"
    assert finding.found == f"CANCELLED after 5 retries, with {units}"


def test_every_query_was_seen_to_find_something() -> None:
    proven = {f"fsck_{query}" for query, _ in BREAKS.values()}
    assert proven == {check.name for check in INVARIANT_QUERIES}
    assert {check.name for check in INVARIANT_QUERIES} == {
        n for n in QUERIES if re.search(r"fsck_.*i\d", n)
    }


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
    account, reference = user_account(user), work_reference(fresh_id(), 0)
    await owner.execute("UPDATE accounts SET held = 5 WHERE name = $1", account)
    await owner.execute(
        "INSERT INTO holds (id, account_id, reference, amount, created_at)"
        " SELECT $1, id, $2, 5, now() FROM accounts WHERE name = $3",
        *(fresh_id(), reference, account),
    )
    (finding,) = await run_fsck(owner)
    assert (finding.invariant, finding.found) == ("I3", "open without a unit of work")
