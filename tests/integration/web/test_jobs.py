"""Jobs at the HTTP API: the messages that the actors get, and how their answers are shown."""

import gzip
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from actors.ledger.effects import JobCancel
from actors.ledger.messages import (
    Commit,
    GuardFailed,
    GuardReason,
    InsufficientCredits,
    KeyConflict,
    Posted,
    Replayed,
    RowState,
    UnitState,
)
from actors.notifier.messages import Progress
from actors.scheduler.messages import AllNodesFull, Dispatch, UnitsChanged
from rendertrust.job_status import ReachedStatus
from sql.job_plan import InputFile
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_uploads import CONTENT, announce, complete
from tests.support.databases import execute
from tests.support.http_gateway import Face, Headers, face_over

ORDER = {"job_type": "render", "payload_ref": "s3://bucket/input/scene.blend"}
NODE = uuid4()


async def dispatch(face: Face, user: Headers, **changes: Any) -> tuple[int, dict[str, Any], Any]:
    async with face.client.post(
        "/api/v1/jobs/dispatch", json={**ORDER, **changes}, headers=user
    ) as answer:
        return answer.status, await answer.json(), answer.headers


def asked(face: Face) -> Dispatch:
    return next(m for m in reversed(face.script.seen) if isinstance(m, Dispatch))


def posted(node: UUID | None, status: ReachedStatus) -> Posted:
    return Posted(units=(UnitState(uuid4(), 0, status, 1, node, status),))


async def test_a_dispatch_carries_the_price_and_names_the_node(face: Face, user: Headers) -> None:
    face.script.dispatched = posted(NODE, "DISPATCHED")
    status, body, _ = await dispatch(face, user)
    order = asked(face)
    assert status == 200
    insert, plan = order.insert, order.insert.plan
    assert body == {"job_id": str(insert.job), "node_id": str(NODE), "status": "DISPATCHED"}
    assert (plan.price, plan.params, order.idempotency) == (100_000, {}, None)
    assert not plan.spec.queue
    assert insert.user == UUID(jwt.decode(user["Authorization"][7:], options=UNVERIFIED)["sub"])


UNVERIFIED: Any = {"verify_signature": False}


@pytest.mark.parametrize(
    ("job_type", "price"),
    [("render", 10), ("inference", 5), ("cpu_benchmark", 1), ("echo", 0), ("anything", 1)],
)
async def test_the_price_is_of_the_table(face: Face, job_type: str, price: int) -> None:
    await dispatch(face, await face.user(), job_type=job_type)
    assert asked(face).insert.plan.price == price * 10_000


async def test_what_becomes_of_an_order_is_told_as_the_contract_says(
    face: Face, user: Headers
) -> None:
    status, body, _ = await dispatch(face, user)
    assert (status, body["detail"]) == (400, "No healthy nodes with matching capability")
    face.script.dispatched = InsufficientCredits(25_000, 100_000)
    status, body, _ = await dispatch(face, user)
    assert status == 402
    assert (body["available"], body["requested"]) == ("2.5000", "10.0000")
    face.script.dispatched = AllNodesFull(7)
    status, _, headers = await dispatch(face, user)
    assert (status, headers["Retry-After"]) == (503, "7")
    face.script.dispatched = posted(None, "QUEUED")
    status, body, _ = await dispatch(face, user, queue=True)
    assert (status, body["node_id"], body["status"]) == (202, None, "QUEUED")
    assert asked(face).insert.plan.spec.queue
    face.script.dispatched = GuardFailed("job_insert", GuardReason.ABSENT)
    assert (await dispatch(face, user))[0] == 503


async def test_parameters_of_a_render_are_checked_and_kept(face: Face, user: Headers) -> None:
    params = {"frame": 12, "width": 640, "height": 360, "samples": 16, "format": "PNG"}
    await dispatch(face, user, params=params)
    assert asked(face).insert.plan.params == params
    for wrong, field in (
        ({"frame": "1"}, "params.frame"),
        ({"width": 640}, "params"),
        ({"width": 99_999, "height": 1}, "params.width"),
        ({"format": "GIF"}, "params.format"),
        ({"samples": True}, "params.samples"),
        ({"_input": {}}, "params._input"),
    ):
        status, body, _ = await dispatch(face, user, params=wrong)
        assert status == 422
        assert field in [fault["field"] for fault in body["errors"]]


async def test_parameters_of_other_types_are_free_but_for_ours(face: Face, user: Headers) -> None:
    await dispatch(face, user, job_type="echo", params={"a": [1, {"b": None}]})
    assert asked(face).insert.plan.params == {"a": [1, {"b": None}]}
    for wrong in ({"_input": {"key": "k"}}, {"a": "b" * 10_240}):
        assert (await dispatch(face, user, job_type="echo", params=wrong))[0] == 422


async def test_a_job_may_start_later_within_a_month(face: Face) -> None:
    user, now = await face.user(), datetime.now(UTC)
    start = now + timedelta(days=29)
    await dispatch(face, user, start_after=start.isoformat())
    assert asked(face).insert.plan.spec.start_after == start
    early = now - timedelta(minutes=5)
    await dispatch(face, user, start_after=early.isoformat())
    assert asked(face).insert.plan.spec.start_after == early, "a repeated request may be late"
    past, late = (now + timedelta(days=days) for days in (-1, 32))
    for wrong in (past.isoformat(), late.isoformat(), "2027-01-01T00:00:00", "soon", 5):
        status, body, _ = await dispatch(face, user, start_after=wrong)
        assert status == 422
        assert [fault["field"] for fault in body["errors"]] == ["start_after"]


async def completed_upload(face: Face, user: Headers, content: bytes = CONTENT) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    upload = await announce(face, user, sha256=sha256, size=len(content))
    put = upload["put"]
    await face.objects.request("PUT", put["url"], put["headers"], content)
    await complete(face, user, upload["id"])
    return upload


async def test_an_upload_of_ones_own_becomes_the_input(face: Face, user: Headers) -> None:
    upload = await completed_upload(face, user)
    await dispatch(face, user, payload_ref=upload["payload_ref"], params={"frame": 1})
    plan = asked(face).insert.plan
    assert plan.params == {"frame": 1}
    assert plan.inputs.file == InputFile(
        key=upload["payload_ref"].removeprefix("s3://rendertrust/"),
        path="My Scene.BLEND",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"\x1f\x8b no gzip",
        gzip.compress(b"no scene"),
    ],
    ids=["text", "no gzip", "gzip of text"],
)
async def test_what_is_no_blend_file_is_refused_before_anything_is_held(
    face: Face, user: Headers, content: bytes
) -> None:
    upload = await completed_upload(face, user, content)
    more: dict[str, Any] = {"payload_ref": upload["payload_ref"], "frames": "1-2"}
    status, refused, _ = await dispatch(face, user, **more, as_is=True)
    assert status == 422, refused
    (fault,) = refused["errors"]
    assert (fault["field"], fault["code"]) == ("payload_ref", "not_a_scene")
    assert "no .blend file" in fault["message"]
    assert not [message for message in face.script.seen if isinstance(message, Dispatch)]
    await dispatch(face, user, payload_ref=upload["payload_ref"], job_type="echo")
    assert asked(face).insert.plan.job_type == "echo", "other job types work on any file"


@pytest.mark.parametrize(
    "content",
    [b"BLENDER17-01v0502", gzip.compress(b"BLENDER-v283"), b"\x28\xb5\x2f\xfd and more"],
    ids=["plain", "gzip", "zstd"],
)
async def test_scenes_are_taken_plain_and_compressed(
    face: Face, user: Headers, content: bytes
) -> None:
    upload = await completed_upload(face, user, content)
    await dispatch(face, user, payload_ref=upload["payload_ref"])
    assert asked(face).insert.plan.payload_ref == upload["payload_ref"]


async def test_a_store_that_is_away_keeps_no_job_from_being_submitted(
    face: Face, user: Headers
) -> None:
    upload = await completed_upload(face, user)
    face.objects.away = True
    await dispatch(face, user, payload_ref=upload["payload_ref"])
    assert asked(face).insert.plan.payload_ref == upload["payload_ref"]


async def test_in_our_bucket_only_completed_uploads_of_ones_own_are_taken(face: Face) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    theirs = await completed_upload(face, bob)
    pending = await announce(face, jane, sha256="cd" * 32)
    for reference in (
        theirs["payload_ref"],
        pending["payload_ref"],
        theirs["payload_ref"] + "/../x",
        "s3://rendertrust/results/a",
        "s3://rendertrust/",
        "https://example.org/scene.blend",
        "s3://UPPER/key",
        "scene.blend",
        "s3://bucket/" + "k" * 500,
    ):
        status, body, _ = await dispatch(face, jane, payload_ref=reference)
        assert status == 422, reference
        assert body["errors"][0]["field"] == "payload_ref"


async def test_other_buckets_are_taken_by_a_setting_alone(database: PostgresEndpoint) -> None:
    async with face_over(database, payloads={"external_buckets": "known, other"}) as face:
        user = await face.user()
        for bucket, status in (("known", 400), ("other", 400), ("bucket", 422)):
            found, body, _ = await dispatch(face, user, payload_ref=f"s3://{bucket}/a")
            assert found == status, bucket
        (fault,) = body["errors"]
        assert "the bucket bucket, which this gateway does not accept" in fault["message"]


async def test_an_inactive_user_orders_nothing(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    await sql(database, "UPDATE users SET is_active = false")
    assert (await dispatch(face, user))[0] == 401


# ── idempotency keys ─────────────────────────────────────────────────────────────────────────────


async def test_a_key_and_the_digest_of_the_request_go_along(face: Face) -> None:
    user = {**await face.user(), "Idempotency-Key": "once-1"}
    await dispatch(face, user)
    first = asked(face).idempotency
    await dispatch(face, user)
    assert first == asked(face).idempotency
    await dispatch(face, user, queue=True)
    again = asked(face).idempotency
    assert first is not None
    assert again is not None
    assert (first[0], again[0]) == ("once-1", "once-1")
    assert first[1] != again[1]


async def test_the_first_answer_is_given_again_whatever_has_changed(
    face: Face, database: PostgresEndpoint
) -> None:
    user = {**await face.user(), "Idempotency-Key": "once-1"}
    await dispatch(face, user)
    order = asked(face)
    assert order.idempotency is not None
    first = {"job_id": str(uuid4()), "node_id": str(NODE), "status": "DISPATCHED"}
    kept = json.dumps({"status": 200, "body": first})
    await sql(
        database,
        "INSERT INTO idempotency_keys VALUES ($1, $2, $3, $4, now())",
        *(order.insert.user, *order.idempotency, kept),
    )
    status, body, headers = await dispatch(face, user)
    assert (status, body) == (200, first)
    assert headers["Idempotency-Replayed"] == "true"
    status, body, _ = await dispatch(face, user, queue=True)
    assert status == 422
    assert "another request" in body["detail"]


async def test_two_at_once_are_told_apart_by_the_books(face: Face) -> None:
    user = {**await face.user(), "Idempotency-Key": "once-1"}
    first = {"job_id": str(uuid4()), "node_id": None, "status": "QUEUED"}
    face.script.dispatched = Replayed(answer={"status": 202, "body": first})
    assert (await dispatch(face, user))[:2] == (202, first)
    face.script.dispatched = KeyConflict("once-1")
    assert (await dispatch(face, user))[0] == 422


async def test_a_key_is_visible_ascii(face: Face, user: Headers) -> None:
    for key in ("", "a b", "a" * 256, "k\u00e9"):
        status, body, _ = await dispatch(face, {**user, "Idempotency-Key": key})
        assert status == 422, key
        assert body["errors"][0]["field"] == "Idempotency-Key"


# ── jobs in answers ──────────────────────────────────────────────────────────────────────────────


async def sql(database: PostgresEndpoint, text: str, *args: Any) -> None:
    await execute(database.owner_dsn, text, *args)


async def insert_job(
    database: PostgresEndpoint, user: Headers, status: str, result: str | None = None
) -> UUID:
    """Insert a job into the database, and return its id."""
    job = uuid4()
    owner = UUID(jwt.decode(user["Authorization"][7:], options=UNVERIFIED)["sub"])
    ended = "now(), 0" if status in ("COMPLETED", "FAILED", "CANCELLED") else "NULL, 1"
    await sql(
        database,
        "INSERT INTO jobs (id, user_id, job_type, payload_ref, status, price, result_ref,"
        " created_at, queued_at, updated_at, completed_at, open_units)"
        f" VALUES ($1, $2, 'render', 's3://b/k', $3, 100000, $4, now(), now(), now(), {ended})",
        *(job, owner, status, result),
    )
    return job


async def show(face: Face, user: Headers, path: str) -> tuple[int, dict[str, Any]]:
    async with face.client.get(f"/api/v1/jobs{path}", headers=user) as answer:
        return answer.status, await answer.json()


async def test_jobs_are_listed_newest_first_and_counted_beyond_the_page(
    face: Face, database: PostgresEndpoint
) -> None:
    user, stranger = await face.user(), await face.user("bob@example.org")
    jobs = [
        await insert_job(database, user, status) for status in ("QUEUED", "COMPLETED", "QUEUED")
    ]
    await insert_job(database, stranger, "QUEUED")
    _, listed = await show(face, user, "?limit=2")
    assert [job["id"] for job in listed["jobs"]] == [str(jobs[2]), str(jobs[1])]
    assert listed["count"] == 3
    _, rest = await show(face, user, "?limit=2&offset=2")
    assert [job["id"] for job in rest["jobs"]] == [str(jobs[0])]
    _, queued = await show(face, user, "?status=QUEUED")
    assert (len(queued["jobs"]), queued["count"]) == (2, 2)


async def test_progress_and_amounts_stand_beside_what_the_reference_shows(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    job = await insert_job(database, user, "RUNNING")
    _, shown = await show(face, user, f"/{job}")
    assert (shown["price"], shown["charged"], shown["progress"]) == ("10.0000", "0.0000", None)
    face.script.progress = Progress(job, 0, 1, 0.45)
    assert (await show(face, user, f"/{job}"))[1]["progress"] == 0.45
    for status, progress in (("QUEUED", None), ("COMPLETED", 1.0)):
        other = await insert_job(database, user, status)
        assert (await show(face, user, f"/{other}"))[1]["progress"] == progress


async def test_a_cancel_is_judged_by_the_books_and_told_to_the_scheduler(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    job = await insert_job(database, user, "DISPATCHED")
    units = (UnitState(job, 0, "CANCELLED", 1, NODE, "CANCELLED"),)
    face.script.outcome = Posted(units=units)
    async with face.client.post(f"/api/v1/jobs/{job}/cancel", headers=user) as answer:
        assert answer.status == 200
        assert (await answer.json())["id"] == str(job)
    commit = next(m for m in face.script.seen if isinstance(m, Commit) and m.effects)
    assert isinstance(commit.effects[0], JobCancel)
    assert UnitsChanged(units) in face.script.seen
    face.script.outcome = GuardFailed("job_cancel", RowState.RUNNING)
    async with face.client.post(f"/api/v1/jobs/{job}/cancel", headers=user) as answer:
        assert answer.status == 400
        assert "RUNNING" in (await answer.json())["detail"]


async def test_a_result_is_presigned_where_it_may_be(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    owner = jwt.decode(user["Authorization"][7:], options=UNVERIFIED)["sub"]
    for reference, said in (
        (f"s3://rendertrust/results/{owner}/j/0/1/frame.png", "frame.png"),
        ("s3://results/frame.png", "results/frame.png"),
    ):
        job = await insert_job(database, user, "COMPLETED", reference)
        status, body = await show(face, user, f"/{job}/result")
        assert status == 200
        assert (body["job_id"], body["expires_in"]) == (str(job), 3600)
        assert said in body["download_url"]


@pytest.mark.parametrize(
    ("status", "reference"),
    [
        ("RUNNING", None),
        ("COMPLETED", None),
        ("COMPLETED", "nowhere"),
        ("COMPLETED", "s3://rendertrust/results/550e8400-e29b-41d4-a716-446655440000/frame.png"),
        ("COMPLETED", "s3://rendertrust/uploads/somebody/scene.blend"),
        ("FAILED", "s3://results/frame.png"),
    ],
)
async def test_there_is_no_result_of_anything_else(
    face: Face, user: Headers, database: PostgresEndpoint, status: str, reference: str | None
) -> None:
    job = await insert_job(database, user, status, reference)
    assert (await show(face, user, f"/{job}/result"))[0] == 404


async def test_what_is_not_ones_own_is_not_there(face: Face, database: PostgresEndpoint) -> None:
    user, stranger = await face.user(), await face.user("bob@example.org")
    job = await insert_job(database, user, "COMPLETED", "s3://results/frame.png")
    for path in (f"/{job}", f"/{job}/result"):
        assert (await show(face, stranger, path))[1]["detail"] == "Job not found"
    async with face.client.post(f"/api/v1/jobs/{job}/cancel", headers=stranger) as answer:
        assert answer.status == 404
