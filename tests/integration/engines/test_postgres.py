"""Tests of the embedded PostgreSQL while it runs."""

import asyncpg
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected, execute


async def test_the_owner_makes_tables_and_the_application_uses_what_is_granted(
    database: PostgresEndpoint,
) -> None:
    await execute(
        database.owner_dsn,
        "CREATE TABLE notes (text text); GRANT SELECT, INSERT ON notes TO rendertrust_app",
    )
    await execute(database.app_dsn, "INSERT INTO notes VALUES ('granted')")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(database.app_dsn, "DELETE FROM notes")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(database.app_dsn, "CREATE TABLE mine (text text)")


async def test_each_test_has_a_fresh_database(database: PostgresEndpoint) -> None:
    await execute(database.owner_dsn, "CREATE TABLE notes (text text)")


@pytest.mark.parametrize("role", ["rendertrust", "rendertrust_app"])
async def test_no_role_in_use_is_a_superuser(database: PostgresEndpoint, role: str) -> None:
    async with connected(database.owner_dsn) as connection:
        rights = await connection.fetchrow(
            "SELECT rolsuper, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles "
            "WHERE rolname = $1",
            role,
        )
    assert rights is not None
    assert not any(rights.values())


async def test_a_wrong_password_is_refused(postgres_endpoint: PostgresEndpoint) -> None:
    head, tail = postgres_endpoint.app_dsn.split("@", 1)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"{head.rsplit(':', 1)[0]}:wrong@{tail}")


def test_an_endpoint_shows_no_password(postgres_endpoint: PostgresEndpoint) -> None:
    assert repr(postgres_endpoint) == "PostgresEndpoint()"
