"""Bulk actions on the table of jobs: of an animation, only failed units are retried."""

from urllib.parse import unquote
from uuid import UUID, uuid4

from sql.job_plan import NewUnit
from tests.integration.conformance.stage import dispatch, pieces_of, tiled
from tests.integration.console.people import OWN, Visitor, newcomer
from tests.integration.web.earners import fail
from tests.support.http_gateway import Face, face_with, with_scheduler
from web.console.page_responses import FLASH

SELECTED = "/console/jobs/retry"


face = face_with(with_scheduler)


async def animation(face: Face, jane: Visitor, failed: int) -> UUID:
    """Submit a job of three frames, of which the first ``failed`` failed."""
    job = uuid4()
    pieces = [NewUnit(100, number, str(number + 1)) for number in range(3)]
    await face.book(pieces_of(job, UUID(jane.id), pieces))
    await fail(face, job, *range(failed))
    return job


async def single(face: Face, jane: Visitor) -> UUID:
    """Submit a job of one unit that failed."""
    job = uuid4()
    await face.book(dispatch(UUID(jane.id), job, 100, 1))
    await fail(face, job, 0)
    return job


async def said(visitor: Visitor, path: str, *jobs: UUID) -> str:
    """Select these jobs, press a button, and return the message that follows."""
    form = [("job", str(job)) for job in jobs]
    answer = await visitor.ask("POST", path, data=form, headers=OWN)
    assert answer.status == 303, await answer.text()
    return unquote(answer.cookies[FLASH].value)


async def states(face: Face, job: UUID) -> list[str]:
    return [unit.state for unit in await face.gateway.tables.jobs.unit_page(job, -1, 10)]


async def test_what_failed_of_an_animation_is_tried_again_beside_other_jobs(
    face: Face, jane: Visitor
) -> None:
    film, one = await animation(face, jane, 2), await single(face, jane)
    whole = await animation(face, jane, 0)
    words = await said(jane, SELECTED, film, one, whole)
    assert words == "2 of 3 jobs are retried; 1 cannot be, because no frame of the job failed."
    assert await states(face, film) == ["QUEUED"] * 3
    past = await face.gateway.tables.jobs.past(one, UUID(jane.id))
    assert past is not None
    assert past.retried_by is not None


async def test_a_cancelled_animation_is_said_to_be_submitted_anew(
    face: Face, jane: Visitor
) -> None:
    film = await animation(face, jane, 1)
    assert (await jane.post(f"/console/jobs/{film}/stop", {})).status == 303
    words = await said(jane, SELECTED, film)
    assert words == (
        "The job cannot be retried, "
        "because a cancelled job of several units must be submitted as a new job."
    )


async def test_an_admin_does_so_of_anybodys_and_with_his_reason(
    face: Face, jane: Visitor, ann: Visitor
) -> None:
    film = await animation(face, jane, 3)
    form = {"job": str(film), "reason": "the node was broken"}
    assert (await ann.post(SELECTED, form)).status == 303
    assert await states(face, film) == ["QUEUED"] * 3
    _, audit = await ann.get("/console/settings?tab=audit")
    assert "the node was broken" in audit
    eve = await newcomer(face, email="eve@example.org")
    assert "because job not found" in await said(eve, SELECTED, film)


async def test_the_only_one_leads_to_itself(face: Face, jane: Visitor) -> None:
    film = await animation(face, jane, 1)
    answer = await jane.post(f"/console/jobs/{film}/retry", {})
    assert (answer.status, answer.headers["Location"]) == (303, f"/console/jobs/{film}")
    assert unquote(answer.cookies[FLASH].value) == "Failed units are retried."


async def test_of_an_animation_as_much_is_tried_again_as_there_are_credits_for(
    face: Face, jane: Visitor
) -> None:
    """All failed units of a tiled frame are retried, or none of them."""
    film, job = uuid4(), uuid4()
    await face.book(tiled(UUID(jane.id), film, (100_000, 150_000), 2))
    await fail(face, film, 0, 3)
    await face.book(pieces_of(job, UUID(jane.id), [NewUnit(600_000, 0, "1")]))
    words = await said(jane, SELECTED, film)
    assert words == (
        "1 job is retried. Not all failed units of it are retried: that needs 10 credits more."
    )
    assert await states(face, film) == ["QUEUED"] * 3 + ["FAILED"] * 3
