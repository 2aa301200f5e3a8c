"""The page of a job of several units: its timeline, its request, and what can still be changed."""

import html
import re
from uuid import UUID, uuid4

import attrs

from actors.console_hub.messages import Hub, TopicChanged
from actors.ledger.effects import JobInsert, UnitAssign, UnitComplete
from actors.notifier.messages import Notifier, UnitLogLines
from sql.job_plan import NewUnit
from sql.jobs import ConsoleCharges, JobViews
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import pieces_of, tiled, with_plan
from tests.integration.console.people import Visitor
from tests.integration.console.test_live_updates import following, frame
from tests.integration.console.work import charge, joined, worked
from tests.support.databases import execute
from tests.support.http_gateway import Face

LEAF = """
INSERT INTO leaves (leaf_index, transfer, salts, hash)
SELECT {index}, id, sha256('d') || sha256('c'), sha256('h') FROM transfers
WHERE reference = 'job:{job}:{unit}' AND kind = 'USAGE'
"""
TAG = re.compile(r"<[^>]+>")
CHECKPOINT = """
INSERT INTO checkpoints (size, number, root, at, note)
VALUES ({size}, {size}, sha256('r'), now(), 'note')
"""


def read(answer: tuple[int, str]) -> str:
    assert answer[0] == 200
    return answer[1]


def table_text(page: str, name: str) -> str:
    """Return the words of the table inside the element ``name``."""
    body = page.partition(f'id="{name}"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    return " ".join(html.unescape(TAG.sub("", body.replace("</", " </"))).split())


async def test_charges_are_in_the_log_when_the_last_of_them_is(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    dsn, desk = database.owner_dsn, JobViews(face.gateway.database)
    job = await worked(face, dsn, jane, 3, 0)
    assert await desk.charges(job) == ConsoleCharges()
    job = await worked(face, dsn, jane, 3)
    charges = await desk.charges(job)
    entries = await desk.entries(job)
    assert (charges.number, charges.at) == (3, max(entry.created_at for entry in entries))
    for index, unit in enumerate((1, 2)):
        await execute(dsn, LEAF.format(index=index, job=job, unit=unit))
    await execute(dsn, CHECKPOINT.format(size=2))
    assert (await desk.charges(job)).signed_at is None, "one charge has no leaf"
    await execute(dsn, LEAF.format(index=2, job=job, unit=0))
    assert (await desk.charges(job)).signed_at is None, "no checkpoint includes the last leaf"
    await execute(dsn, CHECKPOINT.format(size=3))
    assert (await desk.charges(job)).signed_at is not None
    assert (await desk.charges(job)).anchored_at is None


async def test_the_order_of_several_frames_is_copied_whole(face: Face, jane: Visitor) -> None:
    job = uuid4()
    pieces = [NewUnit(100, turn, frames) for turn, frames in enumerate(("1-2", "3-4", "5"))]
    commit = pieces_of(job, UUID(jane.id), pieces)
    (order,) = commit.effects
    assert isinstance(order, JobInsert)
    commit = attrs.evolve(commit, effects=(with_plan(order, frames="1-5", chunk=2),))
    await face.book(commit)
    _, text = await jane.get(f"/console/jobs/{job}")
    assert "Copy as curl" in text
    said = html.unescape(text)
    assert '"queue":true,"frames":"1-5","chunk":2,"name":"scene"}' in said
    assert "rendertrust keys create NAME" in said


async def test_each_line_says_of_which_frame_and_tile_it_is(
    face: Face, database: PostgresEndpoint, jane: Visitor, ann: Visitor
) -> None:
    """Lines about charges, attempts, units, holds and ledger entries name their frame and tile."""
    job, node = uuid4(), await joined(database.owner_dsn)
    await face.book(tiled(UUID(jane.id), job, (100, 200)))
    await charge(face, job, 1, node)
    await face.do(UnitAssign(job, 3, 1, node))
    page = read(await jane.get(f"/console/jobs/{job}"))
    lines = table_text(page, "money")
    for what, of in (
        ("Held", "frame 1, tile 1 of 2"),
        ("Held", "frame 1, tile 2 of 2"),
        ("Charged", "frame 1, tile 2 of 2"),
        ("Held", "frame 2, tile 1 of 2"),
    ):
        assert f"{what} {of}" in lines
    assert 'id="attempts-title"' not in page, "no unit had a second attempt"
    second = f"UPDATE units SET attempt = 2 WHERE job_id = '{job}' AND number = 1"
    await execute(database.owner_dsn, second)
    page = read(await jane.get(f"/console/jobs/{job}"))
    assert "no. 2 frame 1, tile 2 of 2" in table_text(page, "attempts")
    held = read(await jane.get("/console/credits"))
    assert f"scene {str(job)[:8]} frame 2, tile 2 of 2" in table_text(held, "holds")
    charged = read(await jane.get("/console/ledger?kind=USAGE"))
    assert f"scene {str(job)[:8]} frame 1, tile 2 of 2" in table_text(charged, "rows")
    works = read(await ann.get(f"/console/fleet/{node}"))
    assert "render frame 2, tile 1 of 2, attempt 1" in table_text(works, "work")


async def test_what_a_frame_is_made_of_tiles_by_is_named(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = uuid4()
    node = await joined(database.owner_dsn)
    await face.book(tiled(UUID(jane.id), job, (100, 200), 1))
    for unit in (0, 1):
        await face.do(UnitAssign(job, unit, 1, node))
        done = UnitComplete(job, unit, 1, node, "s3://bucket/tile.exr")
        await face.do(done)
    await face.do(UnitAssign(job, 2, 1, node))
    second = f"UPDATE units SET attempt = 2 WHERE job_id = '{job}' AND number = 2"
    await execute(database.owner_dsn, second)
    page = read(await jane.get(f"/console/jobs/{job}"))
    assert "no. 2 frame 1, put together" in table_text(page, "attempts")


async def test_a_video_says_its_price_before_it_is_made(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = uuid4()
    node = await joined(database.owner_dsn)
    await face.book(pieces_of(job, UUID(jane.id), [NewUnit(1, 0, "1"), NewUnit(1, 1, "2")]))
    await execute(database.owner_dsn, f"UPDATE jobs SET job_type = 'render' WHERE id = '{job}'")
    await face.do(UnitAssign(job, 0, 1, node))
    done = UnitComplete(job, 0, 1, node, "s3://bucket/frame.png")
    await face.do(done)
    assert (await jane.post(f"/console/jobs/{job}/stop", {})).status == 303
    form = (await jane.get(f"/console/jobs/{job}"))[1].partition(f"{job}/video")[2]
    form = form.partition("</form>")[0]
    assert "as a new job. Its price, 1 credit, is held now." in form
    assert "Make a video for 1 cr" in TAG.sub("", form)


async def test_of_a_stopped_job_its_tiles_are_told_and_all_that_is_done_is_a_zip(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = uuid4()
    node = await joined(database.owner_dsn)
    await face.book(tiled(UUID(jane.id), job, (100, 200), 1))
    await face.do(UnitAssign(job, 0, 1, node))
    done = UnitComplete(job, 0, 1, node, "s3://bucket/tile.exr")
    await face.do(done)
    assert "of frames that cannot be completed" not in (await jane.get(f"/console/jobs/{job}"))[1]
    assert (await jane.get(f"/console/archives/{job}"))[0] == 303
    assert "Frames completed so far as zip" in (await jane.get(f"/console/jobs/{job}"))[1]
    assert (await jane.post(f"/console/jobs/{job}/stop", {})).status == 303
    _, text = await jane.get(f"/console/jobs/{job}")
    said = TAG.sub("", text.partition('id="loose">')[2].partition("</p>")[0])
    assert said == (
        "One delivered tile is of a frame that cannot be completed; it cost 0.01 cr."
        " The zip below has it."
    )
    assert f'href="/console/archives/{job}"' in text
    assert "Completed frames as zip" in text


async def test_a_long_jobs_money_says_where_the_rest_of_it_is(face: Face, jane: Visitor) -> None:
    job = uuid4()
    pieces = [NewUnit(1, turn, str(turn + 1)) for turn in range(101)]
    await face.book(pieces_of(job, UUID(jane.id), pieces))
    _, text = await jane.get(f"/console/jobs/{job}")
    assert f'href="/console/ledger?reference={job}"' in text
    assert "Held frame 100" in table_text(read((200, text)), "money")


async def test_an_admin_comes_from_a_job_to_its_user_and_its_node(
    face: Face, database: PostgresEndpoint, jane: Visitor, ann: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane, 1)
    _, text = await ann.get(f"/console/jobs/{job}")
    assert f'href="/console/users/{jane.id}"' in text
    assert re.search(r'by <a href="/console/fleet/[0-9a-f-]{36}"', text)
    assert "<dt>Priority</dt><dd>normal</dd>" in text
    _, text = await jane.get(f"/console/jobs/{job}")
    assert "/console/users/" not in text
    assert not re.search(r"/console/fleet/[0-9a-f-]{36}", text)


async def test_lines_of_the_log_say_of_which_frame_they_are(face: Face, jane: Visitor) -> None:
    job = uuid4()
    notifier = face.gateway.registry.ref(Notifier)
    order = tiled(UUID(jane.id), job, (100, 200))
    await face.book(order)
    notifier.tell(UnitLogLines(job, 4, 2, "an image is missing"))
    notifier.tell(UnitLogLines(job, 0, 1, "Read blend"))
    _, text = await jane.get(f"/console/jobs/{job}")
    log = html.unescape(TAG.sub("", text.partition('<pre class="log"')[2].partition("</pre>")[0]))
    assert "frame 2, tile 2 of 2, attempt 2 an image is missing" in log
    assert "frame 1, tile 1 of 2 Read blend" in log


async def test_what_has_ended_cannot_be_steered_any_more_on_an_open_page(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane, 2, 1)
    _, text = await jane.get(f"/console/jobs/{job}")
    assert "Priority and cap" in text
    async with following(jane, f"/console/jobs/{job}") as stream:
        assert "Priority and cap" in await frame(stream)
        await charge(face, job, 1, await joined(database.owner_dsn))
        face.gateway.registry.ref(Hub).tell(TopicChanged("jobs"))
        while 'hx-target="#steer"' not in (text := await frame(stream)):
            pass
        assert "Priority and cap" not in text


RECEIPT = """
INSERT INTO receipts (job_id, unit, attempt, document, hash, signature, issued_at)
VALUES ('{job}', 0, 1, '{{"format":"rendertrust-receipt-v1"}}', sha256('d'),
        sha256('a') || sha256('b'), now())
"""


async def test_a_receipt_is_fetched_by_who_owns_the_job_alone(
    face: Face, database: PostgresEndpoint, jane: Visitor, ann: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane)
    there = f"/console/receipts/{job}/0"
    assert there not in (await jane.get(f"/console/jobs/{job}"))[1]
    assert (await jane.get(there))[0] == 404
    await execute(database.owner_dsn, RECEIPT.format(job=job))
    link = f'<a href="{there}" download="receipt-{str(job)[:8]}.json">Receipt</a>'
    assert link in (await jane.get(f"/console/jobs/{job}"))[1]
    answer = await jane.ask("GET", there)
    found = await answer.json()
    assert answer.status == 200
    assert found["receipt"] == {"format": "rendertrust-receipt-v1"}
    assert there not in (await ann.get(f"/console/jobs/{job}"))[1]
    assert (await ann.get(there))[0] == 404
