"""Names of jobs at the HTTP API: given, found, changed, and counted like any other field."""

from typing import Any
from uuid import UUID

import pytest

from sql.job_filters import JobFilter
from sql.jobs import JobViews
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import PASSWORD, Person, register
from tests.integration.web.test_uploads import CONTENT, announce, complete
from tests.support.databases import execute, fetch
from tests.support.http_gateway import Face, face_with, with_scheduler

face = face_with(with_scheduler)
ORDER = {"job_type": "echo", "payload_ref": "s3://bucket/input/Wide shot.blend", "queue": True}


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


@pytest.fixture
async def jane(face: Face) -> Person:
    return await register(face, "jane@example.org")


async def call(
    face: Face, person: Person, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    own = {"Authorization": f"Bearer {person.access}", **headers}
    async with face.client.request(method, f"/api/v1/jobs{path}", json=body, headers=own) as answer:
        return answer.status, await answer.json()


async def submitted(face: Face, person: Person, **more: Any) -> str:
    status, placed = await call(face, person, "POST", "/dispatch", {**ORDER, **more})
    assert status in (200, 202), placed
    return str(placed["job_id"])


async def name_of(face: Face, person: Person, job: str) -> str:
    status, found = await call(face, person, "GET", f"/{job}")
    assert status == 200, found
    return str(found["name"])


async def test_a_job_is_called_as_its_creator_says_or_as_its_scene(
    face: Face, jane: Person
) -> None:
    assert await name_of(face, jane, await submitted(face, jane)) == "Wide shot"
    job = await submitted(face, jane, name="  Nave at dusk \t")
    assert await name_of(face, jane, job) == "Nave at dusk"
    _, listed = await call(face, jane, "GET", "?limit=1")
    assert [one["name"] for one in listed["jobs"]] == ["Nave at dusk"]


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 101, "a\x00b", "a\ud800b", "a\nb", "\u200b", 3, ["a"]]
)
async def test_what_is_no_name_is_refused(face: Face, jane: Person, name: Any) -> None:
    job = await submitted(face, jane)
    for method, path, body in (
        ("POST", "/dispatch", {**ORDER, "name": name}),
        ("PATCH", f"/{job}", {"name": name}),
    ):
        status, refused = await call(face, jane, method, path, body)
        assert status == 422, refused
    assert await name_of(face, jane, job) == "Wide shot"


async def test_jobs_are_found_by_a_part_of_their_names(face: Face, jane: Person) -> None:
    for name in ("Nave 1", "nave 2", "Choir", "100%_done"):
        await submitted(face, jane, name=name)
    eve = await register(face, "eve@example.org")
    await submitted(face, eve, name="Nave of Eve")

    async def found(query: str) -> tuple[list[str], int]:
        status, page = await call(face, jane, "GET", query)
        assert status == 200, page
        return [one["name"] for one in page["jobs"]], page["count"]

    assert await found("?name=NAVE") == (["nave 2", "Nave 1"], 2)
    assert await found("?name=NAVE&limit=1&offset=1") == (["Nave 1"], 2)
    assert await found("?name=%25_") == (["100%_done"], 1)
    assert await found("?name=nave&status=FAILED") == ([], 0)
    _, first = await call(face, jane, "GET", "?name=nave&limit=1")
    assert await found(f"?name=nave&limit=1&after={first['next']}") == (["Nave 1"], 2)
    for bad in ("?name=", f"?name={'x' * 101}", "?name=%00"):
        assert (await call(face, jane, "GET", bad))[0] == 422


async def test_a_search_reads_the_newest_jobs_only(face: Face, jane: Person, dsn: str) -> None:
    """Each query for a name reads at most 10,000 rows of an index, however many jobs there are."""
    job = await submitted(face, jane, name="the first one")
    await execute(
        dsn,
        "INSERT INTO jobs (id, user_id, name, job_type, payload_ref, status, price, completed_at,"
        f" created_at, queued_at, updated_at) SELECT gen_random_uuid(), '{jane.id}', 'later',"
        " 'echo', 's', 'COMPLETED', 0, now(), now() + n * interval '1 second', now(), now()"
        " FROM generate_series(1, 10001) n; ANALYZE jobs",
    )
    _, page = await call(face, jane, "GET", "?name=first")
    assert (page["jobs"], page["count"]) == ([], 0)
    views = JobViews(face.gateway.database)
    wish = JobFilter(words=("first",))
    assert await views.page(UUID(jane.id), wish, "-created", 50, 0) == []
    assert await views.page(None, wish, "-created", 50, 0) == []
    assert sum((await views.counts(UUID(jane.id), wish)).values()) == 0
    assert await name_of(face, jane, job) == "the first one"


async def test_a_job_is_renamed_by_its_owner_even_when_it_has_ended(
    face: Face, jane: Person
) -> None:
    job = await submitted(face, jane)
    status, renamed = await call(face, jane, "PATCH", f"/{job}", {"name": " Nave "})
    assert (status, renamed["name"]) == (200, "Nave")
    eve = await register(face, "eve@example.org")
    assert (await call(face, eve, "PATCH", f"/{job}", {"name": "mine"}))[0] == 404
    assert (await call(face, jane, "POST", f"/{job}/cancel"))[0] == 200
    body = {"name": "Over", "priority": "high"}
    status, refused = await call(face, jane, "PATCH", f"/{job}", body)
    assert status == 409, refused
    assert await name_of(face, jane, job) == "Nave", "all of a request is done, or nothing"
    assert (await call(face, jane, "PATCH", f"/{job}", {"name": "Over"}))[0] == 200
    assert await name_of(face, jane, job) == "Over"
    status, refused = await call(face, jane, "PATCH", f"/{job}", {})
    assert status == 422
    assert "name, priority or max_credits" in refused["detail"]


async def test_a_retry_keeps_the_name(face: Face, jane: Person) -> None:
    job = await submitted(face, jane, name="Nave")
    assert (await call(face, jane, "POST", f"/{job}/cancel"))[0] == 200
    assert (await call(face, jane, "PATCH", f"/{job}", {"name": "Nave 2"}))[0] == 200
    status, placed = await call(face, jane, "POST", f"/{job}/retry")
    assert status in (200, 202), placed
    assert await name_of(face, jane, placed["job_id"]) == "Nave 2"


async def test_a_name_is_a_field_like_any_other_for_an_idempotency_key(
    face: Face, jane: Person
) -> None:
    key = {"Idempotency-Key": "nave"}
    body = {**ORDER, "name": "Nave"}
    _, first = await call(face, jane, "POST", "/dispatch", body, **key)
    _, again = await call(face, jane, "POST", "/dispatch", body, **key)
    assert again == first
    status, refused = await call(face, jane, "POST", "/dispatch", {**ORDER, "name": "Choir"}, **key)
    assert (status, refused["code"]) == (422, "idempotency_conflict")
    status, _ = await call(face, jane, "POST", "/dispatch", ORDER, **key)
    assert status == 422


async def test_a_name_changes_neither_plan_nor_price(face: Face, jane: Person, dsn: str) -> None:
    plain, named = await submitted(face, jane), await submitted(face, jane, name="Nave")
    rows = await fetch(dsn, f"SELECT plan, price FROM jobs WHERE id IN ('{plain}', '{named}')")
    assert rows[0] == rows[1]


async def test_events_tell_the_present_name(face: Face, jane: Person) -> None:
    job = await submitted(face, jane, name="Nave")
    await call(face, jane, "PATCH", f"/{job}", {"name": "Choir"})
    _, page = await call(face, jane, "GET", f"/{job}/events")
    assert {event["job_name"] for event in page["events"]} == {"Choir"}


async def test_a_deleted_account_leaves_no_names_of_jobs(
    face: Face, jane: Person, dsn: str
) -> None:
    job = await submitted(face, jane, name="Jane's flat")
    assert (await call(face, jane, "POST", f"/{job}/cancel"))[0] == 200
    body = {"password": PASSWORD}
    status, answer = await jane.ask("POST", "/api/v1/auth/account/delete", body)
    assert status == 200, answer
    rows = await fetch(dsn, f"SELECT name, plan::text FROM jobs WHERE id = '{job}'")
    assert [row["name"] for row in rows] == ["deleted"]
    assert "flat" not in rows[0]["plan"]


async def test_a_scene_that_was_uploaded_names_its_job_and_its_check(
    face: Face, jane: Person
) -> None:
    headers = {"Authorization": f"Bearer {jane.access}"}
    upload = await announce(face, headers, filename="Wide shot.v2.blend")
    put = upload["put"]
    await face.objects.request("PUT", put["url"], put["headers"], CONTENT)
    assert (await complete(face, headers, upload["id"]))[0] == 200
    scene = {"payload_ref": upload["payload_ref"]}
    job = await submitted(face, jane, **scene, job_type="render", frames="1-2")
    assert await name_of(face, jane, job) == "Wide shot.v2"
    status, look = await call(face, jane, "POST", "/preflight", scene)
    assert status == 202, look
    assert await name_of(face, jane, look["job_id"]) == "Wide shot.v2 check"
