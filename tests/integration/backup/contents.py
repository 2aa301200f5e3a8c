"""Complete contents of a database, for comparing two of them."""

from typing import Any

from tests.support.databases import connected

TABLES = """
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE relkind = 'r' AND nspname = 'public' ORDER BY relname
"""
# What a database has beside rows: triggers, rights, checks, indexes and positions of sequences.
BESIDE = {
    "triggers": "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal",
    "rights": (
        "SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants"
        " WHERE table_schema = 'public' AND grantee = 'rendertrust_app'"
    ),
    # Some versions of PostgreSQL count NOT NULL among the checks.
    "checks": (
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
    ),
    "required": (
        "SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class c ON"
        " c.oid = attrelid WHERE attnotnull AND attnum > 0 AND relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace"
    ),
    "indexes": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "sequences": "SELECT sequencename, last_value FROM pg_sequences",
}


async def contents(dsn: str) -> dict[str, list[Any]]:
    """Return all rows of all tables as text, and the schema's objects that ``BESIDE`` lists."""
    async with connected(dsn) as connection:
        found: dict[str, list[Any]] = {}
        for (table,) in await connection.fetch(TABLES):
            rows = await connection.fetch(f"SELECT t::text FROM {table} t")
            found[table] = sorted(row[0] for row in rows)
        for name, query in BESIDE.items():
            found[name] = sorted(tuple(row) for row in await connection.fetch(query))
        return found
