"""A database in which strangers checked each other is migrated: what it says has today's names."""

from uuid import UUID

import asyncpg
import pytest

from actors.ledger.messages import REVENUE, Posted, Transfer, UnitFail, UnitStart, operator_account
from sql.database import Database
from sql.fsck import run_fsck
from sql.migrate import migrate, migrations
from sql.reputation import Record
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.earnings import Work, worked
from tests.integration.conformance.stage import Stage, fresh_id
from tests.support.databases import Connection

BEFORE = 113
FOUND = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
                    window_seconds, opened_at, state, verdict, decided_at, verifier_id, withdrawn)
VALUES ($1, 0, 1, $2, 'cpu', true, 70, 60, now(), 'DECIDED', $3, now(), $4, $5)
"""
WAITS = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
                    window_seconds, opened_at, state, sha256, size)
VALUES ($1, 0, 1, $2, 'cpu', true, 70, 60, now(), 'PENDING', sha256('x'), 1)
"""
PAID = """
INSERT INTO earnings (id, job_id, unit, node_id, operator_id, amount, state, earned_at, payable_at,
                      work, attempt)
VALUES ($1, $2, 0, $3, $4, 5, 'PENDING', now(), now() + interval '7 days', 'CHECK', 1)
"""
NOTED = (
    "INSERT INTO vouchers VALUES ($1, 0, 1, $2, 'cpu', now(), '{0.5,0.5}', '{}')",
    "INSERT INTO second_looks VALUES ($1, 0, 1, $2, 'cpu', now(), true)",
    """INSERT INTO suspicions (job_id, unit, attempt, verifier_id, device_class, word, said, at)
    VALUES ($1, 0, 1, $2, 'cpu', 'mismatch', '5 times the noise', now())""",
    "INSERT INTO verifier_tests VALUES (gen_random_uuid(), $2, 'cpu', $1, 0, 1, true, now())",
)
TRIED = """
WITH made AS (
    INSERT INTO trials VALUES (gen_random_uuid(), $1, 0, 1, 8, '{0.5,0.5,null}', '{0}', now())
    RETURNING id
)
INSERT INTO trial_owners SELECT id, $2, now() FROM made
"""
GONE = "SELECT to_regclass(name) FROM unnest($1::text[]) AS name"
# What each verdict of before is now, and whether it is a strike.
VALID = {"exact": "exact", "match": "consistent", "consistent": "consistent"}
COMPLETE = {**VALID, "unverifiable": "unverifiable", "unchecked": "sampled-out"}
TODAY = {**dict.fromkeys(COMPLETE, False), "mismatch": True, "doubtful": False, "withdrawn": False}


@pytest.fixture(scope="session")
def database_template() -> str:
    """Nothing in it."""
    return "template1"


async def fallen(stage: Stage) -> Work:
    """A unit that went back to the queue."""
    user, node, job = await stage.dispatched(100)
    failed = UnitFail(job, 0, 1, node, "node", "5 times the noise", stage.clock.now())
    assert isinstance(await stage.do(failed), Posted)
    return Work(user, job, node)


async def test_old_verdicts_have_new_names_and_what_was_earned_by_checks_is_kept(
    database: PostgresEndpoint,
) -> None:
    known = migrations()
    await migrate(database.owner_dsn, [one for one in known if one.version <= BEFORE])
    pool = Database(lambda: database.owner_dsn)
    owner = await asyncpg.connect(database.owner_dsn)
    stage = sql_stage(pool)
    operator, verifier = await stage.user(), await stage.node()
    found = {word: await worked(stage, operator) for word in COMPLETE}
    found |= {word: await fallen(stage) for word in ("mismatch", "doubtful", "withdrawn")}
    for word, work in found.items():
        of_scene = word == "withdrawn"
        said, by = "mismatch" if of_scene else word, None if word == "unchecked" else verifier
        await owner.execute(FOUND, work.job, work.node, said, by, of_scene)
    await peers_checked(owner, stage, found["exact"], verifier)
    _, node, waiting = await stage.dispatched(100)
    assert isinstance(await stage.do(UnitStart(waiting, 0, 1, node)), Posted)
    await owner.execute("UPDATE units SET state = 'VERIFYING' WHERE job_id = $1", waiting)
    await owner.execute(WAITS, waiting, node)

    await migrate(database.owner_dsn)

    rows = await owner.fetch("SELECT job_id, verdict, strike FROM checks WHERE state = 'DECIDED'")
    today = {row["job_id"]: (row["verdict"], row["strike"]) for row in rows}
    for word, strike in TODAY.items():
        assert today[found[word].job] == (COMPLETE.get(word, "invalid"), strike), word
    of_checks = "SELECT state FROM earnings WHERE work = 'CHECK'"
    assert [row["state"] for row in await owner.fetch(of_checks)] == ["PAYABLE"]
    tables = ["suspicions", "vouchers", "second_looks", "trials", "trial_owners", "verifier_tests"]
    assert {row[0] for row in await owner.fetch(GONE, tables)} == {None}
    assert await run_fsck(owner) == []
    records = await stage.store.records([work.node for work in found.values()])
    assert {one.node: one.since for one in records} == letters(found)
    assert all(one == Record(one.node, "cpu", False, "", one.since) for one in records)
    [pending] = await stage.store.pending_checks(10)
    assert (pending.row.job_id, pending.row.drawn, pending.row.odds) == (waiting, None, None)
    await owner.close()
    await pool.close()


def letters(found: dict[str, Work]) -> dict[UUID, str]:
    """The record of each node that has one."""
    return {found[word].node: "v" for word in VALID} | {found["mismatch"].node: "m"}


async def peers_checked(owner: Connection, stage: Stage, work: Work, verifier: UUID) -> None:
    """A stranger vouched for a result, was doubted, tried and paid."""
    who = await stage.user()
    for statement in NOTED:
        await owner.execute(statement, work.job, verifier)
    await owner.execute(TRIED, work.job, who)
    account, reference = operator_account(who), f"check:{work.job}:0:1"
    words = "Checked another's work"
    pay = Transfer(REVENUE, account, account, 5, "CHECK", reference, words)
    assert isinstance(await stage.do(postings=(pay,)), Posted)
    await owner.execute(PAID, fresh_id(), work.job, verifier, who)
