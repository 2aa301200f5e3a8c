"""Tiles of nodes: the pictures that they rendered, the work of the last day, and hardware."""

import re
from uuid import UUID

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.work import joined, worked
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_with, with_ledger

face = face_with(with_ledger)
TILES = "/console/fleet?show=tiles"
SHOT = re.compile(r'<img class="shot" src="(/console/fleet/[^"]+/picture[^"]+)"')
PLACES = (
    "UPDATE units SET assigned_at = now() - interval '{start}',"
    " started_at = now() - interval '{start}', ended_at = now() - interval '{end}'"
)


@pytest.fixture
async def otto(face: Face) -> Visitor:
    return await newcomer(face, email="otto@example.org")


async def rendered(face: Face, dsn: str, creator: Visitor, owner: Visitor) -> UUID:
    """Book three frames of a creator on a node of the owner; the first has a small picture."""
    job = await worked(face, dsn, creator, 3)
    node = await fetchval(dsn, f"SELECT node_id FROM units WHERE job_id = '{job}' LIMIT 1")
    facts = '{"cores": 16, "ram": 68719476736, "blender": "5.2.0"}'
    await execute(
        dsn, f"UPDATE nodes SET owner_id = '{owner.id}', metadata = '{facts}' WHERE id = '{node}'"
    )
    await execute(
        dsn,
        "INSERT INTO thumbnails (job_id, unit, frame, attempt, picture)"
        f" VALUES ('{job}', 0, 1, 1, '\\xffd8ffd9')",
    )
    return UUID(str(node))


async def status_of(visitor: Visitor, picture: str) -> int:
    return int((await visitor.ask("GET", picture.replace("&amp;", "&"))).status)


async def test_a_tile_shows_its_owner_the_newest_picture_and_names_no_creator(
    face: Face, database: PostgresEndpoint, jane: Visitor, ann: Visitor, otto: Visitor
) -> None:
    node = await rendered(face, database.owner_dsn, jane, otto)
    job = await fetchval(database.owner_dsn, "SELECT id FROM jobs")
    for visitor in (otto, ann):
        _, text = await visitor.get(TILES)
        shown = SHOT.search(text)
        assert shown is not None
        assert str(job) not in shown[0]
        assert await status_of(visitor, shown[1]) == 200
    picture = f"/console/fleet/{node}/picture"
    assert await status_of(jane, picture) == 404, "the node is Otto's"
    assert await status_of(otto, f"/console/previews/{job}") == 404, "the job is Jane's"
    _, text = await otto.get(TILES)
    assert ("jane" in text, "frame.png" in text) == (False, False)
    await execute(database.owner_dsn, "UPDATE thumbnails SET attempt = 2")
    assert SHOT.search((await otto.get(TILES))[1]) is None, "another node rendered it"
    assert await status_of(otto, picture) == 404


async def test_a_tile_says_what_the_node_did_and_is(
    face: Face, database: PostgresEndpoint, jane: Visitor, otto: Visitor
) -> None:
    dsn = database.owner_dsn
    node = await rendered(face, dsn, jane, otto)
    # Two frames at once for an hour, and one the day before yesterday.
    await execute(dsn, PLACES.format(start="3 h", end="2 h") + " WHERE number < 2")
    await execute(dsn, PLACES.format(start="50 h", end="48 h") + " WHERE number = 2")
    # An earlier attempt at one of them was started the day before; the last one reported no start.
    earlier = "UPDATE units SET started_at = now() - interval '30 h' WHERE number = 0"
    await execute(dsn, earlier)
    _, text = await otto.get(TILES)
    assert "2 frames, 1.0 h at work" in text
    assert "16 cores · 64.0 GiB · Blender 5.2.0" in text
    assert "2 frames, 1.0 h at work" in (await otto.get(f"/console/fleet/{node}"))[1]


async def test_a_tile_and_the_page_say_that_a_node_fails_often(
    database: PostgresEndpoint, otto: Visitor
) -> None:
    node = await joined(database.owner_dsn, ", owner_id", f", '{otto.id}'")
    await execute(
        database.owner_dsn,
        "UPDATE nodes SET failing_since = now(), failing_reason = '<b>no disk'",
    )
    for path in (TILES, "/console/fleet"):
        assert "fails often" in (await otto.get(path))[1]
    _, text = await otto.get(f"/console/fleet/{node}")
    assert "&lt;b&gt;no disk" in text
    assert "<b>no disk" not in text


@pytest.mark.parametrize(
    ("caught", "is_ended_by_frames"),
    [
        pytest.param("NULL", False, id="by an admin"),
        pytest.param("'KIN'", False, id="a new key"),
        pytest.param("'LIES'", True, id="invalid results"),
    ],
)
async def test_the_overview_names_nodes_that_need_their_owner(
    database: PostgresEndpoint,
    ann: Visitor,
    otto: Visitor,
    *,
    caught: str,
    is_ended_by_frames: bool,
) -> None:
    """The page of a node in quarantine says how that ends."""
    assert "Inbox" not in (await otto.get("/console"))[1]
    node = await joined(database.owner_dsn, ", owner_id", f", '{otto.id}'")
    await execute(
        database.owner_dsn,
        "UPDATE nodes SET failing_since = now(), standing_at = now(), quarantined_at = now(),"
        f" failing_reason = 'no disk', standing = 'QUARANTINED', caught = {caught}",
    )
    _, text = await otto.get("/console")
    assert ("1 node is in quarantine" in text, "1 node fails often" in text) == (True, True)
    assert "1 node is in quarantine" not in (await ann.get("/console"))[1]
    _, text = await otto.get(f"/console/fleet/{node}")
    assert "An admin ends the quarantine" in text
    assert ("--pool mine" in text) is is_ended_by_frames


async def test_strange_metadata_is_no_hardware(database: PostgresEndpoint, otto: Visitor) -> None:
    await joined(database.owner_dsn, ", owner_id", f", '{otto.id}'")
    facts = '{"cores": "<many>", "ram": -5, "gpu": {"a": 1}, "blender": [5]}'
    await execute(database.owner_dsn, f"UPDATE nodes SET metadata = '{facts}'")
    status, text = await otto.get(TILES)
    assert status == 200
    assert "many" not in text
