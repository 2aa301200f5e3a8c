"""Events for several changes of a unit in one batch are the same as if each change came alone."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from actors.ledger.effects import Effect, JobStop, UnitAssign, UnitComplete, UnitFail, UnitRetry
from actors.ledger.messages import Commit, Posted
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.support.event_audit import untold


@pytest.fixture
async def pool(database: PostgresEndpoint) -> AsyncIterator[Database]:
    pool = Database(lambda: database.app_dsn)
    yield pool
    await pool.close()


async def money_events(pool: Database, job: UUID) -> list[tuple[str, int]]:
    """Return the money events of a job; check that every movement of money has its event."""
    async with pool.connection() as connection:
        told = await connection.fetch(
            "SELECT money, amount FROM job_events WHERE job_id = $1 AND money IS NOT NULL"
            " ORDER BY number",
            job,
        )
        assert await untold(connection) == {}
    return [(row["money"], row["amount"]) for row in told]


async def once_failed(stage: Stage) -> tuple[UUID, UUID, UUID]:
    user, node, job = await stage.dispatched()
    assert isinstance(await stage.do(UnitFail(job, 0, 1, node, "scene", "no camera")), Posted)
    return user, node, job


def possible_ends(user: UUID, node: UUID, job: UUID) -> dict[str, list[Effect]]:
    """Return what may follow a requeue in the same batch, by name."""
    assigned = UnitAssign(job, 0, 2, node)
    return {
        "nothing": [],
        "assigned": [assigned],
        "charged": [assigned, UnitComplete(job, 0, 2, node, "x")],
        "free": [assigned, UnitComplete(job, 0, 2, node, "x", free=True)],
        "failed": [assigned, UnitFail(job, 0, 2, node, "scene", "no light")],
        "stopped": [JobStop(job, user)],
    }


HELD_AGAIN = [("held", 100), ("released", 100), ("held", 100)]


@pytest.mark.parametrize(
    ("end", "money"),
    [
        ("nothing", HELD_AGAIN),
        ("assigned", HELD_AGAIN),
        ("charged", [*HELD_AGAIN, ("charged", 100)]),
        ("free", [*HELD_AGAIN, ("released", 100)]),
        ("failed", [*HELD_AGAIN, ("released", 100)]),
        ("stopped", [*HELD_AGAIN, ("released", 100)]),
    ],
)
async def test_a_unit_that_is_tried_again_and_ends_in_one_batch(
    pool: Database, end: str, money: list[tuple[str, int]]
) -> None:
    stage = sql_stage(pool)
    user, node, job = await once_failed(stage)
    effects = [UnitRetry(job, 0, user), *possible_ends(user, node, job)[end]]
    outcomes = await stage.commit(*(Commit((), (effect,)) for effect in effects))
    assert {type(outcome) for outcome in outcomes} == {Posted}
    assert await money_events(pool, job) == money


async def test_a_unit_that_is_submitted_and_given_free_in_one_batch(pool: Database) -> None:
    stage = sql_stage(pool)
    user, node, job = await stage.user(200), await stage.node(), fresh_id()
    free = Commit((), (UnitComplete(job, 0, 1, node, "x", free=True),))
    outcomes = await stage.commit(dispatch(user, job, 100, 1, node), free)
    assert {type(outcome) for outcome in outcomes} == {Posted}
    assert set(await money_events(pool, job)) == {("held", 100), ("released", 100)}
