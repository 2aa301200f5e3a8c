"""Retention: expired files are removed, files in use stay, and a user over quota is told what to
do.
"""

import hashlib
from typing import Any
from uuid import UUID

from actors.ledger.effects import UnitComplete, UnitFail
from actors.ledger.messages import Posted
from rendertrust.manifest import Manifest, ManifestEntry
from sql.units import beside, result_key, sheet_key
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import signed_in
from tests.integration.web.accounts import Person, with_role
from tests.integration.web.earners import fail
from tests.integration.web.test_fleet import beat, node_of
from tests.integration.web.test_manifests import sent
from tests.integration.web.test_uploads import NEW
from tests.support.databases import execute
from tests.support.http_gateway import Face, Headers, face_with, with_scheduler
from tests.support.sweeping import remove_expired
from tests.support.until import until

Json = dict[str, Any]


face = face_with(with_scheduler, retention={"quota_gib": 1})


async def call(
    face: Face, user: Headers, method: str, path: str, body: Any = None
) -> tuple[int, Any]:
    async with face.client.request(method, path, json=body, headers=user) as answer:
        return answer.status, await answer.json()


async def submitted(face: Face, user: Headers, scene: Json, **more: Any) -> str:
    """Submit a job, and ask a busy gateway again; return the job's id."""

    async def placed() -> str | None:
        body = {"job_type": "echo", "payload_ref": scene["payload_ref"], "queue": True, **more}
        status, found = await call(face, user, "POST", "/api/v1/jobs/dispatch", body)
        return None if status == 503 else str(found["job_id"])

    found: str | None = await until(placed)
    assert found is not None
    return found


async def pass_days(database: PostgresEndpoint, days: int) -> None:
    """Make uploads and completed jobs this many days older."""
    for column in ("uploads SET used_at = used_at", "jobs SET completed_at = completed_at"):
        await execute(database.owner_dsn, f"UPDATE {column} - interval '{days} days'")


async def is_there(face: Face, user: Headers, upload: Json) -> bool:
    status, _ = await call(face, user, "GET", f"/api/v1/uploads/{upload['id']}")
    key = upload["payload_ref"].removeprefix("s3://rendertrust/")
    kept = await face.gateway.ports.objects.head(key)
    assert (status == 200) == (kept is not None)
    return status == 200


async def finish(face: Face, job: str, node: str, key: str) -> None:
    """Complete a job as its node does, with an object in the store."""
    await face.gateway.ports.objects.put(key, b"a picture")
    reference = f"s3://rendertrust/{key}"
    sha256 = hashlib.sha256(b"a picture").digest()
    done = UnitComplete(UUID(job), 0, 1, UUID(node), result_ref=reference, sha256=sha256, size=9)
    outcome = await face.do(done)
    assert isinstance(outcome, Posted)


async def test_an_input_goes_thirty_days_after_it_was_last_used(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    scene = await sent(face, user, b"a scene", "a.blend")
    await pass_days(database, 29)
    await remove_expired(face.gateway)
    assert await is_there(face, user, scene)
    job = await submitted(face, user, scene)
    assert (await call(face, user, "POST", f"/api/v1/jobs/{job}/cancel"))[0] == 200
    await pass_days(database, 29)
    await remove_expired(face.gateway)
    assert await is_there(face, user, scene)
    await pass_days(database, 2)
    await remove_expired(face.gateway)
    assert not await is_there(face, user, scene)
    status, refused = await call(face, user, "POST", f"/api/v1/jobs/{job}/retry")
    assert (status, "expired" in refused["detail"]) == (409, True)
    again = await sent(face, user, b"a scene", "a.blend")
    assert again["id"] != scene["id"]


async def test_what_an_open_job_needs_stays_each_file_of_it(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    scene = await sent(face, user, b"BLENDER", "a.blend")
    wood = await sent(face, user, b"wood", "wood.png")
    other = await sent(face, user, b"other", "other.png")
    files = tuple(
        ManifestEntry(path, sha256=up["sha256"], size=up["size"], place=up["id"])
        for path, up in (("a.blend", scene), ("wood.png", wood))
    )
    listed = await sent(face, user, Manifest("a.blend", files).written("upload"), "m.json")
    job = await submitted(face, user, scene, manifest=listed["payload_ref"])
    await pass_days(database, 400)
    await remove_expired(face.gateway)
    assert await is_there(face, user, scene)
    assert await is_there(face, user, wood)
    assert not await is_there(face, user, other)
    path = f"/api/v1/uploads/{wood['id']}"
    assert (await call(face, user, "DELETE", path))[0] == 409
    assert (await call(face, user, "POST", f"/api/v1/jobs/{job}/cancel"))[0] == 200
    assert (await call(face, user, "DELETE", path))[0] == 200
    assert not await is_there(face, user, wood)
    assert (await call(face, user, "POST", f"/api/v1/jobs/{job}/retry"))[0] == 409
    await remove_expired(face.gateway)
    assert not await is_there(face, user, scene)


async def test_no_unit_is_tried_again_without_its_inputs(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    boss = await with_role(face, database.owner_dsn, "admin")
    browser = await signed_in(face, "jane@example.org")
    scene = await sent(face, jane, b"a scene", "a.blend")
    job = await submitted(face, jane, scene, frames="1-3")
    await fail(face, UUID(job), 0, 1, 2)
    page, retry = f"/console/jobs/{job}", f"/api/v1/jobs/{job}/units/0/retry"
    await pass_days(database, 29)
    assert (await browser.post(f"{page}/retry-unit", {"unit": "0"})).status == 303
    await fail(face, UUID(job), 0)
    await pass_days(database, 29)
    await remove_expired(face.gateway)
    assert await is_there(face, jane, scene), "the retry used the input"
    await pass_days(database, 2)
    await remove_expired(face.gateway)
    assert not await is_there(face, jane, scene)
    for verb, form in (("retry-unit", {"unit": "0"}), ("retry-failed", {}), ("retry", {})):
        answer = await browser.post(f"{page}/{verb}", form)
        assert (answer.status, "input has expired" in await answer.text()) == (409, True), verb
    body = {"ids": [job], "reason": "a broken node"}
    _, done = await boss.ask("POST", "/api/v1/admin/dead-letters/jobs/retry", body)
    assert (done["done"], len(done["refused"])) == ([], 1)
    assert (await call(face, jane, "POST", retry))[0] == 409
    assert (await call(face, bob, "POST", retry))[0] == 404
    _, balance = await call(face, jane, "GET", "/api/v1/credits/balance")
    assert balance["held"] == "0.0000"


async def test_a_result_goes_ninety_days_after_its_job_ended(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    node = await node_of(face, None)
    assert await beat(face, node) == 200
    scene = await sent(face, user, b"a scene", "a.blend")
    job = await submitted(face, user, scene)
    _, row = await call(face, user, "GET", f"/api/v1/jobs/{job}")
    key = "/".join(("results", await user_of(face, user), job, "0", "1", "frame.png"))
    await finish(face, job, str(row["node_id"]), key)
    await face.gateway.ports.objects.put(beside(key), b"its evidence")
    await face.gateway.ports.objects.put(sheet_key(key), b"its comparison sheet")
    await pass_days(database, 89)
    await remove_expired(face.gateway)
    assert (await call(face, user, "GET", f"/api/v1/jobs/{job}/result"))[0] == 200
    await pass_days(database, 2)
    await remove_expired(face.gateway)
    status, refused = await call(face, user, "GET", f"/api/v1/jobs/{job}/result")
    assert (status, refused["detail"]) == (410, "The result has expired; submit the job again")
    _, page = await call(face, user, "GET", f"/api/v1/jobs/{job}/units")
    assert page["units"][0]["download_url"] is None
    assert await face.gateway.ports.objects.head(key) is None
    assert await face.gateway.ports.objects.head(beside(key)) is None
    assert await face.gateway.ports.objects.head(sheet_key(key)) is None
    assert (await call(face, user, "GET", f"/api/v1/jobs/{job}"))[1]["status"] == "COMPLETED"


async def test_what_a_refused_attempt_left_goes_as_a_result_does(
    face: Face, database: PostgresEndpoint
) -> None:
    jane = await face.user()
    node = await node_of(face, None)
    assert await beat(face, node) == 200
    scene = await sent(face, jane, b"a scene", "a.blend")
    job, user = UUID(await submitted(face, jane, scene)), UUID(await user_of(face, jane))
    results = [result_key(user, job, 0, attempt) for attempt in (1, 2)]
    keys = [of(key) for of in (str, beside, sheet_key) for key in results]
    for key in keys:
        await face.gateway.ports.objects.put(key, b"what was delivered")
    _, row = await call(face, jane, "GET", f"/api/v1/jobs/{job}")
    refused = UnitFail(job, 0, 1, UUID(str(row["node_id"])), "node", "another hash")
    outcome = await face.do(refused)
    assert isinstance(outcome, Posted)

    async def left() -> list[bool]:
        await remove_expired(face.gateway)
        return [await face.gateway.ports.objects.head(key) is not None for key in keys]

    await pass_days_of_attempts(database, 89)
    assert await left() == [True, True] * 3
    await pass_days_of_attempts(database, 2)
    assert await left() == [False, True] * 3, "another attempt's files stay"


async def pass_days_of_attempts(database: PostgresEndpoint, days: int) -> None:
    """Move the ends of attempts into the past; the trigger that forbids it is off meanwhile."""
    change = "ALTER TABLE attempts {} TRIGGER attempts_append_only"
    older = f"UPDATE attempts SET ended_at = ended_at - interval '{days} days'"
    for statement in (change.format("DISABLE"), older, change.format("ENABLE")):
        await execute(database.owner_dsn, statement)


async def test_a_video_stays_in_its_frames_pool_and_keeps_them_until_it_is_made(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    token = user["Authorization"].removeprefix("Bearer ")
    owner = Person(face, await user_of(face, user), "jane@example.org", token, "")
    node = await node_of(face, owner)
    assert await beat(face, node) == 200
    scene = await sent(face, user, b"a scene", "a.blend")

    async def placed() -> str | None:
        job = await submitted(face, user, scene, frames="1", pool="mine")
        _, row = await call(face, user, "GET", f"/api/v1/jobs/{job}")
        return job if row["node_id"] else None

    job = await until(placed)
    assert job is not None
    key = f"results/{owner.id}/{job}/0/1/frame.png"
    await finish(face, job, str(node["node_id"]), key)

    async def asked() -> Any:
        wish = {"fps": 24, "queue": True}
        status, found = await call(face, user, "POST", f"/api/v1/jobs/{job}/video", wish)
        return None if status == 503 else (status, found)

    status, video = await until(asked)
    assert status == 202, video
    _, row = await call(face, user, "GET", f"/api/v1/jobs/{video['job_id']}")
    assert (row["pool"], row["price"]) == ("mine", "0.0000")
    assert row["name"].endswith(" film")
    other = await sent(face, user, b"of no job", "other.png")
    assert (await call(face, user, "DELETE", f"/api/v1/uploads/{other['id']}"))[0] == 200
    assert (await call(face, user, "DELETE", f"/api/v1/uploads/{scene['id']}"))[0] == 409
    await pass_days(database, 400)
    await remove_expired(face.gateway)
    assert await face.gateway.ports.objects.head(key) is not None
    assert await is_there(face, user, scene)
    cancel = f"/api/v1/jobs/{video['job_id']}/cancel"
    assert (await call(face, user, "POST", cancel))[0] == 200
    await remove_expired(face.gateway)
    assert await face.gateway.ports.objects.head(key) is None


async def test_a_dispute_keeps_what_it_is_about(face: Face, database: PostgresEndpoint) -> None:
    jane = await face.user()
    node = await node_of(face, None)
    assert await beat(face, node) == 200
    scene = await sent(face, jane, b"a scene", "a.blend")
    job = await submitted(face, jane, scene)
    _, row = await call(face, jane, "GET", f"/api/v1/jobs/{job}")
    user = await user_of(face, jane)
    key = f"results/{user}/{job}/0/1/frame.png"
    await finish(face, job, str(row["node_id"]), key)
    await execute(
        database.owner_dsn,
        "INSERT INTO disputes (id, job_id, unit, user_id, reason, charge, state, opened_at) VALUES "
        f"(gen_random_uuid(), '{job}', 0, '{user}', 'black', 1, 'OPEN', now())",
    )
    await pass_days(database, 400)
    await remove_expired(face.gateway)
    assert await is_there(face, jane, scene)
    assert await face.gateway.ports.objects.head(key) is not None
    await execute(database.owner_dsn, "UPDATE disputes SET state = 'REJECTED', decided_at = now()")
    await remove_expired(face.gateway)
    assert not await is_there(face, jane, scene)
    assert await face.gateway.ports.objects.head(key) is None


async def user_of(face: Face, user: Headers) -> str:
    return str((await call(face, user, "GET", "/api/v1/credits/balance"))[1]["user_id"])


async def test_what_was_begun_before_a_fall_is_gone_on_with(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    scene = await sent(face, user, b"a scene", "a.blend")
    await pass_days(database, 31)
    now = face.gateway.ports.clock.now()
    # the upload is marked as expired, but its file is still there
    assert len(await face.gateway.tables.retention.inputs(now, now)) == 1
    body = {"sha256": scene["sha256"], "size": scene["size"], "filename": "a.blend"}
    assert (await call(face, user, "POST", "/api/v1/uploads", body))[0] == 503
    await remove_expired(face.gateway)
    assert (await call(face, user, "POST", "/api/v1/uploads", body))[0] == 201


async def test_who_keeps_too_much_is_told_what_to_do(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    scene = await sent(face, jane, b"a scene", "a.blend")
    almost = {**NEW, "size": 1 << 30, "sha256": "ab" * 32}
    status, refused = await call(face, jane, "POST", "/api/v1/uploads", almost)
    assert status == 413
    assert "DELETE /api/v1/uploads/{id}" in refused["detail"]
    assert (await call(face, bob, "POST", "/api/v1/uploads", almost))[0] == 201
    status, kept = await call(face, jane, "GET", "/api/v1/uploads")
    assert (status, kept["count"], kept["used"], kept["quota"]) == (200, 1, 7, 1 << 30)
    assert [row["id"] for row in kept["uploads"]] == [scene["id"]]
    assert (await call(face, bob, "DELETE", f"/api/v1/uploads/{scene['id']}"))[0] == 404
    assert (await call(face, jane, "DELETE", f"/api/v1/uploads/{scene['id']}"))[0] == 200
    assert (await call(face, jane, "POST", "/api/v1/uploads", almost))[0] == 201
    more = {**NEW, "size": 1, "sha256": "cd" * 32}
    # the announced upload may still arrive, so its size counts
    assert (await call(face, jane, "POST", "/api/v1/uploads", more))[0] == 413
    kept = (await call(face, jane, "GET", "/api/v1/uploads"))[1]
    assert (kept["uploads"], kept["count"], kept["used"]) == ([], 0, 1 << 30)
    await pass_days(database, 2)
    assert (await call(face, jane, "POST", "/api/v1/uploads", more))[0] == 201
