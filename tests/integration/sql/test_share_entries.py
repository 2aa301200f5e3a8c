"""Each earning has one entry that pays it, on the account that holds the earning."""

from uuid import UUID

from sql.database import Database
from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.sql.breaks_of_earnings import earnings_of_every_kind

SHARES = """
SELECT e.state, e.amount, count(x.entry_id) AS entries, min(x.amount) AS booked,
       min(a.name) AS account, coalesce('operator:' || e.operator_id, 'suspense') AS expected,
       min(t.kind) AS kind
FROM earnings e
LEFT JOIN share_entries s ON s.share_id = e.id
LEFT JOIN entries x ON x.entry_id = s.entry_id
LEFT JOIN accounts a ON a.id = x.account_id
LEFT JOIN transfers t ON t.id = x.transfer_id
GROUP BY e.id
"""


async def test_every_share_is_paid_by_one_entry_of_its_account(database: PostgresEndpoint) -> None:
    pool = Database(lambda: database.app_dsn)
    await earnings_of_every_kind(sql_stage(pool))
    async with pool.connection() as connection:
        rows = await connection.fetch(SHARES)
    await pool.close()
    for row in rows:
        found = (row["entries"], row["booked"], row["account"])
        assert found == (1, row["amount"], row["expected"]), dict(row)
    assert {row["kind"] for row in rows} == {"EARNING", "CLAIM"}
    assert {row["state"] for row in rows} == {"PENDING", "PAYABLE", "PAID", "REVERSED", "FORFEITED"}


async def test_an_entry_is_looked_up_and_not_looked_for(database: PostgresEndpoint) -> None:
    """The query uses indexes: an operator may have 100,000 earnings, and the books even more
    entries.
    """
    pool = Database(lambda: database.app_dsn)
    async with pool.connection() as connection:
        for way in ("seqscan", "bitmapscan"):  # these plans would be as cheap on a small table
            await connection.execute(f"SET enable_{way} = off")
        asked = "EXPLAIN " + QUERIES["earnings_of_operator"]
        rows = await connection.fetch(asked, UUID(int=1), 101, 0, None, None)
    await pool.close()
    plan = "\n".join(row[0] for row in rows)
    _, _, after = plan.partition("using transfers_subject_kind_reference_key ")
    assert "reference =" in after.split("Index Cond:")[1].splitlines()[0], plan
    assert "Seq Scan on" not in plan
