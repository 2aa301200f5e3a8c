"""Frames that are rendered again, and videos that are made by themselves, over the Scheduler."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from actors.kernel import Ref
from actors.ledger.effects import UnitAssign, UnitComplete
from actors.video_maker.messages import VideoMaker, VideosDue
from sql.audit_log import Act
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.registry import Registry
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.console.people import signed_in
from tests.integration.console.work import joined
from tests.integration.web.test_manifests import sent
from tests.integration.web.test_retention import call
from tests.support.databases import execute
from tests.support.http_gateway import Face, Headers, face_with, with_scheduler
from tests.support.until import until
from web.edge_children import video_maker_child
from web.routes.videos import video_id

PICTURE, SCENE = b"a picture", "s3://elsewhere/scene.blend"
SHA256 = hashlib.sha256(PICTURE).digest()

face = face_with(with_scheduler)


async def submitted(face: Face, user: Headers, **more: Any) -> str:
    """Submit a rendering job that waits, and return its id."""
    scene = await sent(face, user, b"BLENDER-v405 a scene", "a.blend")
    body = {"job_type": "render", "payload_ref": scene["payload_ref"], "queue": True, **more}

    async def placed() -> str | None:
        status, found = await call(face, user, "POST", "/api/v1/jobs/dispatch", body)
        assert status in (200, 202, 503), found
        return None if status == 503 else str(found["job_id"])

    found = await until(placed)
    assert found is not None
    return found


async def complete(face: Face, dsn: str, job: str, units: int, *, free: bool = False) -> None:
    """Complete the first units of a job, with pictures in the store. ``free``: nothing is charged,
    as for a result that cannot be verified.
    """
    node = await joined(dsn)
    row = await face.gateway.tables.jobs.past(UUID(job), None)
    assert row is not None
    for unit in range(units):
        key = f"results/{row.user_id}/{job}/{unit}/1/frame.png"
        await face.gateway.ports.objects.put(key, PICTURE)
        place, size = f"s3://rendertrust/{key}", len(PICTURE)
        done = UnitComplete(*(UUID(job), unit, 1, node, place), sha256=SHA256, size=size, free=free)
        await face.do(UnitAssign(UUID(job), unit, 1, node), done)


async def test_a_frame_that_was_not_charged_is_not_free_again(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, mine = await face.user(), await signed_in(face, "jane@example.org")
    job = await submitted(face, jane, frames="1-2", params={"samples": 5})
    await complete(face, database.owner_dsn, job, 2, free=True)
    answer = await mine.post(f"/console/jobs/{job}/again", {"unit": "1"})
    again = str(answer.headers["Location"]).rpartition("/")[2]
    _, row = await call(face, jane, "GET", f"/api/v1/jobs/{again}")
    assert row["price"] == "10.0000", row


@asynccontextmanager
async def video_maker(face: Face) -> AsyncGenerator[Ref[VideoMaker]]:
    """Run a video maker under its own supervisor."""
    registry = Registry()
    child = video_maker_child(face.gateway, registry)
    tree = Supervisor("Tree", Strategy.ONE_FOR_ONE, Intensity(), [child])
    await tree.start()
    try:
        yield registry.ref(VideoMaker)
    finally:
        await tree.stop()


async def test_a_frame_is_rendered_again_as_a_job_that_names_the_first(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    mine, his = [await signed_in(face, f"{name}@example.org") for name in ("jane", "bob")]
    job = await submitted(face, jane, frames="1-2", params={"samples": 5})
    page = f"/console/jobs/{job}"
    assert (await mine.post(f"{page}/again", {"unit": "1"})).status == 409
    await complete(face, database.owner_dsn, job, 2)
    assert f'action="{page}/again"' in (await mine.get(page))[1]
    assert (await his.post(f"{page}/again", {"unit": "1"})).status == 404
    assert (await mine.post(f"{page}/again", {"unit": "7"})).status == 404
    answer = await mine.post(f"{page}/again", {"unit": "1"})
    assert answer.status == 303, await answer.text()
    there = str(answer.headers["Location"])
    _, text = await mine.get(there)
    assert f'renders a frame of <a href="{page}"' in text
    _, row = await call(face, jane, "GET", f"/api/v1/jobs/{there.rpartition('/')[2]}")
    assert (row["units"], row["price"], row["charged"]) == (1, "10.0000", "0.0000")
    _, balance = await call(face, jane, "GET", "/api/v1/credits/balance")
    assert balance["held"] == "10.0000"
    assert f'<a href="{there}">frame 2</a>' in (await mine.get(page))[1]
    answer = await mine.post(f"{page}/again", {"unit": "1"})
    assert answer.headers["Location"] != there, "a frame may be rendered again several times"
    assert bob


async def test_a_job_makes_its_video_by_itself_and_once(
    face: Face, database: PostgresEndpoint
) -> None:
    jane = await face.user()
    job = await submitted(face, jane, frames="1-2", video="WEBM")
    path = f"/api/v1/jobs/{video_id(UUID(job))}"
    async with video_maker(face) as maker, video_maker(face) as other:
        await maker.ask(VideosDue(), within=60)
        assert (await call(face, jane, "GET", path))[0] == 404, "the job has not completed"
        await complete(face, database.owner_dsn, job, 2)
        await maker.ask(VideosDue(), within=60)
        await other.ask(VideosDue(), within=60)
    status, video = await call(face, jane, "GET", path)
    assert (status, video["job_type"]) == (200, "video")
    _, listed = await call(face, jane, "GET", "/api/v1/jobs?limit=50")
    assert [each["job_type"] for each in listed["jobs"]] == ["video", "render"]
    found = await face.gateway.tables.jobs.past(video_id(UUID(job)), None)
    assert found is not None
    assert found.plan.params == {"container": "WEBM"}


async def test_no_video_is_ordered_with_which_a_job_costs_more_than_its_cap(
    face: Face, database: PostgresEndpoint
) -> None:
    for name, cap, status in (("jane", "20.0000", 404), ("joe", "21.0000", 200)):
        address = f"{name}@example.org"  # two frames cost 20, their video 1
        who, page = await face.user(address), await signed_in(face, address)
        job = await submitted(face, who, frames="1-2", video="MP4", max_credits=cap)
        await complete(face, database.owner_dsn, job, 2)
        async with video_maker(face) as maker:
            await maker.ask(VideosDue(), within=60)
        found = await call(face, who, "GET", f"/api/v1/jobs/{video_id(UUID(job))}")
        assert found[0] == status, cap
        _, text = await page.get(f"/console/jobs/{job}")
        assert ("would then cost more than its cap" in text) == (status == 404)


async def test_a_quote_contains_the_video_which_costs_no_more_later(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, prices = await face.user(), face.gateway.tables.prices

    async def set_price(units: int) -> None:
        now = face.gateway.ports.clock.now()
        await prices.set("video", units, Act(now, None, "ann", "prices.set", "video", "power"))

    await set_price(25_000)
    idea = {"job_type": "render", "frames": "1-2", "video": "MP4"}
    status, quote = await call(face, jane, "POST", "/api/v1/jobs/quote", idea)
    assert (status, quote["price"], quote["held"]) == (200, "20.0000", "20.0000")
    assert (quote["video_price"], quote["credits"]) == ("2.5000", "22.5000")
    assert quote["money"]["amount"] == "1.58"
    own = await call(face, jane, "POST", "/api/v1/jobs/quote", {**idea, "pool": "mine"})
    assert own[1]["credits"] == "0.0000"
    people = jane, await face.user("joe@example.com")
    jobs = [await submitted(face, each, frames="1-2", video="MP4") for each in people]
    await complete(face, database.owner_dsn, jobs[0], 2)
    await set_price(40_000)
    async with video_maker(face) as maker:
        await maker.ask(VideosDue(), within=60)
        await set_price(10_000)
        await complete(face, database.owner_dsn, jobs[1], 2)
        await maker.ask(VideosDue(), within=60)
    found = [f"/api/v1/jobs/{video_id(UUID(job))}" for job in jobs]
    asked = zip(people, found, strict=True)
    prices_then = [(await call(face, each, "GET", path))[1]["price"] for each, path in asked]
    assert prices_then == ["2.5000", "1.0000"]


async def test_a_video_waits_until_there_are_credits_for_it(
    face: Face, database: PostgresEndpoint
) -> None:
    jane = await face.user()
    job = await submitted(face, jane, frames="1-2", video="MP4")
    await complete(face, database.owner_dsn, job, 2)
    path = f"/api/v1/jobs/{video_id(UUID(job))}"
    terms = {"payload_ref": SCENE, "queue": True, "frames": "1-8"}
    status, held = await call(
        face, jane, "POST", "/api/v1/jobs/dispatch", {"job_type": "render", **terms}
    )
    assert status == 202, held
    async with video_maker(face) as maker:
        await maker.ask(VideosDue(), within=60)
        assert (await call(face, jane, "GET", path))[0] == 404
        assert (await call(face, jane, "POST", f"/api/v1/jobs/{held['job_id']}/cancel"))[0] == 200
        await maker.ask(VideosDue(), within=60)
    assert (await call(face, jane, "GET", path))[0] == 200


async def test_a_scene_in_another_store_has_a_video_of_24_frames_a_second(
    face: Face, database: PostgresEndpoint
) -> None:
    jane = await face.user()
    elsewhere = "s3://elsewhere/a.blend"
    job = await submitted(face, jane, payload_ref=elsewhere, frames="1-2", video="MP4")
    await complete(face, database.owner_dsn, job, 2)
    path = f"/api/v1/jobs/{video_id(UUID(job))}"
    async with video_maker(face) as maker:
        await maker.ask(VideosDue(), within=60)
    status, film = await call(face, jane, "GET", path)
    assert status == 200, film
    row = await face.gateway.tables.jobs.past(video_id(UUID(job)), None)
    assert row is not None
    assert row.plan.params == {"container": "MP4", "fps": 24}


async def test_an_old_job_gets_no_video_by_itself(face: Face, database: PostgresEndpoint) -> None:
    jane = await face.user()
    job = await submitted(face, jane, frames="1-2", video="MP4")
    await complete(face, database.owner_dsn, job, 2)
    older = "UPDATE jobs SET completed_at = completed_at - interval '2 hours'"
    await execute(database.owner_dsn, older)
    async with video_maker(face) as maker:
        await maker.ask(VideosDue(), within=60)
    assert (await call(face, jane, "GET", f"/api/v1/jobs/{video_id(UUID(job))}"))[0] == 404


async def test_only_frames_become_a_video(face: Face) -> None:
    jane = await face.user()
    body = {"job_type": "render", "payload_ref": "s3://elsewhere/a.blend", "video": "MP4"}
    status, refused = await call(face, jane, "POST", "/api/v1/jobs/quote", body)
    assert (status, [each["field"] for each in refused["errors"]]) == (422, ["video"])
