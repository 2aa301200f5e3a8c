"""The preflight of a scene that the form of a new job requests by itself, and its results there."""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, expect

from rendertrust.protocol import JobDispatch, JobStatus, Preview
from rendertrust.testing import FakeNode, FakeTask, completes, works
from tests.browser.console.stage import Stage, person, picture
from tests.browser.console.visits import Visit, visiting
from tests.integration.web.test_preflights import REPORT, report_for
from tests.support.attempts import attempt_of
from tests.support.blender_addons import PATH as ADDON_PATH
from tests.support.blender_addons import addon
from tests.support.lent_engines import StartGateway
from web.console.value_markup import marked

UNPROBED = {name: value for name, value in REPORT.items() if name != "probe"}
FILE = {"kind": "image", "owner": "Image 'texture'"}
MISSING = {**UNPROBED, "files": [{**FILE, "path": "/artist/wood.png", "file": "wood.png"}]}
NO_CAMERA = {**UNPROBED, "has_camera": False, "cameras": ["Camera"]}
TURNED_PATH = {"path": "/artist/\u202egnp.doow", "file": "\u202egnp.doow"}
TURNED = {**UNPROBED, "files": [{**FILE, **TURNED_PATH}]}


def reporting_node(stage: Stage, **reports: dict[str, Any]) -> FakeNode:
    """Return a node that answers preflights without Blender, with the reports by scenes' names."""
    known = {bytes(scene_of(name)["buffer"]): report for name, report in reports.items()}

    def report_of(task: FakeTask) -> bytes:
        """Return the scene's report; scenes of other tests are clean."""
        found = (known[content] for content in task.inputs.values() if content in known)
        return orjson.dumps(next(found, UNPROBED))

    token, can = stage.people["otto"].token, ("preflight",)
    behave = works(report_of, progress=())
    return FakeNode(stage.url, name="scout", capabilities=can, user_token=token, behave=behave)


def scene_of(name: str) -> FilePayload:
    """Return a file that looks like a scene but that no Blender could open."""
    content = b"BLENDER-v502" + name.encode() * 4000
    return {"name": f"{name}.blend", "mimeType": "application/octet-stream", "buffer": content}


async def check_scene(page: Page, scene: FilePayload) -> None:
    """Choose a scene, and wait until a node has inspected it."""
    await page.locator("#file").set_input_files(scene)
    await expect(page.locator("#look-scene")).not_to_be_empty()


async def submit(page: Page) -> None:
    """Submit the job, and wait until its page is shown."""
    await page.get_by_role("button", name="Submit").click()
    await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))


def thumbnail() -> str:
    """Return a JPEG of 64 by 32 pixels, in base64."""
    file = BytesIO()
    Image.new("RGB", (64, 32)).save(file, "JPEG")
    return b64encode(file.getvalue()).decode()


@asynccontextmanager
async def farm(
    start_gateway: StartGateway,
    may_check: asyncio.Event | None = None,
    may_render: asyncio.Event | None = None,
) -> AsyncGenerator[Stage]:
    """Run a gateway with one creator and one node of its own, which measures the work of scenes.

    The node waits for ``may_check`` before it delivers a check, and for ``may_render`` before it
    delivers a picture.
    """

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        about, result = attempt_of(dispatch), picture(shade=3)
        if dispatch.job_type == "preflight":
            if may_check is not None:
                await may_check.wait()
            result, frame = orjson.dumps(report_for(dispatch)), REPORT["frame_current"]
        else:
            frame = dispatch.params["frame"]
            if may_render is not None:
                await node.send(JobStatus(**about, progress=0.25))
                await may_render.wait()
        await node.send(Preview(**about, frame=frame, data=thumbnail()))
        await completes(result)(node, dispatch)

    async with start_gateway() as gateway, aiohttp.ClientSession() as http:
        people = {"jane": await person(gateway, http, "jane")}
        can = ("preflight", "render")
        async with FakeNode(gateway.url, name="own", capabilities=can, behave=behave) as node:
            by_work = {"RENDERTRUST_PRICING_FRAME_SECONDS": "60"}
            await gateway.restart(RENDERTRUST_VERIFICATION_OWN_NODES=node.node_id, **by_work)
            await node.connect()
            yield Stage(gateway, http, people, [])


@asynccontextmanager
async def checked_scene(
    browser: Browser, start_gateway: StartGateway, may_render: asyncio.Event | None = None
) -> AsyncGenerator[tuple[Stage, Visit]]:
    """Run a farm whose node has checked a scene, and show it in the form of a new job."""
    async with (
        farm(start_gateway, may_render=may_render) as stage,
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        await check_scene(visit.page, scene_of("clean"))
        yield stage, visit


async def test_a_scene_is_looked_into_estimated_shown_priced_and_rendered(
    browser: Browser, start_gateway: StartGateway
) -> None:
    """The form shows the node's picture, and the price and the time follow its measurement."""
    may_render = asyncio.Event()
    async with checked_scene(browser, start_gateway, may_render) as (stage, visit):
        page = visit.page
        said = page.locator("#look-said")
        await expect(said).to_have_text("No problems found. 1 node online may render it.")
        await expect(page.locator("#look-scene")).to_contain_text(
            re.compile(r"200 . 100, 100 samples, Cycles, PNG, 24 frames per second")
        )
        await expect(page.locator("#look-picture")).to_have_js_property("naturalWidth", 64)
        await expect(page.locator("#plan")).to_have_text("The whole animation: frames 1 to 10.")
        await expect(page.locator("#animation-fields")).to_have_js_property("hidden", False)
        await expect(page.locator("#look-time")).to_contain_text("of one node for 10 frames")
        await expect(page.locator("#cost")).to_have_text(
            re.compile(r"^10 frames · about [\d a-z]+ on 1 node · [\d.]+ credits?")
        )
        await visit.check_page("new-job-looked")
        await page.reload()
        await expect(page.locator("#look-time")).to_contain_text("of one node")
        await expect(page.locator("#scene-title")).to_have_text("clean.blend")
        await page.get_by_label("Samples").fill("3000")
        await expect(page.locator("#look-time")).to_contain_text(
            re.compile(r"^About [0-9]{2} min of one node for 10 frames")
        )
        await page.get_by_label("Samples").fill("")
        await page.get_by_label("Frames", exact=True).fill("1-2")
        await expect(page.get_by_label("Only these frames")).to_be_checked()
        await expect(page.locator("#look-time")).to_contain_text("for 2 frames")
        how, price = page.locator("#priced-how"), page.locator("[data-of=price]")
        await expect(how).to_contain_text("By the work that one of the gateway's nodes measured")
        await expect(how).to_contain_text("pays for 60 s of it")
        # below 2 credits; at the fixed price of a frame, two frames would cost 20
        await expect(price).to_have_text(re.compile(r"^[01](\.[0-9]+)?$"))
        quoted = Decimal(str(await price.text_content()))
        await submit(page)
        _, jobs = await stage.people["jane"].call("GET", "/jobs?limit=1")
        assert Decimal(jobs["jobs"][0]["price"]) == quoted
        may_render.set()
        small = page.locator("#frames li.completed img")
        await expect(small).to_have_count(2)
        await expect(small.first).to_have_attribute("src", re.compile("^/console/previews/"))
        await expect(small.first).to_have_js_property("naturalWidth", 64)
        may_render.clear()
        await visit.go("/console/jobs/new")
        await check_scene(page, scene_of("clean"))
        await page.get_by_label("One picture").check()
        await expect(page.locator("#cost")).to_have_text(re.compile("^1 picture"))
        await submit(page)
        await expect(page.locator("#eta")).to_have_text(re.compile(r"^done about \d\d:\d\d$"))
        await visit.check_page("job-running-one")
        may_render.set()
        await expect(page.locator("#state")).to_contain_text("Completed")
        await expect(page.locator("#eta")).to_have_count(0)
        await visit.check_no_faults()


async def test_frames_outside_the_scenes_range_are_measured_by_themselves(
    browser: Browser, start_gateway: StartGateway
) -> None:
    async with checked_scene(browser, start_gateway) as (stage, visit):
        page = visit.page
        how = page.locator("#priced-how")
        await expect(how).to_contain_text("small renders of frame 1.")
        await page.get_by_label("Frames", exact=True).fill("300-302")
        await expect(how).to_contain_text("small renders of frames 300, 301 and 302.")
        await expect(page.locator("#cost")).to_contain_text("10.5 credits")
        await page.get_by_label("Frames", exact=True).fill("1-10")
        await expect(how).to_contain_text("small renders of frame 1.")
        await page.get_by_label("Frames", exact=True).fill("300-302")
        await expect(how).to_contain_text("small renders of frames 300, 301 and 302.")
        _, checks = await stage.people["jane"].call("GET", "/jobs?job_type=preflight")
        assert checks["count"] == 2, "what was checked is not checked again"
        await page.get_by_label("Samples").fill("200")
        await expect(how).to_contain_text("own size and samples count in proportion")
        await page.locator("#quote summary").click()
        await visit.check_page("new-job-outside-range")
        await submit(page)
        await visit.check_no_faults()


async def test_what_must_be_mended_is_said_and_may_be_submitted_all_the_same(
    browser: Browser, stage: Stage
) -> None:
    async with (
        reporting_node(stage, missing=MISSING, camera=NO_CAMERA),
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        await check_scene(page, scene_of("missing"))
        await expect(page.locator("#look-said")).to_contain_text("1 problem must be fixed first")
        found = page.locator("#findings li").first
        await expect(found).to_contain_text("Error")
        await expect(found).to_contain_text("/artist/wood.png · Image 'texture'")
        await expect(found.locator(".setting")).to_be_hidden()
        await found.get_by_text("How to fix").click()
        await expect(found.locator(".setting")).to_contain_text("Find Missing Files")
        await expect(found.locator(".setting")).to_be_visible()
        await expect(page.locator("#missing")).to_contain_text("Drop the missing files here")
        await expect(page.locator("#look-picture")).to_be_hidden()
        await visit.check_page("new-job-missing")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.locator("#faults li").first).to_contain_text("/artist/wood.png")
        assert all("422" in error for error in visit.errors)  # the browser logs the 422 itself
        visit.errors.clear()
        camera = scene_of("camera")
        await page.locator("#file").set_input_files(camera)
        await expect(page.locator("#scene-title")).to_have_text("camera.blend")
        await expect(page.locator("#findings li").first).to_contain_text("Object 'Camera'")
        await page.get_by_label("Submit it anyway").check()
        await submit(page)
        await visit.check_no_faults()


# Returns the positions of the characters of the first finding's path, in the order of the text.
PLACES = """(element) => {
  const text = element.firstChild, range = document.createRange();
  return [...text.data].map((_, at) => {
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    const place = range.getBoundingClientRect();
    return [place.top, place.left];
  });
}"""


async def test_a_mark_in_a_files_name_does_not_turn_the_line_round(
    browser: Browser, stage: Stage
) -> None:
    """The character U+202E would display ``gnp.doow`` as ``doow.png``."""
    marked_path = f"/artist/{marked(chr(0x202E))}gnp.doow"
    async with (
        reporting_node(stage, turned=TURNED),
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        await check_scene(page, scene_of("turned"))
        where = page.locator("#findings li .where").first
        await expect(where).to_have_text(f"{marked_path} · Image 'texture'")
        assert "\u202e" not in str(await page.locator("#main").text_content())
        places = await where.evaluate(PLACES)
        assert len(places) > 20
        assert places == sorted(places)
        await visit.check_no_faults()
        await page.get_by_role("button", name="Submit").click()
        refused = page.locator("#faults li").first
        await expect(refused).to_contain_text(marked_path)
        assert "\u202e" not in str(await page.locator("#main").text_content())
        visit.errors.clear()  # the browser logs the 422 itself


MOVIE = {**UNPROBED, "format": "FFMPEG", "is_movie": True, "unmade": ["format"]}


async def test_a_format_for_the_job_cures_a_scene_that_writes_a_movie(
    browser: Browser, stage: Stage
) -> None:
    async with (
        reporting_node(stage, movie=MOVIE),
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        await check_scene(page, scene_of("movie"))
        found = page.locator("#findings li")
        await expect(found).to_have_count(1)
        await expect(found).to_contain_text("Error")
        await found.get_by_text("How to fix").click()
        await found.get_by_role("button", name="Render PNG pictures").click()
        await expect(page.get_by_label("Format")).to_have_value("PNG")
        await expect(found).to_contain_text("Note")
        await expect(found).to_contain_text("renders its frames as PNG pictures")
        await expect(page.locator("#as-is")).to_be_hidden()
        await visit.check_page("new-job-movie")
        await submit(page)
        await visit.check_no_faults()


async def test_two_test_frames_come_first_and_the_others_on_a_click(
    browser: Browser, stage: Stage
) -> None:
    async with (
        reporting_node(stage, tests=UNPROBED),
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        await check_scene(page, scene_of("tests"))
        await page.get_by_label("Two test frames first").check()
        plan = page.locator("#plan")
        await expect(plan).to_have_text(
            re.compile("^Two test frames: 1 and 6. The other 8 frames ")
        )
        await expect(page.locator("#cost")).to_contain_text("2 frames")
        await submit(page)
        await expect(page.locator("#frames li")).to_have_count(2)
        await visit.check_page("job-tests")
        await page.get_by_role("link", name="Render the other 8 frames").click()
        await expect(page.get_by_label("Frames", exact=True)).to_have_value("2-5,7-10")
        await expect(plan).to_have_text("Only frames 2-5,7-10.")
        await expect(page.locator("#scene-title")).to_have_text("tests.blend")
        await expect(page.locator("#cost")).to_contain_text("8 frames")
        await page.get_by_label("Frames", exact=True).fill("1-9")
        await expect(page.locator("#cost")).to_contain_text("9 frames")
        await submit(page)
        await expect(page.locator("#frames li")).to_have_count(9)
        await expect(page.get_by_role("link", name="Render the other frame")).to_be_visible()
        await visit.check_no_faults()


async def test_an_addon_of_the_farm_is_sent_with_the_scene(
    browser: Browser, start_gateway: StartGateway, tmp_path: Path
) -> None:
    """The page offers it where a node of the scene is unknown; the check then finds nothing."""
    zipped = addon(tmp_path / "paint.zip").read_bytes()
    brought = list[list[str]]()

    def report_of(task: FakeTask) -> bytes:
        brought.append(sorted(task.inputs))
        unknown = [] if zipped in task.inputs.values() else ["Material 'Wood' > Paint"]
        return orjson.dumps({**UNPROBED, "unknown_nodes": unknown})

    behave = works(report_of, progress=())
    async with (
        start_gateway(RENDERTRUST_DOWNLOADS_ADDONS=str(tmp_path)) as gateway,
        aiohttp.ClientSession() as http,
        FakeNode(gateway.url, name="own", capabilities=("preflight",), behave=behave),
    ):
        stage = Stage(gateway, http, {"jane": await person(gateway, http, "jane")}, [])
        async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
            page = visit.page
            await check_scene(page, scene_of("painted"))
            problems = page.locator("#findings")
            await expect(problems).to_contain_text("comes from an add-on")
            await visit.check_page("new-job-addon")
            await page.get_by_role("button", name="Send Paint node 1.2.0").click()
            await expect(page.locator("#look-said")).to_contain_text("No problems found")
            await expect(page.locator("#addons")).to_be_hidden()
            await visit.check_no_faults()
    assert brought == [["painted.blend"], ["painted.blend", ADDON_PATH]]
