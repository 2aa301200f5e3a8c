"""Nodes as people look at them: what each of them works on."""

from collections.abc import AsyncIterator

import pytest

from actors.ledger.messages import Posted, UnitAssign, UnitCopy, UnitStart
from sql.database import Database
from sql.nodes import NodeFilter, NodeViews
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import register
from tests.integration.web.earners import do, verified_node
from tests.integration.web.test_events import job_of
from tests.support.http_gateway import Face, serving, settings_for_tests, with_ledger


@pytest.fixture
async def face(database: PostgresEndpoint) -> AsyncIterator[Face]:
    pool = Database(lambda: database.app_dsn)
    async with serving(pool, settings_for_tests(), with_ledger(pool)) as running:
        yield running
    await pool.close()


async def test_a_node_that_has_a_copy_works_on_it(face: Face) -> None:
    jane = await register(face)
    first, second = await verified_node(face, None), await verified_node(face, None)
    job = await job_of(jane)
    for effect in (
        UnitAssign(job, 0, 1, first),
        UnitStart(job, 0, 1, first),
        UnitCopy(job, 0, 2, second, 1),
    ):
        assert isinstance(await do(face, effect), Posted)
    fleet = NodeViews(face.gateway.database)
    found = {node: await fleet.work(node, 10) for node in (first, second)}
    assert [(one.attempt, one.state) for one in found[first]] == [(1, "RUNNING")]
    assert [(one.attempt, one.state) for one in found[second]] == [(2, "DISPATCHED")]
    page = await fleet.page(None, NodeFilter(sort="-work"), face.gateway.ports.clock.now(), 10, 0)
    assert {node.id: node.units for node in page} == {first: 1, second: 1}
