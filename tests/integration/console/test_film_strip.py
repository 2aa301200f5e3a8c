"""The pictures of a job's page: the film strip, the video, and the comparison with another job."""

import html
import re
from uuid import UUID, uuid4

import attrs

from actors.console_hub.messages import Hub, TopicChanged
from actors.ledger.effects import JobInsert, UnitAssign
from actors.ledger.messages import Commit
from sql.job_plan import Inputs, NewUnit
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import insert, pieces_of, with_plan
from tests.integration.console.people import Visitor
from tests.integration.console.test_live_updates import following, frame
from tests.integration.console.work import charge, joined
from tests.support.databases import execute
from tests.support.http_gateway import Face

SMALL = """
INSERT INTO thumbnails (job_id, unit, frame, attempt, picture)
VALUES ('{job}', {unit}, {frame}, 1, decode('ffd8ffe0', 'hex'))
"""
TOOK = """
UPDATE units SET assigned_at = ended_at - interval '10 minutes',
                 started_at = ended_at - interval '10 minutes'
WHERE job_id = '{job}' AND state = 'COMPLETED'
"""
# each frame was delivered half a minute before it was complete
CHECKED = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
                    window_seconds, opened_at, state, verdict, said, decided_at)
SELECT job_id, number, attempt, node_id, 'cpu', true, 70, 60, ended_at - interval '30 seconds',
       'DECIDED', 'exact', '', ended_at
FROM units WHERE job_id = '{job}'
"""
RENDER = "UPDATE jobs SET job_type = 'render' WHERE id = '{job}'"


async def film(face: Face, dsn: str, jane: Visitor, frames: int = 4, done: int = 2) -> UUID:
    """Book a rendering job of frames from 1, of which the first ``done`` are complete."""
    job, node = uuid4(), await joined(dsn)
    pieces = [NewUnit(100, n, str(n + 1)) for n in range(frames)]
    await face.book(pieces_of(job, UUID(jane.id), pieces))
    await execute(dsn, RENDER.format(job=job))
    for unit in range(done):
        await charge(face, job, unit, node, begun=False)
    return job


def stage_of(text: str) -> str:
    """Return the markup of the frame that is shown large."""
    return html.unescape(text.partition('id="stage"')[2].partition("</figure>")[0])


def shown(text: str) -> str:
    return stage_of(text).partition('data-shown="')[2].partition('"')[0]


def words_of(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def strip_of(text: str) -> list[str]:
    strip = text.partition('<ol class="strip"')[2].partition("</ol>")[0]
    return [html.unescape(each) for each in strip.split("<li ")[1:]]


async def test_the_newest_picture_is_on_the_stage_and_each_frame_has_an_address(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await film(face, database.owner_dsn, jane)
    page = f"/console/jobs/{job}"
    _, text = await jane.get(page)
    assert shown(text) == "2", "the frame that was completed last"
    assert f'src="/console/frames/{job}?unit=1&of=1"' in stage_of(text)
    strip = strip_of(text)
    assert [re.findall(r"frame=([0-9]+)", each)[0] for each in strip] == ["1", "2", "3", "4"]
    assert ['aria-current="true"' in each for each in strip] == [False, True, False, False]
    _, text = await jane.get(f"{page}?frame=3")
    assert shown(text) == "3"
    assert "Frame 3 waits for a node." in stage_of(text)
    beside = re.findall(r'rel="(prev|next)" href="([^"]+)"', text)
    assert beside == [("prev", f"{page}?frame=2"), ("next", f"{page}?frame=4")]


async def test_a_picture_that_a_node_sends_is_shown_live_unless_a_frame_is_chosen(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await film(face, database.owner_dsn, jane)
    node = await joined(database.owner_dsn)
    await face.do(UnitAssign(job, 3, 1, node))
    async with following(jane, f"/console/jobs/{job}") as stream:
        assert 'data-shown="2"' in await frame(stream)
        await execute(database.owner_dsn, SMALL.format(job=job, unit=3, frame=4))
        face.gateway.registry.ref(Hub).tell(TopicChanged("jobs"))
        while 'hx-target="#stage"' not in (text := await frame(stream)):
            pass
        assert f'src="/console/previews/{job}?frame=4' in html.unescape(text)
    _, text = await jane.get(f"/console/jobs/{job}?frame=1")
    assert shown(text) == "1"


async def test_the_picture_does_not_go_back_when_an_earlier_frame_is_finished_later(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job, node = await film(face, database.owner_dsn, jane, done=0), await joined(database.owner_dsn)
    await face.do(*[UnitAssign(job, unit, 1, node) for unit in (0, 1, 2)])
    for unit, number in ((2, "3"), (0, "3")):
        await execute(database.owner_dsn, SMALL.format(job=job, unit=unit, frame=unit + 1))
        assert shown((await jane.get(f"/console/jobs/{job}"))[1]) == number
    await charge(face, job, 1, node, begun=True)
    assert shown((await jane.get(f"/console/jobs/{job}"))[1]) == "3"
    await charge(face, job, 3, node, begun=False)
    assert shown((await jane.get(f"/console/jobs/{job}"))[1]) == "4"


async def test_the_time_of_the_verification_is_apart_from_that_of_the_rendering(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await film(face, database.owner_dsn, jane, done=4)
    dsn = database.owner_dsn
    await execute(dsn, TOOK.format(job=job))
    await execute(dsn, CHECKED.format(job=job))
    text = words_of((await jane.get(f"/console/jobs/{job}"))[1])
    assert re.search(r"9 min(?: 30 s)? rendering, 30 s verifying", text), text[:2000]
    assert text.count("rendered in 9 min 30 s, verified in 30 s") >= 4
    assert re.search(r"Verifying .*\+9 min 30 s Completed .*\+30 s", text)
    listed = words_of((await jane.get("/console/jobs"))[1])
    assert re.search(r"10 min 30 s of it verifying", listed)


async def test_a_long_job_has_several_strips(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await film(face, database.owner_dsn, jane, frames=300, done=0)
    page = f"/console/jobs/{job}"
    _, text = await jane.get(page)
    assert len(strip_of(text)) == 256
    assert f'href="{page}?frame=257"' in text
    _, text = await jane.get(f"{page}?frame=299")
    assert (len(strip_of(text)), shown(text)) == (44, "299")
    assert f'href="{page}?frame=1"' in text


async def test_a_video_of_its_frames_is_on_the_page_when_there_is_one(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job, node = await film(face, database.owner_dsn, jane, 2), await joined(database.owner_dsn)
    _, text = await jane.get(f"/console/jobs/{job}")
    assert "<video" not in text
    made = uuid4()
    inputs = Inputs(frames_of=job)
    order = with_plan(insert(UUID(jane.id), made), job_type="video", params={}, inputs=inputs)
    await face.book(Commit((), (order,)))
    _, text = await jane.get(f"/console/jobs/{job}")
    assert "A video is being made" in text
    await charge(face, made, 0, node, begun=False)
    await execute(database.owner_dsn, f"UPDATE jobs SET charged = 10000 WHERE id = '{made}'")
    _, text = await jane.get(f"/console/jobs/{job}")
    assert " charged, and 1 cr for the video" in words_of(text.partition('id="paid"')[2])
    assert (
        f'<video class="result" controls preload="metadata" src="/console/pictures/{made}"' in text
    )


async def test_it_is_rendered_again_with_changes_from_its_parameters(
    face: Face, jane: Visitor
) -> None:
    job = uuid4()
    commit = pieces_of(job, UUID(jane.id), [NewUnit(1, n, str(n + 1)) for n in range(4)])
    (order,) = commit.effects
    assert isinstance(order, JobInsert)
    params = {"width": 640, "height": 360, "samples": 12}
    terms = {"frames": "1-4", "chunk": 2, "pool": "trusted", "max_credits": "7"}
    order = with_plan(order, job_type="render", params=params, **terms)
    await face.book(attrs.evolve(commit, effects=(order,)))
    _, text = await jane.get(f"/console/jobs/{job}")
    (there,) = re.findall(r'href="(/console/jobs/new\?[^"]+)"', text)
    _, text = await jane.get(html.unescape(there))
    filled = {**params, "frames": "1-4", "chunk": "2", "max_credits": "7.0000"}
    for name, value in filled.items():
        assert re.search(rf'name="{name}"[^>]* value="{value}"', text), name
    assert re.search(r'value="trusted"[^>]* (selected|checked)', text)


async def test_the_same_frame_of_two_jobs_of_a_scene_is_compared(
    face: Face, database: PostgresEndpoint, jane: Visitor, ann: Visitor
) -> None:
    dsn = database.owner_dsn
    alone = await film(face, dsn, jane)
    await execute(dsn, f"UPDATE jobs SET payload_ref = 's3://b/other' WHERE id = '{alone}'")
    _, text = await jane.get(f"/console/jobs/{alone}/compare")
    assert "Nothing to compare with" in text
    old, new = await film(face, dsn, jane, done=4), await film(face, dsn, jane, done=4)
    await execute(dsn, f"UPDATE jobs SET name = 'first take' WHERE id = '{old}'")
    assert (
        f'href="/console/jobs/{new}/compare?frame=' in (await jane.get(f"/console/jobs/{new}"))[1]
    )
    for visitor in (jane, ann):
        _, text = await visitor.get(f"/console/jobs/{new}/compare?frame=3")
        pictures = re.findall(r'<img src="([^"]+)"', html.unescape(text.partition("compared")[2]))
        assert pictures == [f"/console/frames/{each}?unit=2&of=1" for each in (old, new)]
        assert str(alone) not in text
        words = f"first take, in 4 parts, {str(old)[:8]}"
        assert f'<option value="{old}" selected><bdi>{words}</bdi>' in text
    _, text = await jane.get(f"/console/jobs/{new}/compare?frame=9")
    assert "The jobs do not both have frame 9." in text
    short = await film(face, dsn, jane, frames=2)
    _, text = await jane.get(f"/console/jobs/{new}/compare?frame=3")
    assert f'value="{old}" selected' in text, "the newest job has no frame 3"
    _, text = await jane.get(f"/console/jobs/{new}/compare")
    assert f'value="{short}" selected' in text
    await execute(dsn, f"UPDATE jobs SET payload_ref = 's3://b/other' WHERE id = '{short}'")
    stranger = f"/console/jobs/{new}/compare?other={alone}"
    assert f'value="{old}" selected' in (await jane.get(stranger))[1]


async def test_when_it_is_done_is_a_time_of_day_and_says_why_it_became_later(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await film(face, database.owner_dsn, jane, frames=20, done=3)
    nodes = [await joined(database.owner_dsn) for _ in range(4)]
    await execute(database.owner_dsn, TOOK.format(job=job))
    for unit, node in enumerate(nodes, 3):
        await face.do(UnitAssign(job, unit, 1, node))
    running = "UPDATE units SET state = 'RUNNING', started_at = now()"
    await execute(database.owner_dsn, f"{running} WHERE job_id = '{job}' AND state = 'DISPATCHED'")
    await execute(database.owner_dsn, f"UPDATE jobs SET status = 'RUNNING' WHERE id = '{job}'")

    async def told() -> tuple[str, list[str]]:
        _, text = await jane.get(f"/console/jobs/{job}")
        said = text.partition('id="eta"')[2].partition("</span>")[0]
        words = re.sub(r"<[^>]+>", "", said.partition(">")[2])
        return words, re.findall(r'class="clock" datetime="([^"]+)"', said)

    words, (first,) = await told()
    assert re.fullmatch(r"done about \d\d:\d\d UTC", words)
    assert await told() == (words, [first])
    back = (
        "UPDATE units SET state = 'QUEUED', node_id = NULL, assigned_at = NULL, started_at = NULL"
    )
    await execute(database.owner_dsn, f"{back} WHERE job_id = '{job}' AND number IN (4, 5, 6)")
    words, (later, earlier) = await told()
    assert words.endswith("fewer nodes work on it now)")
    assert earlier == first < later
