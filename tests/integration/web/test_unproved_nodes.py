"""Where a proof is required, registrations that were never proved are removed after a day."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import jwt
import pytest

from actors.sweeper.messages import SweepDue
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_nodes import beat, described, post, prove
from tests.integration.web.test_sweeper import sweeping
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with

OLD = "now() - interval '25 hours'"
# An old node that has been given a unit.
WORKS = """
WITH job AS (
    INSERT INTO jobs (id, user_id, job_type, payload_ref, status, price, created_at, queued_at, updated_at, open_units)
    VALUES (gen_random_uuid(), $user, 'echo', 's3://elsewhere/x', 'DISPATCHED', 0, now(), now(), now(), 1)
    RETURNING id)
INSERT INTO units (job_id, number, state, attempt, node_id, assigned_at, lease_until, price)
SELECT job.id, 0, 'DISPATCHED', 1, n.id, now(), now() + interval '1 hour', 0 FROM job, nodes n WHERE n.id IN $nodes
"""  # noqa: E501


strict = face_with(nodes={"require_proof": True})


@pytest.fixture
def change(database: PostgresEndpoint) -> Callable[..., Awaitable[None]]:
    async def run(statement: str, *nodes: str) -> None:
        names = ", ".join(f"'{node}'" for node in nodes)
        await execute(database.owner_dsn, statement.replace("$nodes", f"({names})"))

    return run


async def swept(face: Face) -> None:
    async with sweeping(face) as sweeper:
        await sweeper.ask(SweepDue(), within=60)


async def is_there(face: Face, node: str) -> bool:
    return await face.gateway.tables.nodes.by_id(UUID(node)) is not None


async def test_what_was_not_proved_within_a_day_is_forgotten(
    strict: Face, change: Callable[..., Awaitable[None]]
) -> None:
    names = ("old", "young", "beats", "beat", "proved", "spoken", "works", "left", "connected")
    nodes = {name: (await post(strict, "register", described()))[1] for name in names}
    ids = {name: str(node["node_id"]) for name, node in nodes.items()}
    assert (await prove(strict, nodes["proved"]))[0] == 200
    for name in ("beats", "beat"):
        assert (await beat(strict, nodes[name]["token"]))[1]["status"] == "REGISTERED"
    aged = [of for name, of in ids.items() if name != "young"]
    await change(f"UPDATE nodes SET created_at = {OLD} WHERE id IN $nodes", *aged)
    await change(f"UPDATE nodes SET seen_at = {OLD} WHERE id IN $nodes", ids["beat"])
    await change("UPDATE nodes SET standing_at = now() WHERE id IN $nodes", ids["spoken"])
    await change("UPDATE nodes SET status = 'OFFLINE' WHERE id IN $nodes", ids["left"])
    token = (await strict.user())["Authorization"][7:]
    user = jwt.decode(token, options={"verify_signature": False})["sub"]
    await change(WORKS.replace("$user", f"'{user}'"), ids["works"])
    await change(
        "INSERT INTO node_connections (id, gateway_id, node_id, address, opened_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), id, '', now() FROM nodes WHERE id IN $nodes",
        ids["connected"],
    )
    await swept(strict)
    there = {name for name, of in ids.items() if await is_there(strict, of)}
    assert there == set(names) - {"old", "beat"}


async def test_where_no_proof_is_required_all_registrations_stay(
    face: Face, change: Callable[..., Awaitable[None]]
) -> None:
    _, node = await post(face, "register", described())
    await change(f"UPDATE nodes SET created_at = {OLD} WHERE id IN $nodes", node["node_id"])
    await swept(face)
    assert await is_there(face, node["node_id"])
