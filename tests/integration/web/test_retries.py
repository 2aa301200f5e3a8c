"""Retries of jobs: a new job with new holds, created once."""

import asyncio
from typing import Any
from uuid import UUID

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, register, with_role
from tests.integration.web.earners import fail
from tests.support.databases import execute, fetch
from tests.support.http_gateway import Face, face_with, with_scheduler
from tests.support.until import until
from web.jobs.retry import retry_id

ORDER = {"job_type": "render", "payload_ref": "s3://bucket/in.blend", "queue": True}


face = face_with(with_scheduler)


async def make_failed_job(
    face: Face, person: Person, error: str = "the scene has no camera"
) -> str:
    """Submit a job of the user, let it fail for good, and return its id."""
    status, placed = await person.ask("POST", "/api/v1/jobs/dispatch", {**ORDER, "params": {}})
    assert status == 202, placed
    job = UUID(placed["job_id"])
    await fail(face, job, 0, error=error)
    return str(job)


def units(amount: str) -> int:
    return int(amount.replace(".", ""))


async def balance(person: Person) -> tuple[int, int]:
    _, answer = await person.ask("GET", "/api/v1/credits/balance")
    return units(answer["balance"]), units(answer["held"])


async def retry(person: Person, job: str) -> tuple[int, Any]:
    """Retry a job, and ask again while a busy machine answers 503."""
    return await answered(person, f"/api/v1/jobs/{job}/retry", None)


async def answered(person: Person, path: str, body: Any) -> tuple[int, Any]:
    async def ask() -> Any:
        status, answer = await person.ask("POST", path, body)
        return None if status == 503 else (status, answer)

    found: tuple[int, Any] = await until(ask)
    return found


async def test_a_failed_job_is_done_again_as_a_new_one_that_is_held_anew(face: Face) -> None:
    person = await register(face)
    job = await make_failed_job(face, person)
    assert await balance(person) == (1_000_000, 0)
    status, placed = await retry(person, job)
    assert (status, placed["status"]) == (202, "QUEUED")
    assert await balance(person) == (1_000_000, 100_000)
    _, again = await person.ask("GET", f"/api/v1/jobs/{placed['job_id']}")
    assert again["retry_of"] == job
    assert (again["job_type"], again["payload_ref"]) == ("render", ORDER["payload_ref"])
    _, before = await person.ask("GET", f"/api/v1/jobs/{job}")
    assert (before["status"], before["retry_of"]) == ("FAILED", None)


async def test_asked_twice_or_at_once_there_is_one(face: Face) -> None:
    person = await register(face)
    job = await make_failed_job(face, person)
    answers = await asyncio.gather(*(retry(person, job) for _ in range(5)))
    done = {answer["job_id"] for status, answer in answers if status in (200, 202)}
    assert done == {str(retry_id(UUID(job)))}
    assert {status for status, _ in answers} <= {200, 202}
    assert await balance(person) == (1_000_000, 100_000)
    assert (await retry(person, job))[1]["job_id"] in done


async def test_a_retry_that_failed_is_retried_itself(face: Face) -> None:
    person = await register(face)
    job = await make_failed_job(face, person)
    _, first = await retry(person, job)
    await fail(face, UUID(first["job_id"]), 0)
    _, same = await retry(person, job)
    assert (same["job_id"], same["status"]) == (first["job_id"], "FAILED")
    _, second = await retry(person, first["job_id"])
    assert second["job_id"] not in (job, first["job_id"])
    assert await balance(person) == (1_000_000, 100_000)


async def test_what_is_not_over_or_anothers_is_not_retried(face: Face) -> None:
    person, other = await register(face), await register(face, "bob@example.org")
    _, placed = await person.ask("POST", "/api/v1/jobs/dispatch", {**ORDER, "params": {}})
    status, answer = await retry(person, placed["job_id"])
    assert (status, answer["detail"]) == (
        409,
        "Job is QUEUED; only FAILED and CANCELLED jobs are retried",
    )
    job = await make_failed_job(face, person)
    assert (await retry(other, job))[0] == 404
    assert await balance(other) == (1_000_000, 0)


async def test_a_retry_costs_what_it_costs_today(face: Face, database: PostgresEndpoint) -> None:
    person = await register(face)
    job, cheap = await make_failed_job(face, person), await make_failed_job(face, person)
    boss = await with_role(face, database.owner_dsn, "admin")
    raised = "INSERT INTO prices (job_type, units, since, changed_by, reason)"
    await execute(database.owner_dsn, f"{raised} VALUES ('render', 110000, now(), '', '')")
    # A higher price needs the consent of the user who pays, not of an admin.
    path = f"/api/v1/admin/jobs/{job}/retry"
    status, answer = await boss.ask("POST", path, {"reason": "a broken node"})
    assert status == 409
    assert "cost 10 credits, and would cost 11 now" in answer["detail"]
    assert await balance(person) == (1_000_000, 0)
    assert (await retry(person, job))[0] == 202
    assert await balance(person) == (1_000_000, 110_000)
    await execute(database.owner_dsn, f"{raised} VALUES ('render', 50000, now(), '', '')")
    path = f"/api/v1/admin/jobs/{cheap}/retry"
    assert (await answered(boss, path, {"reason": "a broken node"}))[0] == 202
    assert await balance(person) == (1_000_000, 160_000)


async def test_without_credits_nothing_is_retried(face: Face) -> None:
    person = await register(face)
    jobs = [await make_failed_job(face, person) for _ in range(11)]
    statuses = [(await retry(person, job))[0] for job in jobs]
    assert statuses == [202] * 10 + [402]
    assert await balance(person) == (1_000_000, 1_000_000)


async def test_what_an_admin_does_is_written_down(face: Face, database: PostgresEndpoint) -> None:
    person = await register(face)
    job = await make_failed_job(face, person)
    boss = await with_role(face, database.owner_dsn, "admin")
    reason = {"reason": "a broken node"}
    status, placed = await answered(boss, f"/api/v1/admin/jobs/{job}/retry", reason)
    assert status == 202
    status, _ = await boss.ask("POST", f"/api/v1/admin/jobs/{placed['job_id']}/cancel", reason)
    assert status == 200
    assert await balance(person) == (1_000_000, 0)
    rows = [
        tuple(row)
        for row in await fetch(
            database.owner_dsn, "SELECT act, target, reason FROM audit ORDER BY number"
        )
    ]
    assert rows[-2:] == [
        ("jobs.retry", f"job:{job}", "a broken node"),
        ("jobs.cancel", f"job:{placed['job_id']}", "a broken node"),
    ]


async def test_admins_look_for_jobs_by_words(face: Face, database: PostgresEndpoint) -> None:
    person, other = await register(face), await register(face, "bob@example.org")
    job = await make_failed_job(face, person, "no camera in <script>")
    await make_failed_job(face, other)
    boss = await with_role(face, database.owner_dsn, "admin")
    path = "/api/v1/admin/jobs"

    async def found(q: str) -> Any:
        async with face.client.get(
            path, params={"q": q}, headers={"Authorization": f"Bearer {boss.access}"}
        ) as answer:
            return await answer.json()

    for q in (
        "user:jane",
        "error:script status:failed",
        f"id:{job[:8]}",
        job,
        "user:jane since:1h",
    ):
        assert [each["id"] for each in (await found(q))["jobs"]] == [job], q
    assert len((await found("status:failed"))["jobs"]) == 2
    assert (await found("status:completed"))["jobs"] == []
    wrong = await found("stats:failed")
    assert "did you mean “status”" in wrong["detail"]


async def test_attempts_that_came_to_nothing_are_kept(
    face: Face, database: PostgresEndpoint
) -> None:
    """A database trigger records the attempts, whoever takes a unit from its node and why."""
    person = await register(face)
    status, placed = await person.ask("POST", "/api/v1/jobs/dispatch", {**ORDER, "params": {}})
    assert status == 202
    job = placed["job_id"]
    dsn, this = database.owner_dsn, f"WHERE job_id = '{job}'"
    await execute(
        dsn,
        "INSERT INTO nodes (id, name, public_key, capabilities)"
        " VALUES (gen_random_uuid(), 'n', decode(repeat('00', 32), 'hex'), '{render}')",
    )
    for number in (1, 2):
        given = f"attempt = {number}, assigned_at = now(), node_id = (SELECT id FROM nodes)"
        await execute(dsn, f"UPDATE units SET state = 'DISPATCHED', {given} {this}")
        lost = f"state = 'QUEUED', error_message = 'lost {number}'"
        await execute(dsn, f"UPDATE units SET {lost} {this}")
    rows = [
        tuple(row)
        for row in await fetch(
            database.owner_dsn, "SELECT attempt, error FROM attempts ORDER BY attempt"
        )
    ]
    assert rows == [(1, "lost 1"), (2, "lost 2")]


async def test_a_job_of_one_chunk_is_done_again_with_its_frames_at_their_price(face: Face) -> None:
    jane = await register(face, "jane@example.org")
    order = {**ORDER, "params": {}, "frames": "7-9", "chunk": 3}
    status, placed = await jane.ask("POST", "/api/v1/jobs/dispatch", order)
    assert status == 202, placed
    job = UUID(placed["job_id"])
    await fail(face, job, 0)
    status, again = await jane.ask("POST", f"/api/v1/jobs/{job}/retry")
    assert status == 202, again
    _, page = await jane.ask("GET", f"/api/v1/jobs/{again['job_id']}/units")
    (unit,) = page["units"]
    assert (unit["frames"], unit["price"]) == ("7-9", "30.0000")
