"""Fixture ``stage``: every test runs on the in-memory store and on PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import attrs
import pytest

from sql.access import Access
from sql.audit_log import Act, AuditLog
from sql.database import Database
from sql.payout_rules import PayoutRule, PayoutRules
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.hand_time import (
    HAND_TIME,
    HandDatabase,
    HandHalts,
    HandStore,
)
from tests.integration.conformance.stage import HandClock, Stage, fresh_id
from tests.support.databases import execute, with_database
from tests.support.engines import LoopThread
from tests.twins.store import StoreTwin


@pytest.fixture(scope="session")
def database_template(
    engine_loop: LoopThread, postgres_endpoint: PostgresEndpoint, migrated_database: str
) -> str:
    """Return the name of a template database with the newest schema and functions that set the
    time.
    """
    name, owner = f"{migrated_database}_by_hand", postgres_endpoint.owner_dsn
    copy = f"CREATE DATABASE {name} TEMPLATE {migrated_database} STRATEGY file_copy"
    engine_loop.run(execute(owner, copy))
    engine_loop.run(execute(with_database(owner, name), HAND_TIME))
    return name


# Tests over PostgreSQL do not depend on the version of Python.
@pytest.fixture(params=["twin", pytest.param("postgres", marks=pytest.mark.heavy)])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Yield a stage with an empty store."""
    if request.param == "twin":
        stage = twin_stage()
        yield stage
    else:
        endpoint: PostgresEndpoint = request.getfixturevalue("database")
        database = HandDatabase(lambda: endpoint.app_dsn)
        stage = sql_stage(database)
        yield stage
        await database.close()


def twin_stage() -> Stage:
    clock = HandClock()
    store = StoreTwin(clock)

    async def add_user(user: UUID) -> None:
        """Do nothing: the twin does not know users."""

    async def add_node(node: UUID, seen_at: datetime | None) -> None:
        store.add_node(node, ["render"], seen_at=seen_at)

    async def acts() -> Sequence[Act]:
        return store.acts

    async def own(node: UUID, owner: UUID) -> None:
        store.nodes[node].owner = owner

    async def found(owner: UUID, member: UUID) -> None:
        organisation = fresh_id()
        store.ties = Access.of([(owner, organisation), (member, organisation)])

    async def invite(owner: UUID, _: UUID) -> None:
        store.ties = Access.of([(owner, fresh_id())])

    def halt(is_halted: bool) -> None:
        store.halted = is_halted

    async def set_payout_rule(user: UUID, rule: PayoutRule) -> None:
        store.payout_rules[user] = rule

    return Stage(store, add_user, add_node, acts, own, found, invite, halt, set_payout_rule, clock)


def sql_stage(database: Database) -> Stage:
    """Return a stage over a database; a ``HandDatabase`` takes all times from the hand clock."""

    async def add_user(user: UUID) -> None:
        async with database.connection() as connection:
            await connection.execute(
                "INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, 'x', 'x')",
                *(user, f"{user}@example.org"),
            )

    async def add_node(node: UUID, seen_at: datetime | None) -> None:
        async with database.connection() as connection:
            await connection.execute(
                "INSERT INTO nodes (id, name, public_key, capabilities, status, verified_at,"
                " seen_at) VALUES ($1, 'n', $2, '{render}', 'HEALTHY', now(), $3)",
                *(node, node.bytes * 2, seen_at),
            )

    async def acts() -> Sequence[Act]:
        rows = await AuditLog(database).page(None, None, 1000)
        fields = [field.name for field in attrs.fields(Act)]
        return [Act(**{name: getattr(row, name) for name in fields}) for row in reversed(rows)]

    async def own(node: UUID, owner: UUID) -> None:
        async with database.connection() as connection:
            await connection.execute("UPDATE nodes SET owner_id = $2 WHERE id = $1", node, owner)

    async def found(owner: UUID, member: UUID, *, joins: bool = True) -> None:
        organisation = fresh_id()
        async with database.connection() as connection:
            await connection.execute(
                "INSERT INTO organisations (id, name, created_at) VALUES ($1, $2, now())",
                *(organisation, str(organisation)),
            )
            await connection.executemany(
                "INSERT INTO organisation_members (organisation_id, user_id, role, invited_at,"
                " joined_at) VALUES ($1, $2, $3, now(), CASE WHEN $4 THEN now() END)",
                [(organisation, owner, "owner", True), (organisation, member, "member", joins)],
            )

    async def invite(owner: UUID, stranger: UUID) -> None:
        await found(owner, stranger, joins=False)

    halts = HandHalts(database)
    if isinstance(database, HandDatabase):
        clock = database.clock
        store = SqlStore(database, halts, seconds=lambda: clock.now().timestamp())
    else:
        clock = HandClock()
        store = HandStore(database, clock, halts)
    rules = PayoutRules(database)
    return Stage(store, add_user, add_node, acts, own, found, invite, halts.halt, rules.set, clock)
