"""Nodes as the overview counts them, and one that was shut out."""

import re

from supervisors.engines.postgres import PostgresEndpoint
from tests.databases import execute
from tests.face import Face
from tests.integration.console.people import newcomer
from tests.integration.console.test_live import NODE
from tests.integration.console.work import joined


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
