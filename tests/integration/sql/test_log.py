"""Tests of the log over PostgreSQL: transfers that commit out of order, and altered rows that fsck
finds.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from secrets import token_bytes
from uuid import UUID

import asyncpg
import pytest

from actors.ledger.batch_decision import decide
from actors.ledger.effects import Transfer
from actors.ledger.lock_set import keys_of
from actors.ledger.messages import Commit
from actors.sequencer.messages import CheckpointLate, CheckpointReady
from rendertrust import merkle
from sql.account_names import user_account
from sql.audit_log import Act
from sql.database import Database
from sql.epochs import ChainPosition, EpochRow, reopen
from sql.fsck import AuditResult, Finding, audit_within, run_audit, run_fsck
from sql.proofs import Proofs
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import Stage, fresh_id
from tests.integration.conformance.test_log import (
    ask_for_checkpoint,
    post_transfers,
    seen,
    sequencing,
    wait_until_covered,
)
from tests.support.databases import connected, execute
from tests.support.transfers import transfer_between

SIZES = 80  # leaves of a log; the gateway keeps far fewer in memory
LOG_TABLES = ("transfers", "leaves", "tiles", "checkpoints", "log_keys", "epochs")


@pytest.fixture
async def owner(database: PostgresEndpoint) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Yield a connection of the schema's owner with the log's triggers off."""
    async with connected(database.owner_dsn) as connection:
        for table in LOG_TABLES:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield connection


def move(user: UUID, to: UUID) -> Commit:
    """Return a commit with one transfer that locks only these two accounts."""
    account, other = user_account(user), user_account(to)
    return Commit((Transfer(account, other, account, 5, "REFUND", str(fresh_id()), "x"),))


class RolledBack(Exception):
    """A transaction is given up after its writes."""


async def commit_late(
    stage: Stage, commit: Commit, begun: asyncio.Event, end: "asyncio.Future[bool]"
) -> None:
    """Write a transfer now, and commit it only when ``end`` becomes true."""
    assert isinstance(stage.store, SqlStore)
    with suppress(RolledBack):
        async with stage.store.transaction(within=30) as books:
            rows = await books.lock(keys_of([commit]))
            changes, _ = decide(rows, [commit], stage.clock.now(), token_bytes)
            await books.write(changes)
            begun.set()
            if not await end:
                raise RolledBack


@pytest.mark.parametrize("commits", [True, False])
async def test_a_transfer_that_commits_late_is_taken_up_behind_the_others(
    stage: Stage, commits: bool
) -> None:
    """The late transfer has the lowest number, so the log covers no later one until its transaction
    ends.
    """
    a, b, c, d = [await stage.user(100) for _ in range(4)]
    begun, end = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with sequencing(stage) as ref, asyncio.TaskGroup() as group:
        await wait_until_covered(stage, 4)
        before = (await seen(stage)).newest
        group.create_task(commit_late(stage, move(a, b), begun, end))
        await begun.wait()
        await stage.commit(move(c, d))
        for _ in range(5):
            assert await ask_for_checkpoint(ref) == CheckpointReady(5)
        look = await seen(stage)
        assert (look.head.covered, look.newest) == (before, before + 2)
        end.set_result(commits)
        await wait_until_covered(stage, 6 if commits else 5)
    assert await stage.store.audit() == []


async def test_proofs_of_many_sizes_at_once_do_not_forget_what_another_reads(
    stage: Stage, database: PostgresEndpoint
) -> None:
    async with sequencing(stage) as ref:
        await post_transfers(stage, SIZES)
        await wait_until_covered(stage, SIZES)
        await ask_for_checkpoint(ref)
    pool = Database(lambda: database.app_dsn)
    proofs = Proofs(pool)
    sizes = random.Random(5).choices(range(1, SIZES), k=200)
    roots = dict(zip(sizes, await asyncio.gather(*map(proofs.root, sizes)), strict=True))
    pairs = [(m, n) for m, n in pairwise(sizes) if m < n]
    found = await asyncio.gather(*(proofs.consistency(m, n) for m, n in pairs))
    await pool.close()
    for (m, n), proof in zip(pairs, found, strict=True):
        assert merkle.verify_consistency(m, n, proof, roots[m], roots[n])


async def test_many_at_once_and_two_gateways_leave_no_hole(stage: Stage) -> None:
    """Both gateways commit and sequence at the same time; the kill tests cover crashes in
    between.
    """
    people = [await stage.user(10_000) for _ in range(12)]
    chance = random.Random(8)

    async def work() -> None:
        for _ in range(20):
            a, b = chance.sample(people, 2)
            await stage.commit(move(a, b), move(b, a))

    async with sequencing(stage, batch=13), sequencing(stage, batch=50, entries=16):
        await asyncio.gather(*(work() for _ in range(5)))
        await wait_until_covered(stage, 12 + 5 * 20 * 2)
    assert await stage.store.audit() == []


# ── altered rows ─────────────────────────────────────────────────────────────────────────────────


async def fill_log(stage: Stage, leaves: int) -> None:
    """Fill the log with this many leaves, and a checkpoint at least every four leaves."""
    async with sequencing(stage, batch=4, entries=4):
        await post_transfers(stage, leaves)
        await wait_until_covered(stage, leaves)


ALTERED = {
    "a transfer": (
        "UPDATE transfers SET created_at = created_at + interval '1 s' WHERE id = 4",
        ("I7", "transfer 4", "does not match leaf 3 of the log"),
    ),
    "a description": (
        "UPDATE transfers SET description = 'other' WHERE id = 4",
        ("I7", "transfer 4", "does not match leaf 3 of the log"),
    ),
    "a balance of the debit alone": (
        "UPDATE transfers SET debit_after = debit_after + 1 WHERE id = 6",
        ("I7", "transfer 6", "does not match leaf 5 of the log"),
    ),
    "a balance of the credit alone": (
        "UPDATE transfers SET credit_after = credit_after + 1 WHERE id = 6",
        ("I7", "transfer 6", "does not match leaf 5 of the log"),
    ),
    "a receipt": (
        "UPDATE transfers SET receipt = sha256('x') WHERE id = 5",
        ("I7", "transfer 5", "does not match leaf 4 of the log"),
    ),
    "a transfer that is gone": (
        "DELETE FROM transfers WHERE id = 3",
        ("I7", "transfer 3", "is missing: it was leaf 2 of the log"),
    ),
    "two transfers in each other's place": (
        (
            "UPDATE leaves SET transfer = -1 WHERE transfer = 3;"
            "UPDATE leaves SET transfer = 3 WHERE transfer = 4;"
            "UPDATE leaves SET transfer = 4 WHERE transfer = -1"
        ),
        ("I7", "transfer 3", "does not match leaf 3 of the log"),
    ),
    "a salt of the debit": (
        "UPDATE leaves SET salts = set_byte(salts, 31, 1) WHERE transfer = 3",
        ("I7", "transfer 3", "does not match leaf 2 of the log"),
    ),
    "a salt of the credit": (
        "UPDATE leaves SET salts = set_byte(salts, 32, 1) WHERE transfer = 3",
        ("I7", "transfer 3", "does not match leaf 2 of the log"),
    ),
    "a leaf that is gone": (
        "DELETE FROM leaves WHERE leaf_index = 10",
        ("I7", "leaf 10", "is missing, and the log ends later"),
    ),
    "a leaf that is forgotten at the end": (
        "DELETE FROM leaves WHERE leaf_index = 599",
        ("I7", "transfer 600", "no leaf, though the log covers transfers to 600"),
    ),
    "a leaf's hash": (
        "UPDATE leaves SET hash = sha256('x') WHERE leaf_index = 300",
        ("I8", "checkpoint 304", "its root is not that of its leaves"),
    ),
    "a tile": (
        "UPDATE tiles SET hashes = set_byte(hashes, 100, get_byte(hashes, 100) # 1)",
        ("I7", "tile 0/0", "is not that of its leaves"),
    ),
    "a tile that is gone": ("DELETE FROM tiles WHERE number = 1", ("I7", "tile 0/1", "is missing")),
    "a checkpoint": (
        "UPDATE checkpoints SET root = sha256('x') WHERE size = 8",
        ("I8", "checkpoint 8", "its root is not that of its leaves"),
    ),
    "a checkpoint's note": (
        "UPDATE checkpoints SET note = replace(note, 'time 2026', 'time 2025') WHERE size = 12",
        ("I8", "checkpoint 12", "was not signed by a key of the log"),
    ),
    "a checkpoint with another's note": (
        (
            "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 4)"
            " WHERE size = 8"
        ),
        ("I8", "checkpoint 8", "was not signed by a key of the log"),
    ),
    "the head": (
        "UPDATE log_head SET root = sha256('x')",
        ("I7", "the log's head", "its root is not that of the leaves"),
    ),
    "a log that claims to be longer": (
        "UPDATE log_head SET size = size + 1",
        ("I7", "the log", "its last leaf is 599, its head says 601 leaves"),
    ),
    "a checkpoint beyond the log": (
        (
            "INSERT INTO checkpoints (size, number, root, at, note)"
            " SELECT 900, 900, root, at, note FROM checkpoints WHERE size = 8"
        ),
        ("I7", "checkpoint 900", "the log has 600 leaves"),
    ),
}


async def test_whatever_is_altered_is_found_and_named(
    stage: Stage, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await fill_log(stage, 600)
    assert await run_fsck(owner) == []
    for what, (statement, finding) in ALTERED.items():
        transaction = owner.transaction(isolation="repeatable_read")
        await transaction.start()
        await owner.execute(statement)
        found = (await audited(owner)).findings
        assert Finding(*finding) in found, f"{what}: {found}"
        await transaction.rollback()


async def audited(connection: "asyncpg.Connection[asyncpg.Record]", since: int = 0) -> AuditResult:
    """Run the audit inside a transaction that is already open."""
    return await audit_within(connection, log_since=since)


async def test_every_checkpoint_that_is_gone_is_missed(
    stage: Stage, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Each checkpoint is deleted in turn: the first, the newest, and checkpoints that no row refers
    to.
    """
    await fill_log(stage, 20)
    rows = await owner.fetch("SELECT number, size FROM checkpoints ORDER BY size")
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    before = 0
    for row in rows:
        transaction = owner.transaction(isolation="repeatable_read")
        await transaction.start()
        await owner.execute("DELETE FROM checkpoints WHERE size = $1", row["size"])
        told = f"is missing: of {len(rows)} that were signed, after that of {before} leaves"
        found = (await audited(owner)).findings
        assert found == [Finding("I8", f"checkpoint number {row['number']}", told)]
        await transaction.rollback()
        before = row["size"]


async def test_one_altered_transfer_is_one_finding(
    stage: Stage, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await fill_log(stage, 100)
    await owner.execute("UPDATE transfers SET receipt = sha256('x') WHERE id IN (2, 75)")
    assert [finding.subject for finding in await run_fsck(owner)] == ["transfer 2", "transfer 75"]


async def test_an_audit_goes_on_where_the_last_one_ended(
    stage: Stage, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await fill_log(stage, 600)
    first = await run_audit(owner, log_most=300)
    assert (first.findings, first.verified) == ([], 300)
    await owner.execute("UPDATE transfers SET receipt = sha256('x') WHERE id IN (2, 450)")
    second = await run_audit(owner, log_since=first.verified)
    assert [finding.subject for finding in second.findings] == ["transfer 450"]
    assert second.verified < 450
    again = await run_audit(owner, log_since=second.verified)
    assert again.findings == second.findings
    whole = await run_audit(owner)
    assert [finding.subject for finding in whole.findings] == ["transfer 2", "transfer 450"]


async def test_a_transfer_that_waits_for_its_leaf_while_others_come_is_found(stage: Stage) -> None:
    await fill_log(stage, 3)
    await post_transfers(stage, 1)
    stage.clock.pass_by(61)
    assert await stage.store.audit() == []
    await post_transfers(stage, 1)
    found = await stage.store.audit()
    assert [(finding.invariant, finding.subject) for finding in found] == [
        ("I7", "transfer 4"),
    ]


async def test_an_entry_whose_account_is_missing_is_not_passed_over(
    stage: Stage, database: PostgresEndpoint
) -> None:
    await fill_log(stage, 3)
    await execute(database.owner_dsn, transfer_between("no debtor", "no creditor"))
    async with sequencing(stage) as ref:
        late = CheckpointLate("the account of a transfer is missing")
        assert await ask_for_checkpoint(ref) == late
    assert (await seen(stage)).head.covered == 3
    assert ("I1", "transfer 4") in {(f.invariant, f.subject) for f in await stage.store.audit()}


async def test_the_log_is_append_only_for_its_owner_too(
    stage: Stage, database: PostgresEndpoint
) -> None:
    await fill_log(stage, 300)
    for table in ("leaves", "tiles", "checkpoints", "log_keys", "epochs"):
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await execute(database.app_dsn, statement)
            with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
                await execute(database.owner_dsn, statement)


EPOCHS_ALTERED = {
    "UPDATE epochs SET leaf = replace(leaf, 'size 999', 'size 998')": ("I7", "leaf 6"),
    "DELETE FROM epochs": ("I7", "leaf 6"),
    "UPDATE log_head SET origin = 'other'": ("I12", "epoch 2"),
    "UPDATE epochs SET leaf_index = 3": ("I12", "epoch 2"),
}


async def epoch_of(stage: Stage, pool: Database) -> EpochRow:
    now = stage.clock.now()
    there = ChainPosition(7, "0x" + "ab" * 20, 999, b"r" * 32, "me", 4)
    return await reopen(
        pool, there, now, lambda row: Act(now, None, "me", "chain.reopen", row.origin, "why")
    )


async def fill_further(stage: Stage, leaves: int) -> None:
    """Add this many leaves and a checkpoint to the log after its name has changed."""
    async with sequencing(stage, batch=4, entries=4) as ref:
        await post_transfers(stage, leaves)
        assert isinstance(await ask_for_checkpoint(ref), CheckpointReady)


async def test_an_epoch_is_a_leaf_like_any_other_and_is_audited(
    stage: Stage, owner: "asyncpg.Connection[asyncpg.Record]", database: PostgresEndpoint
) -> None:
    await fill_log(stage, 6)
    pool = Database(lambda: database.app_dsn)
    row = await epoch_of(stage, pool)
    assert (row.number, row.leaf_index) == (2, 6)
    assert row.origin.startswith(f"{row.leaf.split('origin ')[1].splitlines()[0]}/epoch/2-")
    await fill_further(stage, 4)
    assert await run_fsck(owner) == []
    for statement, finding in EPOCHS_ALTERED.items():
        transaction = owner.transaction(isolation="repeatable_read")
        await transaction.start()
        await owner.execute(statement)
        found = (await audited(owner)).findings
        assert finding in [(one.invariant, one.subject) for one in found], (statement, found)
        await transaction.rollback()
    again = await epoch_of(stage, pool)
    assert (again.number, again.leaf_index) == (3, 11)
    assert f"origin {row.origin}\n" in again.leaf
    await fill_further(stage, 4)
    assert await run_fsck(owner) == []
    await pool.close()
