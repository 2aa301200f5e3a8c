"""A job of many frames on its page: the state of each frame, and changes while the page is open."""

import re
from html import unescape
from uuid import UUID, uuid4

from actors.console_hub.messages import Hub, TopicChanged
from actors.ledger.effects import UnitAssign, UnitComplete, UnitDeliver, UnitFail, UnitStart
from actors.ledger.messages import Commit
from actors.notifier.messages import Progress
from sql.job_plan import NewUnit
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import pieces_of
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.test_live_updates import following, frame
from tests.integration.console.work import joined
from tests.integration.web.earners import fail
from tests.support.databases import execute
from tests.support.http_gateway import Face


async def film(face: Face, jane: Visitor, cap: int | None = None) -> UUID:
    """Submit a job of three frames, which wait."""
    job = uuid4()
    order = pieces_of(job, UUID(jane.id), [NewUnit(100, n, str(n + 1)) for n in range(3)], cap=cap)
    await face.book(order)
    return job


async def test_a_frame_that_runs_says_how_far_it_is(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    node = await joined(database.owner_dsn)
    job = await film(face, jane)
    begin = (UnitAssign(job, 1, 1, node), UnitStart(job, 1, 1, node))
    await face.do(*begin)
    face.script.progress = Progress(job, 1, 1, 0.32, "Sample 96/300")
    _, text = await jane.get(f"/console/jobs/{job}")
    tiles = text.partition('<ul class="frames">')[2].partition("</ul>")[0].split("<li")[1:]
    assert ["32 %" in tile and "Sample 96/300" in tile for tile in tiles] == [False, True, False]
    async with following(jane, f"/console/jobs/{job}") as stream:
        assert "Sample 96/300" in await frame(stream)
        face.script.progress = Progress(job, 1, 1, 0.5, "Sample 150/300")
        face.gateway.registry.ref(Hub).tell(TopicChanged("jobs"))
        while 'hx-target="#frames"' not in (text := await frame(stream)):
            pass
        assert "Sample 150/300" in text
    face.script.progress = Progress(job, 1, 2, 0.9, "of another attempt")
    assert "of another attempt" not in (await jane.get(f"/console/jobs/{job}"))[1]


async def test_what_is_being_checked_says_so(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    node = await joined(database.owner_dsn)
    job = await film(face, jane)
    await face.do(UnitAssign(job, 1, 1, node))
    done = UnitDeliver(UnitComplete(job, 1, 1, node, None, verified=True), "cpu")
    await face.do(done)
    _, text = await jane.get(f"/console/jobs/{job}")
    frames = text.partition('<ul class="frames">')[2].partition("</ul>")[0].split("<li")[1:]
    said = "It was delivered just now, and is charged once verified. The gateway may have"
    assert [said in each for each in frames] == [False, True, False]
    older = "UPDATE checks SET opened_at = opened_at - interval '10 minutes'"
    await execute(database.owner_dsn, older)
    _, text = await jane.get(f"/console/jobs/{job}")
    assert "No verifier that may check it is connected." in text


def steering_form(text: str) -> str:
    """Return the form for priority and cap."""
    return text.partition('aria-labelledby="steer-title"')[2].partition("</section>")[0]


async def test_a_cap_is_changed_and_taken_away(face: Face, jane: Visitor) -> None:
    job = await film(face, jane, cap=350_000)
    page = f"/console/jobs/{job}"
    assert 'value="35"' in steering_form((await jane.get(page))[1])
    form = {"priority": "high", "max_credits": "10.5"}
    assert (await jane.post(f"{page}/change", form)).status == 303
    text = (await jane.get(page))[1]
    assert 'value="10.5"' in steering_form(text)
    assert "<option selected>high" in steering_form(text)
    assert (await jane.post(f"{page}/change", {**form, "max_credits": ""})).status == 303
    text = (await jane.get(page))[1]
    assert 'value=""' in steering_form(text)
    assert "at most" not in text.partition('id="paid"')[2].partition("</p>")[0]


async def test_what_cannot_be_the_cap_is_said_beside_it(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    node = await joined(database.owner_dsn)
    job = await film(face, jane, cap=350_000)
    begin = Commit(effects=(UnitAssign(job, 0, 1, node), UnitStart(job, 0, 1, node)))
    await face.book(begin)
    page = f"/console/jobs/{job}"
    for typed, status, said in (
        ("0", 422, "The cap must be an amount above 0"),
        ("0.001", 409, "The cap is below what the job has already committed."),
    ):
        answer = await jane.post(f"{page}/change", {"priority": "low", "max_credits": typed})
        text = await answer.text()
        assert answer.status == status
        assert said in steering_form(text)
        assert f'value="{typed}"' in steering_form(text), "the refused value stays in the field"
        assert "<option selected>low" in steering_form(text)
        assert "max_credits must" not in text
        assert 'id="live"' not in text, "a live update would remove the refused value"
    assert 'value="35"' in steering_form((await jane.get(page))[1])


async def test_all_frames_that_failed_are_tried_again_at_once(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    """Each place on the page shows the same number of attempts."""
    node = await joined(database.owner_dsn)
    job = await film(face, jane)
    page = f"/console/jobs/{job}"
    assert (await jane.post(f"{page}/retry-failed", {})).status == 409
    for unit in range(3):
        for effect in (
            UnitAssign(job, unit, 1, node),
            UnitFail(job, unit, 1, node, "node", "black"),
        ):
            await face.do(effect)
    text = (await jane.get(page))[1]
    assert "after 3 attempts of all its units together" in text
    assert "Retry all failed" in text
    assert (
        await (await newcomer(face, email="eve@example.org")).post(f"{page}/retry-failed", {})
    ).status == 404
    assert (await jane.post(f"{page}/retry-failed", {})).status == 303
    text = (await jane.get(page))[1]
    assert "Failed units are retried" in text
    assert "Retry all failed" not in text
    _, text = await jane.get("/console/jobs")
    assert "failed" not in text.partition(f'id="row-{job}"')[2].partition("</tr>")[0]


async def test_the_overview_says_how_many_are_paused_and_what_is_held_for_them(
    face: Face, jane: Visitor, ann: Visitor
) -> None:
    assert "Jobs paused" not in (await jane.get("/console"))[1]
    job = await film(face, jane)
    await film(face, jane)
    assert (await jane.post(f"/console/jobs/{job}/pause", {})).status == 303
    for visitor in (jane, ann):
        _, text = await visitor.get("/console")
        figure = text.partition("Jobs paused</a></dt>")
        assert 'href="/console/jobs?q=status:paused"' in figure[0][-80:]
        assert re.sub(r"<[^>]+>", "", figure[2].partition("</dd>")[0]) == "10.03 cr held"


async def failed_film(face: Face, jane: Visitor, price: int, frames: int, rest: int) -> UUID:
    """Submit a job of which all frames failed, and leave Jane ``rest`` units of credit."""
    job = uuid4()
    pieces = [NewUnit(price, number, str(number + 1)) for number in range(frames)]
    await face.book(pieces_of(job, UUID(jane.id), pieces))
    await fail(face, job, *range(frames))
    await face.book(pieces_of(uuid4(), UUID(jane.id), [NewUnit(1_000_000 - rest, 0, "1")]))
    return job


async def states_of(face: Face, job: UUID) -> list[str]:
    return [unit.state for unit in await face.gateway.tables.jobs.unit_page(job, -1, 10)]


async def test_who_has_too_few_credits_to_try_again_is_told_how_many(
    face: Face, jane: Visitor
) -> None:
    job = await failed_film(face, jane, 200_000, 2, 150_000)
    answer = await jane.post(f"/console/jobs/{job}/retry-failed", {})
    text = await answer.text()
    assert answer.status == 402
    assert "This needs 40 credits; you have 15." in text
    link = re.search(r'href="([^"]*)">Buy credits<', text)
    assert link is not None
    there = f"/console/credits?need=25&back=%2Fconsole%2Fjobs%2F{job}"
    assert unescape(link[1]) == there
    assert "Buy <bdi>100 credits</bdi> for 10.00 USD" in (await jane.get(there))[1]
    assert await states_of(face, job) == ["FAILED"] * 2


async def test_as_many_frames_are_tried_again_as_there_are_credits_for(
    face: Face, jane: Visitor
) -> None:
    job = await failed_film(face, jane, 200_000, 4, 500_000)
    assert (await jane.post(f"/console/jobs/{job}/retry-failed", {})).status == 303
    text = (await jane.get(f"/console/jobs/{job}"))[1]
    said = "2 of 4 failed frames are retried, in order. To retry the others, 30 credits more must"
    assert said in text
    assert await states_of(face, job) == ["QUEUED"] * 2 + ["FAILED"] * 2


async def test_what_is_free_is_tried_again_without_credits(face: Face, jane: Visitor) -> None:
    """Jane has no credits left, and both frames cost nothing."""
    job = await failed_film(face, jane, 0, 2, 0)
    assert (await jane.post(f"/console/jobs/{job}/retry-failed", {})).status == 303
    assert "Failed units are retried" in (await jane.get(f"/console/jobs/{job}"))[1]
    assert await states_of(face, job) == ["QUEUED"] * 2
