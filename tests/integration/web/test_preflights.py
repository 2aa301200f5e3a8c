"""Preflights through a whole gateway: a node inspects a scene before anybody pays."""

import hashlib
from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import orjson
import pytest

from rendertrust.frame_range import parse
from rendertrust.node.plugins.preflight import frames_of
from rendertrust.preflight.frame_probe import frames_to_probe
from rendertrust.protocol import Hello, JobDispatch, JobResult, JobStatus, Preview
from rendertrust.testing import Behaviour, FakeNode
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.api_clients import Creator
from tests.support.attempts import attempt_of
from tests.support.databases import execute
from tests.support.http_gateway import settings_for_tests
from tests.support.sweeping import remove_expired
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole

Json = dict[str, Any]
BOTH = ("preflight", "render")
SCENE = b"BLENDER a scene"
SMALL = b"\xff\xd8\xff\xe0 a small picture"
REPORT: Json = {
    "opened": True,
    "saved_by": [5, 2, 0],
    "blender": [5, 2, 0],
    "engine": "CYCLES",
    "samples": 100,
    "width": 200,
    "height": 100,
    "format": "PNG",
    "has_camera": True,
    "frame_start": 1,
    "frame_end": 10,
    "frame_current": 4,
    "fps": 24,
    "memory": {"bytes": 2**30, "most": []},
    "probe": {
        "width": 200,
        "height": 100,
        "samples": 100,
        "threads": 2,
        "frames": [{"frame": 1, "base": 1.0, "pixel": 1e-4, "least": 5e-5, "most": 2e-4}],
    },
}


def report_for(dispatch: JobDispatch) -> Json:
    """Return a node's report on the frames that a preflight asks for.

    Frames outside the scene's range take ten times as long for each pixel.
    """
    asked = dispatch.params.get("for_frames")
    frames = frames_of(REPORT, parse(asked) if asked else ())
    if frames == range(1, 11):
        return REPORT
    heavy = {**REPORT["probe"]["frames"][0], "pixel": 1e-3, "most": 2e-3}
    probed = [{**heavy, "frame": number} for number in frames_to_probe(frames)]
    probe = {**REPORT["probe"], "frames": probed}
    return {**REPORT, "probe": probe, "measured_range": [frames[0], frames[-1]]}


@pytest.fixture
async def gateway(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    settings = settings_for_tests(
        credits={"starter": "1000"}, preflight={"per_hour": 4}, limits={"dispatch": 10_000}
    )
    async with whole(database, settings, require_object=True) as running:
        yield running


@pytest.fixture
async def jane(gateway: Whole, http: aiohttp.ClientSession) -> Creator:
    return await somebody(gateway, http, "jane")


async def somebody(gateway: Whole, http: aiohttp.ClientSession, name: str) -> Creator:
    person = Creator(http, gateway.url, f"{name}@example.org")
    await person.register()
    return person


def telling(gateway: Whole, report: Json | bytes) -> Behaviour:
    """Return a node's behaviour that sends this report for every scene."""
    content = report if isinstance(report, bytes) else orjson.dumps(report)

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        assert dispatch.output is not None
        await gateway.gateway.ports.objects.put(dispatch.output.key, content)
        about = attempt_of(dispatch)
        await node.send(Preview(**about, frame=4, data=b64encode(SMALL).decode()))
        told = JobResult(
            **about,
            status="completed",
            result_ref=dispatch.output.key,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
        await node.send(node.signed(dispatch, told))

    return behave


async def sent(gateway: Whole, person: Creator, content: bytes = SCENE) -> str:
    """Upload a scene of a user, and return its payload reference."""
    sha256 = hashlib.sha256(content).hexdigest()
    body = {"sha256": sha256, "size": len(content), "filename": "scene.blend"}
    status, upload = await person.call("POST", "/uploads", body)
    if status == 201:
        key = upload["payload_ref"].split("/", 3)[3]
        await gateway.gateway.ports.objects.put(key, content)
        status, upload = await person.call("POST", f"/uploads/{upload['id']}/complete")
    assert status == 200, upload
    return str(upload["payload_ref"])


async def look(person: Creator, scene: str, **more: Any) -> tuple[int, Json]:
    return await person.call("POST", "/jobs/preflight", {"payload_ref": scene, **more})


async def wait_for_look(person: Creator, scene: str, **more: Any) -> Json:
    """Wait until a node has inspected the scene, and return the result."""

    async def done() -> Json:
        status, found = await look(person, scene, **more)
        return found if status == 200 else {}

    return await until(done)


async def held(person: Creator) -> str:
    return str((await person.call("GET", "/credits/balance"))[1]["held"])


async def test_a_node_looks_once_and_the_quote_tells_it(gateway: Whole, jane: Creator) -> None:
    scene = await sent(gateway, jane)
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, REPORT)) as node:
        found = await wait_for_look(jane, scene, frames="1-10")
        assert (found["status"], found["stops"], found["findings"]) == ("DONE", False, [])
        assert found["scene"]["frame_end"] == 10
        assert found["thumbnail"] == f"/api/v1/jobs/{found['job_id']}/preview?frame=4"
        estimate = found["estimate"]
        # 20,000 pixels at 1e-4 s each and one second per frame; five seconds for each start of
        # Blender
        assert (estimate["least"], estimate["likely"], estimate["most"]) == (70.0, 80.0, 100.0)
        assert (estimate["frames"], estimate["slots"], estimate["elapsed"]) == (10, 1, 80.0)
        more = {"params": {"width": 100, "height": 100, "samples": 50}}
        assert (await wait_for_look(jane, scene, **more))["estimate"]["likely"] == 6.5
        chunks = {"job_type": "render", "payload_ref": scene, "frames": "1-10", "chunk": 4}
        _, quote = await jane.call("POST", "/jobs/quote", chunks)
        assert quote["preflight"]["estimate"]["likely"] == 45.0
        assert [frame.job_type for frame in node.received if isinstance(frame, JobDispatch)] == [
            "preflight"
        ]
        body = {"job_type": "render", "payload_ref": scene, "frames": "1-10"}
        status, quote = await jane.call("POST", "/jobs/quote", body)
        assert (status, quote["held"]) == (200, "100.0000")
        assert quote["preflight"]["estimate"] == estimate
        (job,) = (await jane.call("GET", "/jobs"))[1]["jobs"]
        (unit,) = (await jane.call("GET", f"/jobs/{job['id']}/units"))[1]["units"]
        assert job["node_name"] == unit["node_name"] == node.name
        await expect_listed(jane, only=1, none=0)
        assert (job["job_type"], job["price"], job["charged"]) == ("preflight", "0.0000", "0.0000")
        assert await held(jane) == "0.0000"


async def test_a_single_picture_says_when_it_is_done(gateway: Whole, jane: Creator) -> None:
    """The estimate of the preflight counts for the part that is not rendered yet."""
    scene = await sent(gateway, jane)
    look_at = telling(gateway, REPORT)

    async def render_half(node: FakeNode, dispatch: JobDispatch) -> None:
        if dispatch.job_type == "preflight":
            await look_at(node, dispatch)
        else:
            await node.send(JobStatus(**attempt_of(dispatch), progress=0.5))

    async with FakeNode(gateway.url, capabilities=BOTH, behave=render_half):
        size = {"width": 2000, "height": 1000}
        found = await wait_for_look(jane, scene, params=size)
        assert found["estimate"]["likely"] == 206.0  # 2e6 pixels at 1e-4 s each, and six seconds
        order = {"job_type": "render", "payload_ref": scene, "params": size}
        _, placed = await jane.call("POST", "/jobs/dispatch", order)

        async def half() -> Json:
            _, job = await jane.call("GET", f"/jobs/{placed['job_id']}")
            return dict(job) if job["progress"] == 0.5 and job["eta_seconds"] else {}

        job = await until(half)
        assert 0 < job["eta_seconds"] <= 103.0
        assert job["eta_reason"] is None


async def expect_listed(jane: Creator, **counts: int) -> None:
    """Expect so many jobs with ``checks=only`` and ``checks=none``, in each kind of list."""
    for query in ("", "&status=COMPLETED", "&name=check"):
        for which, count in counts.items():
            _, listed = await jane.call("GET", f"/jobs?checks={which}{query}")
            assert (len(listed["jobs"]), listed["count"]) == (count, count)


async def test_measurements_of_models_are_listed_with_the_checks(
    gateway: Whole, jane: Creator, database: PostgresEndpoint
) -> None:
    scene = await sent(gateway, jane)
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, REPORT)):
        await wait_for_look(jane, scene, frames="1-10")
    await execute(database.owner_dsn, "UPDATE jobs SET job_type = 'preflight:inference'")
    await expect_listed(jane, only=1, none=0)


async def test_what_must_be_mended_refuses_the_job_and_nothing_is_held(
    gateway: Whole, jane: Creator
) -> None:
    scene = await sent(gateway, jane)
    report = {**REPORT, "has_camera": False, "cameras": ["Camera"], "samples": 5000}
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, report)):
        found = await wait_for_look(jane, scene)
        assert [(one["code"], one["level"]) for one in found["findings"]] == [
            ("no_camera", "error"),
            ("many_samples", "warning"),
        ]
        order = {"job_type": "render", "payload_ref": scene}
        status, refused = await jane.call("POST", "/jobs/dispatch", order)
        assert status == 422
        (fault,) = refused["errors"]
        assert (fault["field"], fault["code"]) == ("payload_ref", "no_camera")
        assert "Object 'Camera'" in fault["message"]
        assert "Scene Properties > Scene > Camera" in fault["message"]
        assert await held(jane) == "0.0000"
        status, placed = await jane.call("POST", "/jobs/dispatch", {**order, "as_is": True})
        assert status == 200, placed


@pytest.mark.parametrize(
    "drawn", [{"engine": "BLENDER_EEVEE"}, {"grease_pencil": "Object 'Sketch'"}]
)
async def test_a_scene_that_is_drawn_with_opengl_is_for_no_node_without(
    gateway: Whole, jane: Creator, drawn: Json
) -> None:
    scene = await sent(gateway, jane)
    tells = telling(gateway, {**REPORT, **drawn})
    order: Json = {"job_type": "render", "payload_ref": scene, "as_is": True}
    async with FakeNode(gateway.url, capabilities=BOTH, behave=tells, greet=False) as node:
        await node.send(Hello(version="1", capabilities=BOTH, opengl=False))
        await wait_for_look(jane, scene)
        status, refused = await jane.call("POST", "/jobs/dispatch", {**order, "as_is": False})
        assert (status, refused["errors"][0]["code"]) == (422, "no_opengl"), refused
        status, refused = await jane.call("POST", "/jobs/dispatch", order)
        assert status == 400, refused
        status, job = await jane.call("POST", "/jobs/dispatch", {**order, "queue": True})
        assert (status, job["status"]) == (202, "QUEUED"), job
        page = (await jane.call("GET", f"/jobs/{job['job_id']}/units"))[1]
        assert "has no OpenGL, which the scene needs" in str(page), page
        await node.send(Hello(version="1", capabilities=BOTH, opengl=True))
        await until(lambda: len([f for f in node.received if isinstance(f, JobDispatch)]) == 2)


@pytest.mark.parametrize(
    ("needs", "device_class", "status"),
    [
        ({}, "optix/x86_64/5.2", 400),
        ({}, "cpu/x86_64/5.2", 200),
        ({"device": "gpu"}, "optix/x86_64/5.2", 200),
        ({"device_class": "optix/x86_64/5.2"}, "optix/x86_64/5.2", 200),
    ],
)
async def test_a_scene_that_devices_render_differently_is_for_processors_unless_the_job_says(
    gateway: Whole, jane: Creator, needs: Json, device_class: str, status: int
) -> None:
    scene = await sent(gateway, jane)
    tells = telling(gateway, {**REPORT, "device_dependent": ["hair of Object 'Cube'"]})
    async with FakeNode(gateway.url, capabilities=BOTH, behave=tells, greet=False) as node:
        await node.send(Hello(version="1", capabilities=BOTH, device_class=device_class))
        [note] = (await wait_for_look(jane, scene))["findings"]
        assert (note["code"], note["level"]) == ("device_dependent", "note")
        order = {"job_type": "render", "payload_ref": scene, "needs": needs}
        assert (await jane.call("POST", "/jobs/dispatch", order))[0] == status


@pytest.mark.parametrize(
    ("gib", "peak_gib", "status"),
    [(8, 8, 400), (16, 8, 200), (8, 0, 200)],
    ids=["small", "large", "unmeasured"],
)
async def test_a_card_gets_a_scene_if_it_has_the_memory_that_cycles_counted(
    gateway: Whole, jane: Creator, gib: int, peak_gib: int, status: int
) -> None:
    """8 GiB x 1.3 + 1.5 GiB are 11.9 GiB."""
    scene = await sent(gateway, jane)
    probe = {**REPORT["probe"], "peak_bytes": peak_gib << 30}
    tells = telling(gateway, {**REPORT, "probe": probe})
    async with FakeNode(gateway.url, capabilities=BOTH, behave=tells, greet=False) as node:
        card = Hello(
            version="1",
            capabilities=BOTH,
            device_class="optix/sm_89/550/b1",
            ram=64 << 30,
            vram=gib << 30,
        )
        await node.send(card)
        await wait_for_look(jane, scene)
        order = {"job_type": "render", "payload_ref": scene}
        assert (await jane.call("POST", "/jobs/dispatch", order))[0] == status


async def test_tiles_of_a_scene_that_cannot_be_cut_are_refused_and_nothing_is_held(
    gateway: Whole, jane: Creator
) -> None:
    scene = await sent(gateway, jane)
    report = {**REPORT, "tile_obstacles": ["the render region is on", "stereoscopy is on"]}
    order: Json = {"job_type": "render", "payload_ref": scene, "frames": "1-2", "tiles": "2x2"}
    order["params"] = {"width": 100, "height": 100}
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, report)):
        await wait_for_look(jane, scene)
        for as_is in (False, True):
            status, refused = await jane.call("POST", "/jobs/dispatch", {**order, "as_is": as_is})
            (fault,) = refused["errors"]
            assert (status, fault["field"], fault["code"]) == (422, "tiles", "no_tiles")
            assert "the render region is on" in fault["message"]
        assert await held(jane) == "0.0000"
        del order["tiles"]
        status, placed = await jane.call("POST", "/jobs/dispatch", order)
        assert status == 200, placed


async def test_without_a_node_it_waits_and_says_so(gateway: Whole, jane: Creator) -> None:
    scene = await sent(gateway, jane)
    status, found = await look(jane, scene)
    assert (status, found["status"], found["nodes"]) == (202, "PENDING", 0)
    assert found["thumbnail"] is None
    assert found["waiting"]["code"] == "no_node"
    assert "preflight" in found["waiting"]["words"]
    assert (await look(jane, scene))[1]["job_id"] == found["job_id"]
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, REPORT)):
        assert (await wait_for_look(jane, scene))["job_id"] == found["job_id"]


async def test_what_a_node_says_is_a_strangers_word(gateway: Whole, jane: Creator) -> None:
    lies: list[bytes | Json] = [b"\x00 no report", {}]
    lies += [{**REPORT, "width": "wide"}, {**REPORT, "engine": "\x00"}]
    said = iter(lies)

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await telling(gateway, next(said))(node, dispatch)

    async with FakeNode(gateway.url, capabilities=BOTH, behave=behave):
        for number, lie in enumerate(lies):
            scene = await sent(gateway, jane, b"BLENDER %d" % number)
            found = await wait_for_look(jane, scene)
            assert (found["status"], found["stops"]) == ("FAILED", False), lie
            assert found["error"].startswith("The node's report on the scene cannot be read")


async def test_nobody_is_told_what_another_ones_scene_is(
    gateway: Whole, jane: Creator, http: aiohttp.ClientSession
) -> None:
    scene = await sent(gateway, jane)
    eve = await somebody(gateway, http, "eve")
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, REPORT)):
        mine = await wait_for_look(jane, scene)
        assert (await look(eve, scene))[0] == 422
        theirs = await sent(gateway, eve)  # the same content as Jane's scene
        assert (await wait_for_look(eve, theirs))["job_id"] != mine["job_id"]


async def test_one_may_ask_again_but_only_so_often(gateway: Whole, jane: Creator) -> None:
    first, *others, last = [await sent(gateway, jane, b"BLENDER %d" % n) for n in range(4)]
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, REPORT)):
        before = (await wait_for_look(jane, first))["job_id"]
        status, again = await look(jane, first, again=True)
        assert status == 202
        assert again["job_id"] != before
        await wait_for_look(jane, first)
        for scene in others:
            await wait_for_look(jane, scene)
        status, refused = await look(jane, last)
        assert status == 429
        assert "4 preflights" in refused["detail"]


async def test_each_repeat_of_a_preflight_counts(gateway: Whole, jane: Creator) -> None:
    scene = await sent(gateway, jane)
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, REPORT)):
        await wait_for_look(jane, scene)
        for _ in range(3):
            assert (await look(jane, scene, again=True))[0] == 202
            await wait_for_look(jane, scene)
        status, refused = await look(jane, scene, again=True)
        assert (status, refused["code"]) == (429, "too_many_preflights")


async def test_a_look_is_not_done_again_by_a_retry_that_costs(
    gateway: Whole, jane: Creator
) -> None:
    scene = await sent(gateway, jane)
    job = (await look(jane, scene))[1]["job_id"]
    assert (await jane.call("POST", f"/jobs/{job}/cancel"))[0] == 200
    status, refused = await jane.call("POST", f"/jobs/{job}/retry")
    assert (status, "/jobs/preflight" in refused["detail"]) == (409, True), refused
    assert await held(jane) == "0.0000"
    assert (await jane.call("GET", "/jobs"))[1]["count"] == 1
    status, again = await look(jane, scene)
    assert (status, again["job_id"] != job) == (202, True), "a cancelled preflight is no answer"


async def test_what_was_found_long_ago_is_forgotten(
    gateway: Whole, jane: Creator, database: PostgresEndpoint
) -> None:
    old, new = [await sent(gateway, jane, b"BLENDER %d" % n) for n in range(2)]
    async with FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, REPORT)):
        before = {(await wait_for_look(jane, scene))["job_id"]: scene for scene in (old, new)}
        first = next(iter(before))
        days = gateway.gateway.settings.retention.results_days + 1
        long = f"UPDATE preflights SET asked_at = asked_at - interval '{days} days'"
        await execute(database.owner_dsn, f"{long} WHERE job_id = '{first}'")
        await remove_expired(gateway.gateway)
        assert (await look(jane, new))[1]["job_id"] in before
        assert (await look(jane, old))[1]["job_id"] not in before
