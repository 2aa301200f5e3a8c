"""A job of many frames on its page: how far each is, and what is changed of it while it is open."""

import re
from uuid import UUID, uuid4

from actors.console_hub.messages import Hub, TopicChanged
from actors.ledger.messages import Commit, Ledger, UnitAssign, UnitFail, UnitStart
from actors.notifier.messages import Progress
from actors.verifier.messages import UnitDeliver
from sql.job_plan import NewUnit
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import pieces_of
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.test_live_updates import following, frame
from tests.integration.console.work import joined
from tests.support.http_gateway import Face


async def film(face: Face, jane: Visitor, cap: int | None = None) -> UUID:
    """A job of hers of three frames, which wait."""
    job = uuid4()
    order = pieces_of(job, UUID(jane.id), [NewUnit(100, n, str(n + 1)) for n in range(3)], cap=cap)
    await face.gateway.registry.ref(Ledger).ask(order, within=60)
    return job


async def test_a_frame_that_runs_says_how_far_it_is(
    with_books: Face, database: PostgresEndpoint
) -> None:
    jane, node = await newcomer(with_books), await joined(database.owner_dsn)
    job = await film(with_books, jane)
    begin = (UnitAssign(job, 1, 1, node), UnitStart(job, 1, 1, node))
    await with_books.gateway.registry.ref(Ledger).ask(Commit(effects=begin), within=60)
    with_books.script.progress = Progress(job, 1, 1, 0.32, "Sample 96/300")
    _, text = await jane.get(f"/console/jobs/{job}")
    tiles = text.partition('<ul class="frames">')[2].partition("</ul>")[0].split("<li")[1:]
    assert ["32 %" in tile and "Sample 96/300" in tile for tile in tiles] == [False, True, False]
    async with following(jane, f"/console/jobs/{job}") as stream:
        assert "Sample 96/300" in await frame(stream)
        with_books.script.progress = Progress(job, 1, 1, 0.5, "Sample 150/300")
        with_books.gateway.registry.ref(Hub).tell(TopicChanged("jobs"))
        while 'hx-target="#frames"' not in (text := await frame(stream)):
            pass
        assert "Sample 150/300" in text
    with_books.script.progress = Progress(job, 1, 2, 0.9, "of another attempt")
    assert "of another attempt" not in (await jane.get(f"/console/jobs/{job}"))[1]


async def test_what_is_being_checked_says_so(with_books: Face, database: PostgresEndpoint) -> None:
    jane, node = await newcomer(with_books), await joined(database.owner_dsn)
    job, ask = await film(with_books, jane), with_books.gateway.registry.ref(Ledger).ask
    await ask(Commit(effects=(UnitAssign(job, 1, 1, node),)), within=60)
    done = UnitDeliver(job, 1, 1, node, "cpu", None, verified=True)
    await ask(Commit(effects=(done,)), within=60)
    _, text = await jane.get(f"/console/jobs/{job}")
    frames = text.partition('<ul class="frames">')[2].partition("</ul>")[0].split("<li")[1:]
    said = "It was delivered just now, and is charged once verified. The gateway may have"
    assert [said in each for each in frames] == [False, True, False]


def steer(text: str) -> str:
    """The form for its priority and its cap."""
    return text.partition('aria-labelledby="steer-title"')[2].partition("</section>")[0]


async def test_a_cap_is_changed_and_taken_away(with_books: Face) -> None:
    jane = await newcomer(with_books)
    job = await film(with_books, jane, cap=350_000)
    page = f"/console/jobs/{job}"
    assert 'value="35"' in steer((await jane.get(page))[1])
    form = {"priority": "high", "max_credits": "10.5"}
    assert (await jane.post(f"{page}/change", form)).status == 303
    text = (await jane.get(page))[1]
    assert 'value="10.5"' in steer(text)
    assert "<option selected>high" in steer(text)
    assert (await jane.post(f"{page}/change", {**form, "max_credits": ""})).status == 303
    text = (await jane.get(page))[1]
    assert 'value=""' in steer(text)
    assert "at most" not in text.partition('id="paid"')[2].partition("</p>")[0]


async def test_what_cannot_be_the_cap_is_said_beside_it(
    with_books: Face, database: PostgresEndpoint
) -> None:
    jane, node = await newcomer(with_books), await joined(database.owner_dsn)
    job = await film(with_books, jane, cap=350_000)
    begin = Commit(effects=(UnitAssign(job, 0, 1, node), UnitStart(job, 0, 1, node)))
    await with_books.gateway.registry.ref(Ledger).ask(begin, within=60)
    page = f"/console/jobs/{job}"
    for typed, status, said in (
        ("0", 422, "The cap must be an amount above 0"),
        ("0.001", 409, "The cap is below what the job has already committed."),
    ):
        answer = await jane.post(f"{page}/change", {"priority": "low", "max_credits": typed})
        text = await answer.text()
        assert answer.status == status
        assert said in steer(text)
        assert f'value="{typed}"' in steer(text), "it is there to be mended"
        assert "<option selected>low" in steer(text)
        assert "max_credits must" not in text
        assert 'id="live"' not in text, "what is pushed would take it away"
    assert 'value="35"' in steer((await jane.get(page))[1])


async def test_all_frames_that_failed_are_tried_again_at_once(
    with_books: Face, database: PostgresEndpoint
) -> None:
    """And how often all were tried is one number, wherever it stands."""
    jane, node = await newcomer(with_books), await joined(database.owner_dsn)
    job = await film(with_books, jane)
    page, ledger = f"/console/jobs/{job}", with_books.gateway.registry.ref(Ledger)
    assert (await jane.post(f"{page}/retry-failed", {})).status == 409
    for unit in range(3):
        for effect in (
            UnitAssign(job, unit, 1, node),
            UnitFail(job, unit, 1, node, "node", "black"),
        ):
            await ledger.ask(Commit(effects=(effect,)), within=60)
    text = (await jane.get(page))[1]
    assert "after 3 attempts of all its units together" in text
    assert "Retry all failed" in text
    assert (
        await (await newcomer(with_books, email="eve@example.org")).post(f"{page}/retry-failed", {})
    ).status == 404
    assert (await jane.post(f"{page}/retry-failed", {})).status == 303
    text = (await jane.get(page))[1]
    assert "Failed units are retried" in text
    assert "Retry all failed" not in text
    _, text = await jane.get("/console/jobs")
    assert "failed" not in text.partition(f'id="row-{job}"')[2].partition("</tr>")[0]


async def test_the_overview_says_how_many_are_paused_and_what_is_held_for_them(
    with_books: Face, database: PostgresEndpoint
) -> None:
    jane = await newcomer(with_books)
    ann = await newcomer(with_books, database.owner_dsn, "admin", "ann@example.org")
    assert "Jobs paused" not in (await jane.get("/console"))[1]
    job = await film(with_books, jane)
    await film(with_books, jane)
    assert (await jane.post(f"/console/jobs/{job}/pause", {})).status == 303
    for visitor in (jane, ann):
        _, text = await visitor.get("/console")
        figure = text.partition("Jobs paused</a></dt>")
        assert 'href="/console/jobs?q=status:paused"' in figure[0][-80:]
        assert re.sub(r"<[^>]+>", "", figure[2].partition("</dd>")[0]) == "10.0300 cr held"


async def failed_film(face: Face, jane: Visitor, price: int, frames: int, rest: int) -> UUID:
    """A job of which all frames failed; of her credits she has ``rest`` units."""
    job, ledger = uuid4(), face.gateway.registry.ref(Ledger)
    pieces = [NewUnit(price, number, str(number + 1)) for number in range(frames)]
    await ledger.ask(pieces_of(job, UUID(jane.id), pieces), within=60)
    for unit in range(frames):
        end = UnitFail(job, unit, attempt=None, node=None, error_class="scene", error="black")
        await ledger.ask(Commit(effects=(end,)), within=60)
    other = pieces_of(uuid4(), UUID(jane.id), [NewUnit(1_000_000 - rest, 0, "1")])
    await ledger.ask(other, within=60)
    return job


async def states_of(face: Face, job: UUID) -> list[str]:
    return [unit.state for unit in await face.gateway.tables.jobs.unit_page(job, -1, 10)]


async def test_who_has_too_few_credits_to_try_again_is_told_how_many(with_books: Face) -> None:
    jane = await newcomer(with_books)
    job = await failed_film(with_books, jane, 200_000, 2, 150_000)
    answer = await jane.post(f"/console/jobs/{job}/retry-failed", {})
    text = await answer.text()
    assert answer.status == 402
    assert "This needs 40.0000 credits; you have 15.0000." in text
    assert 'href="/console/credits"' in text.partition('<section class="problem"')[2]
    assert await states_of(with_books, job) == ["FAILED"] * 2


async def test_as_many_frames_are_tried_again_as_there_are_credits_for(with_books: Face) -> None:
    jane = await newcomer(with_books)
    job = await failed_film(with_books, jane, 200_000, 4, 500_000)
    assert (await jane.post(f"/console/jobs/{job}/retry-failed", {})).status == 303
    text = (await jane.get(f"/console/jobs/{job}"))[1]
    said = "2 of 4 that failed are tried again, in their order; for the rest 30.0000 credits are"
    assert f"{said} missing." in text
    assert await states_of(with_books, job) == ["QUEUED"] * 2 + ["FAILED"] * 2


async def test_what_is_free_is_tried_again_without_credits(with_books: Face) -> None:
    """And frames that need what is not there keep no other from it but those that come later."""
    jane = await newcomer(with_books)
    job = await failed_film(with_books, jane, 0, 2, 0)
    assert (await jane.post(f"/console/jobs/{job}/retry-failed", {})).status == 303
    assert "Failed units are retried" in (await jane.get(f"/console/jobs/{job}"))[1]
    assert await states_of(with_books, job) == ["QUEUED"] * 2
