"""Jobs by their names in the console: the list, the search, renaming, and names of downloads."""

import asyncio
import re
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import UnitAssign, UnitComplete, UnitDeliver, UnitStart
from actors.notifier.messages import Progress
from rendertrust.file_types import attachment
from sql.job_plan import NewUnit
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.s3_signing import DISPOSITION
from tests.integration.conformance.stage import pieces_of
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.test_many_frames import film
from tests.integration.console.work import joined, worked
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face
from tests.support.until import until
from web.console.page_responses import FLASH

PNG = b"\x89PNG\r\n\x1a\n of a frame"


def row_of(text: str, job: UUID) -> str:
    return text.partition(f'id="row-{job}"')[2].partition("</tr>")[0]


def words_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


async def rename(dsn: str, job: UUID, name: str) -> None:
    await execute(dsn, "UPDATE jobs SET name = $2 WHERE id = $1", job, name)


async def test_a_job_is_listed_by_its_name(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane)
    await rename(database.owner_dsn, job, "Nave <b> \u202eksud")
    for path in ("/console/jobs", f"/console/jobs/{job}", "/console"):
        text = (await jane.get(path))[1]
        assert "Nave &lt;b&gt;" in text, path
        assert "\u202e" not in text, path
    row = row_of((await jane.get("/console/jobs"))[1], job)
    assert f'href="/console/jobs/{job}"' in row
    assert str(job)[:8] in words_of(row)
    assert "Completed" in words_of(row)


async def test_the_time_in_the_queue_is_apart_from_the_time_at_work(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    quick, long = [await worked(face, database.owner_dsn, jane) for _ in range(2)]
    times = "created_at = now() - $2::interval, completed_at = now() - interval '1 minute'"
    begun = "started_at = now() - $2::interval"
    for job, created, start in ((quick, 3600, 65), (long, 500, 245)):
        since = timedelta(seconds=created)
        await execute(database.owner_dsn, f"UPDATE jobs SET {times} WHERE id = $1", job, since)
        since = timedelta(seconds=start)
        await execute(database.owner_dsn, f"UPDATE units SET {begun} WHERE job_id = $1", job, since)
    _, text = await jane.get("/console/jobs?sort=-took")
    assert text.index(f'id="row-{long}"') < text.index(f'id="row-{quick}"'), "by work, not waiting"
    assert re.search(r"3 min [45] s after 4 min 1[45] s in the queue", words_of(row_of(text, long)))
    _, text = await jane.get(f"/console/jobs/{long}")
    assert re.search(r"4 min 1[45] s in the queue, 3 min [45] s rendering", words_of(text))


async def test_what_jobs_cost_is_shown_in_money(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane)
    await until(lambda: face.gateway.console.prices.of_credits is not None)
    assert "10 cr ≈ 0.70 USD" in words_of(row_of((await jane.get("/console/jobs"))[1], job))
    assert "10 cr charged ≈ 0.70 USD" in words_of((await jane.get(f"/console/jobs/{job}"))[1])


async def test_a_word_finds_jobs_by_their_names_or_ids(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    one, two = [await worked(face, database.owner_dsn, jane) for _ in range(2)]
    await rename(database.owner_dsn, one, "Nave, wide")
    await rename(database.owner_dsn, two, "Nave, close")

    async def found(q: str) -> set[UUID]:
        status, text = await jane.get(f"/console/jobs?q={q}")
        assert status == 200
        return {UUID(each) for each in re.findall(r'id="row-([0-9a-f-]{36})"', text)}

    assert await found("nave") == {one, two}
    assert await found("WIDE+nave") == {one}
    assert await found("name:close") == {two}
    assert await found(str(two)[:8]) == {two}
    assert await found("nave+status:failed") == set()
    text = (await jane.get("/console/jobs?sort=name"))[1]
    assert text.index(f"row-{two}") < text.index(f"row-{one}")


async def test_a_job_is_renamed_on_its_page(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane)
    page = f"/console/jobs/{job}"
    assert f'action="{page}/rename"' in (await jane.get(page))[1]
    answer = await jane.post(f"{page}/rename", {"name": "  Choir "})
    assert (answer.status, answer.headers["Location"]) == (303, page)
    assert "The job is called Choir." in unquote(answer.cookies[FLASH].value)
    assert "Choir" in (await jane.get(page))[1].partition("<h1>")[2].partition("</h1>")[0]
    for bad in ("", " ", "x" * 101, "a\nb"):
        refused = await jane.post(f"{page}/rename", {"name": bad})
        assert refused.status == 422
        assert "The name must be 1 to 100 characters on one line." in await refused.text()
    eve = await newcomer(face, email="eve@example.org")
    assert (await eve.post(f"{page}/rename", {"name": "mine"})).status == 404
    boss = await newcomer(face, database.owner_dsn, "admin", "boss@example.org")
    assert (await boss.post(f"{page}/rename", {"name": "Nave"})).status == 303
    row = await fetchval(database.owner_dsn, f"SELECT act FROM audit WHERE target = 'job:{job}'")
    assert row == "jobs.rename"


async def test_a_job_at_work_shows_how_far_it_is_and_one_button(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    node = await joined(database.owner_dsn)
    job = await film(face, jane)
    text = row_of((await jane.get("/console/jobs"))[1], job)
    assert "Queued" in words_of(text)
    end = UnitComplete(job, 0, 1, node, None)
    await face.do(UnitAssign(job, 0, 1, node), end, UnitAssign(job, 1, 1, node))
    await face.do(UnitStart(job, 1, 1, node))
    text = row_of((await jane.get("/console/jobs"))[1], job)
    assert "Rendering 33 %" in words_of(text)
    assert "1 of 3" in words_of(text)
    assert re.findall(r'formaction="([^"]+)"', text) == [f"/console/jobs/{job}/pause"]
    back = {"back": "/console/jobs?q=film"}
    answer = await jane.post(f"/console/jobs/{job}/pause", back)
    assert (answer.status, answer.headers["Location"]) == (303, back["back"])
    text = row_of((await jane.get("/console/jobs"))[1], job)
    assert "Paused" in words_of(text)
    assert re.findall(r'formaction="([^"]+)"', text) == [f"/console/jobs/{job}/resume"]
    answer = await jane.post(f"/console/jobs/{job}/resume", {"back": "https://evil.example/"})
    assert answer.headers["Location"] == "/console"


async def test_when_only_verdicts_are_missing_a_job_is_verifying(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    node, job = await joined(database.owner_dsn), uuid4()
    await face.book(pieces_of(job, UUID(jane.id), [NewUnit(100, 0, "1"), NewUnit(100, 1, "2")]))
    for unit in range(2):
        done = UnitDeliver(UnitComplete(job, unit, 1, node, None, verified=True), "cpu")
        await face.do(UnitAssign(job, unit, 1, node), UnitStart(job, unit, 1, node))
        text = row_of((await jane.get("/console/jobs"))[1], job)
        assert "Rendering" in words_of(text)
        await face.do(done)
    # The nodes' last reports came before their deliveries.
    face.script.progress = Progress(job, 0, 1, 0.87, "")
    for path in ("/console/jobs", f"/console/jobs/{job}"):
        text = (await jane.get(path))[1]
        assert "Verifying" in text, path
        assert 'aria-label="Progress' not in text, path
        assert re.search(r"(?<!10)0 %|87 %", text) is None, path
    await execute(
        database.owner_dsn, f"UPDATE nodes SET owner_id = '{jane.id}', status = 'HEALTHY'"
    )
    text = (await jane.get("/console/fleet?show=tiles"))[1]
    assert "delivered: being verified" in text
    assert "0 %" not in text


async def test_a_job_of_one_unit_shows_what_its_node_reports(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane, done=0)
    node = await fetchval(database.owner_dsn, f"SELECT node_id FROM jobs WHERE id = '{job}'")
    await face.do(UnitStart(job, 0, 1, node))
    face.script.progress = Progress(job, 0, 1, 0.349, "")
    row = row_of((await jane.get("/console/jobs"))[1], job)
    assert "Rendering 34 %" in words_of(row)


async def test_checks_and_films_are_under_their_job(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    dsn = database.owner_dsn
    job, film_, look, stray = [await worked(face, dsn, jane, 2) for _ in range(4)]
    sha = "ab" * 32
    file = f'{{"inputs": {{"file": {{"key": "k", "path": "p", "sha256": "{sha}", "size": 1}}}}}}'
    await execute(dsn, f"UPDATE jobs SET plan = '{file}' WHERE id IN ('{job}', '{look}')")
    of = f'{{"inputs": {{"frames_of": "{job}"}}}}'
    await execute(dsn, f"UPDATE jobs SET job_type = 'video', plan = '{of}' WHERE id = '{film_}'")
    await execute(dsn, f"UPDATE jobs SET job_type = 'preflight' WHERE id IN ('{look}', '{stray}')")
    await execute(
        dsn,
        "INSERT INTO preflights (user_id, content, job_id, asked_at) VALUES"
        f" ('{jane.id}', decode('{sha}', 'hex'), '{look}', now())",
    )
    _, text = await jane.get("/console/jobs")
    assert set(re.findall(r'id="row-([0-9a-f-]{36})"', text)) == {str(job)}
    links = re.findall(r'href="/console/jobs/([0-9a-f-]{36})"', row_of(text, job))
    assert set(links) == {str(each) for each in (job, film_, look)}
    assert "All <span" in text
    assert "All 1 Waiting 0" in words_of(text.partition('id="tabs"')[2].partition("</ul>")[0])
    _, text = await jane.get("/console/jobs?q=type:preflight,video")
    rows = set(re.findall(r'id="row-([0-9a-f-]{36})"', text))
    assert rows == {str(each) for each in (film_, look, stray)}
    for part in (film_, look):
        assert f'href="/console/jobs/{job}"' in (await jane.get(f"/console/jobs/{part}"))[1]
        assert f'href="/console/jobs/{part}"' in (await jane.get(f"/console/jobs/{job}"))[1]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Nave", "Nave-0002.png"),
        ("a/b: Größe #1", "a_b_ Größe _1-0002.png"),
        ("CON", "_CON-0002.png"),
    ],
)
async def test_a_frame_is_downloaded_under_the_name_of_its_job(
    face: Face, database: PostgresEndpoint, jane: Visitor, name: str, file: str
) -> None:
    job, node = await film(face, jane), await joined(database.owner_dsn)
    key = f"results/{jane.id}/{job}/1"
    await face.objects.put(key, PNG)
    place = f"s3://{face.gateway.settings.objects.bucket}/{key}"
    await face.do(UnitAssign(job, 1, 1, node), UnitComplete(job, 1, 1, node, place, size=len(PNG)))
    await rename(database.owner_dsn, job, name)
    answer = await jane.ask("GET", f"/console/frames/{job}?unit=1&of=1")
    assert answer.status == 303, await answer.text()
    (told,) = parse_qs(urlsplit(answer.headers["Location"]).query)[DISPOSITION]
    assert told == attachment(file)


async def test_renaming_does_not_get_in_the_way_of_the_ledger(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    """The Ledger and the web write the same row, each its own columns."""
    job, node = uuid4(), await joined(database.owner_dsn)
    units = range(12)
    pieces = [NewUnit(100, number, str(number + 1)) for number in units]
    await face.book(pieces_of(job, UUID(jane.id), pieces))

    async def renames() -> None:
        for number in range(40):
            jobs = face.gateway.tables.jobs
            assert await jobs.rename(job, UUID(jane.id), f"take {number}")

    async def renders(unit: int) -> None:
        await face.do(UnitAssign(job, unit, 1, node))
        await face.do(UnitComplete(job, unit, 1, node, None))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(renames())
        for unit in units:
            tasks.create_task(renders(unit))
    row = await face.gateway.tables.jobs.by_id(job, UUID(jane.id))
    assert row is not None
    assert (row.status, row.done, row.charged, row.name) == ("COMPLETED", 12, 1200, "take 39")
