"""Tests of what the application's role may do to the books, and what no role may do."""

import asyncpg
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import execute

FORBIDDEN = [
    "UPDATE transfers SET amount = 1",
    "DELETE FROM transfers",
    "TRUNCATE transfers CASCADE",
    "ALTER TABLE transfers DISABLE TRIGGER ALL",
    "DROP TRIGGER transfers_append_only ON transfers",
    "DROP TABLE transfers",
    "CREATE OR REPLACE VIEW entries AS SELECT 1 AS entry_id",
    "CREATE TABLE mine (id integer)",
    "DELETE FROM accounts",
    "DELETE FROM holds",
    "DELETE FROM jobs",
    "UPDATE idempotency_keys SET answer = '{}'",
    "UPDATE schema_migrations SET sha256 = ''",
    "UPDATE prices SET units = 0",
    "DELETE FROM purchases",
    "DELETE FROM reversals",
    "UPDATE stripe_events SET outcome = 'IGNORED'",
    "DELETE FROM skus",
    "DELETE FROM prices",
    "TRUNCATE prices",
    "UPDATE audit SET reason = 'another'",
    "DELETE FROM audit",
    "TRUNCATE audit",
    (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RETURN NEW; END'"
    ),
]


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_application_cannot(database: PostgresEndpoint, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(database.app_dsn, statement)


@pytest.mark.parametrize(
    ("table", "column"),
    [("transfers", "amount"), ("prices", "units"), ("audit", "actor")],
)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
async def test_even_the_owner_cannot_change_what_is_written_once(
    database: PostgresEndpoint, table: str, column: str, statement: str
) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=f"{table} is append-only"):
        await execute(database.owner_dsn, statement.format(table, column, column))
