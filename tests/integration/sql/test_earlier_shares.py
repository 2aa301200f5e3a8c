"""Shares that were booked before there were rows for them: the migration makes these."""

from pathlib import Path

import asyncpg

from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.earnings import share_of, worked

MIGRATION = Path(__file__).resolve().parents[3] / "sql/migrations/0007_earnings.sql"


def backfill() -> str:
    """The statement of the migration that looks back."""
    text = MIGRATION.read_text()
    return text[text.index("INSERT INTO earnings") :].partition(";")[0]


async def test_shares_from_before_are_pending_and_the_books_are_sound(
    database: PostgresEndpoint,
) -> None:
    pool = Database(lambda: database.app_dsn)
    stage = sql_stage(pool)
    operator = await stage.user()
    owned, unowned = await worked(stage, operator), await worked(stage, None)
    await worked(stage, operator, price=1)  # no share
    before = [await share_of(stage, work) for work in (owned, unowned)]
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("DELETE FROM earnings")
    assert {finding.invariant for finding in await stage.store.audit()} == {"I4"}
    await owner.execute(backfill())
    await owner.close()
    assert await stage.store.audit() == []
    for work, was in zip((owned, unowned), before, strict=True):
        share = await share_of(stage, work)
        assert (share.amount, share.state, share.operator_id) == (70, "PENDING", was.operator_id)
        assert (share.node_id, share.earned_at) == (was.node_id, was.earned_at)
        assert (share.payable_at - share.earned_at).days == 7
    await pool.close()
