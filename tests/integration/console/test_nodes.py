"""Nodes as the overview counts them, and one that was shut out."""

import re

from actors.ledger.messages import Posted, UnitAssign, UnitCopy, UnitStart
from sql.fleet import Fleet, Search
from supervisors.engines.postgres import PostgresEndpoint
from tests.databases import execute
from tests.face import Face
from tests.integration.console.people import newcomer
from tests.integration.console.test_live import NODE
from tests.integration.console.work import joined
from tests.integration.web.accounts import register
from tests.integration.web.earners import do, verified_node
from tests.integration.web.test_events import job_of


async def test_who_has_no_node_is_told_of_none(face: Face, database: PostgresEndpoint) -> None:
    jane = await newcomer(face)
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    await joined(database.owner_dsn, ", status", ", 'HEALTHY'")
    _, text = await jane.get("/console")
    assert "odes healthy" not in text, "those of others are not hers, and hers are none"
    assert "<dt>Nodes healthy</dt><dd>1<" in (await ann.get("/console"))[1]
    await execute(database.owner_dsn, NODE)
    assert "<dt>Your nodes healthy</dt><dd>1<" in (await jane.get("/console"))[1]


async def test_a_node_that_is_shut_out_is_not_called_healthy(
    face: Face, database: PostgresEndpoint
) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    gone = await joined(database.owner_dsn, ", status, standing", ", 'HEALTHY', 'REVOKED'")
    for path in (f"/console/fleet/{gone}", "/console/fleet", "/console/fleet?show=tiles"):
        _, text = await ann.get(path)
        badges = re.findall(r'<span class="badge \w+">.*?<span>(\w+)</span></span>', text)
        assert "revoked" in badges, path
        assert "healthy" not in badges, path


async def test_a_node_that_has_a_copy_works_on_it(face: Face, database: PostgresEndpoint) -> None:
    jane = await register(face)
    first, second = await verified_node(face, None), await verified_node(face, None)
    job = await job_of(jane)
    for effect in (
        UnitAssign(job, 0, 1, first),
        UnitStart(job, 0, 1, first),
        UnitCopy(job, 0, 2, second, 1),
    ):
        assert isinstance(await do(face, effect), Posted)
    fleet = Fleet(face.gateway.database)
    found = {node: await fleet.work(node, 10) for node in (first, second)}
    assert [(one.attempt, one.state) for one in found[first]] == [(1, "RUNNING")]
    assert [(one.attempt, one.state) for one in found[second]] == [(2, "DISPATCHED")]
    page = await fleet.page(None, Search(sort="-work"), face.gateway.clock.now(), 10, 0)
    assert {node.id: node.units for node in page} == {first: 1, second: 1}
