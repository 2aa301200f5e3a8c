"""Estimates of when a job will be done, as its owner sees them."""

from typing import Any
from uuid import UUID

import pytest

from actors.ledger.effects import UnitAssign, UnitComplete, UnitStart
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.earners import do, verified_node
from tests.integration.web.test_units import call, submitted
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with, with_scheduler

face = face_with(with_scheduler)


async def test_the_time_left_is_told_once_enough_units_are_done(
    face: Face, database: PostgresEndpoint
) -> None:
    user, node = await face.user(), await verified_node(face, None)
    job = UUID((await submitted(face, user, frames="1-8"))["id"])

    async def eta() -> Any:
        status, found = await call(face, user, "GET", f"/{job}")
        assert status == 200
        return found["eta_seconds"]

    for number in range(3):
        assert await eta() is None
        await do(face, UnitAssign(job, number, 1, node))
        await do(face, UnitStart(job, number, 1, node))
        await do(face, UnitComplete(job, number, 1, node, "x"))
    assert await eta() is None  # no node works on the job
    await do(face, UnitAssign(job, 3, 1, node))
    await do(face, UnitStart(job, 3, 1, node))
    await execute(
        database.owner_dsn,
        "UPDATE units SET assigned_at = ended_at - interval '1 hour',"
        " started_at = ended_at - interval '1 hour' WHERE state = 'COMPLETED'",
    )
    assert 17_900 < await eta() <= 18_000  # five units of an hour each, one after the other
    _, page = await call(face, user, "GET", "")
    assert page["jobs"][0]["eta_seconds"] is None


async def test_what_lies_in_a_backlog_is_still_to_come(
    face: Face, database: PostgresEndpoint
) -> None:
    """Ten units share one slot: three are done, one is at work, six lie with the node or wait."""
    user, node = await face.user(), await verified_node(face, None)
    job = UUID((await submitted(face, user, frames="1-10"))["id"])
    for number in range(9):
        await do(face, UnitAssign(job, number, 1, node))
    for number in range(3):
        await do(face, UnitStart(job, number, 1, node))
        await do(face, UnitComplete(job, number, 1, node, "x"))
    # One unit every hundred seconds, of which the node reports sixty as work.
    await execute(
        database.owner_dsn,
        "UPDATE units SET assigned_at = now() - interval '1 hour',"
        " ended_at = now() - (2 - number) * interval '100 s',"
        " started_at = now() - (2 - number) * interval '100 s' - interval '60 s' WHERE number < 3",
    )

    async def eta() -> Any:
        return (await call(face, user, "GET", f"/{job}"))[1]["eta_seconds"]

    between = await eta()
    await do(face, UnitStart(job, 3, 1, node))
    mean = (60 + 100 + 100) / 3  # the first unit's waiting time is unknown
    # Time passes during the test; one unit more or less would change the estimate by 87 seconds.
    assert between == pytest.approx(7 * mean, abs=40)
    assert await eta() == pytest.approx(7 * mean, abs=40)
