"""Preflight of a scene from the job form, and its results in the form."""

import re
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp
import orjson
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, expect

from rendertrust.protocol import JobDispatch, Preview
from rendertrust.testing import FakeNode, completes
from tests.browser.console.stage import Stage, person, picture
from tests.browser.console.visits import visiting
from tests.integration.web.test_preflights import REPORT
from tests.support.lent_engines import StartGateway
from tests.support.until import until

UNPROBED = {name: value for name, value in REPORT.items() if name != "probe"}
FILE = {"kind": "image", "owner": "Image 'texture'"}
MISSING = {**UNPROBED, "files": [{**FILE, "path": "/artist/wood.png", "file": "wood.png"}]}
NO_CAMERA = {**UNPROBED, "has_camera": False, "cameras": ["Camera"]}
TURNED_PATH = {"path": "/artist/\u202egnp.doow", "file": "\u202egnp.doow"}
TURNED = {**UNPROBED, "files": [{**FILE, **TURNED_PATH}]}


def reporting_node(stage: Stage, *reports: dict[str, Any]) -> FakeNode:
    """Return a node that answers preflights with these reports, one after another, without
    Blender.
    """
    ahead = iter(reports)

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await completes(orjson.dumps(next(ahead)))(node, dispatch)

    token = stage.people["otto"].token
    return FakeNode(
        stage.url, name="scout", capabilities=("preflight",), user_token=token, behave=behave
    )


def scene_of(name: str) -> FilePayload:
    """Return a file that looks like a scene but that no Blender could open."""
    content = b"BLENDER-v502" + name.encode() * 4000
    return {"name": f"{name}.blend", "mimeType": "application/octet-stream", "buffer": content}


async def check_scene(page: Page, scene: FilePayload) -> None:
    """Choose a scene, and wait until a node has inspected it."""
    answered = page.locator("#look-found:visible, #problem:visible")
    await page.locator("#file").set_input_files(scene)

    async def is_found() -> bool:
        """Ask for the inspection; return False while the gateway is busy."""
        await page.get_by_role("button", name="Check the scene").click()
        await expect(answered).to_have_count(1)
        return await page.locator("#look-found").is_visible()

    await until(is_found)


def thumbnail() -> str:
    """Return a JPEG of 64 by 32 pixels, in base64."""
    file = BytesIO()
    Image.new("RGB", (64, 32)).save(file, "JPEG")
    return b64encode(file.getvalue()).decode()


@asynccontextmanager
async def farm(start_gateway: StartGateway) -> AsyncGenerator[Stage]:
    """Run a gateway with one creator and one node of its own, which measures the work of scenes."""

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        result = picture(shade=3)
        if dispatch.job_type == "preflight":
            result, frame = orjson.dumps(REPORT), REPORT["frame_current"]
        else:
            frame = dispatch.params["frame"]
        about: dict[str, Any] = {"job_id": dispatch.job_id, "unit": dispatch.unit}
        await node.send(Preview(**about, attempt=dispatch.attempt, frame=frame, data=thumbnail()))
        await completes(result)(node, dispatch)

    async with start_gateway() as gateway, aiohttp.ClientSession() as http:
        people = {"jane": await person(gateway, http, "jane")}
        can = ("preflight", "render")
        async with FakeNode(gateway.url, name="own", capabilities=can, behave=behave) as node:
            await gateway.restart(RENDERTRUST_VERIFICATION_OWN_NODES=node.node_id)
            await node.connect()
            yield Stage(gateway, http, people, [])


async def test_a_scene_is_looked_into_estimated_shown_priced_and_rendered(
    browser: Browser, start_gateway: StartGateway
) -> None:
    """The form shows the node's picture, and the price follows its measurement."""
    async with (
        farm(start_gateway) as stage,
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        await check_scene(page, scene_of("clean"))
        said = page.locator("#look-said")
        await expect(said).to_have_text("No problems found. One node is online that may render it.")
        await expect(page.locator("#look-scene")).to_contain_text(
            re.compile(r"CYCLES, 200 . 100, 100 samples")
        )
        await expect(page.locator("#look-time")).to_contain_text("of one node for 1 frame:")
        await expect(page.locator("#look-picture")).to_have_js_property("naturalWidth", 64)
        await page.get_by_role("button", name="All frames: 1-10").click()
        await expect(page.locator("#look-time")).to_contain_text("for 10 frames")
        await expect(page.locator("#cost")).to_contain_text("10 frames cost")
        await visit.check_page("new-job-looked")
        await page.reload()
        await expect(page.locator("#look-time")).to_contain_text("of one node")
        await page.get_by_label("Frames", exact=True).fill("1-2")
        await expect(page.locator("#look-time")).to_contain_text("for 2 frames")
        how, price = page.locator("#priced-how"), page.locator("[data-of=price]")
        await expect(how).to_contain_text("By the work that one of the gateway's nodes measured")
        await expect(how).to_contain_text("pays for 60 s of it")
        # below 2 credits; at the fixed price of a frame, two frames would cost 20
        await expect(price).to_have_text(re.compile(r"^[01]\.[0-9]{4}$"))
        quoted = await price.text_content()
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
        _, jobs = await stage.people["jane"].call("GET", "/jobs?limit=1")
        assert jobs["jobs"][0]["price"] == quoted
        small = page.locator("#frames li.completed img")
        await expect(small).to_have_count(2)
        await expect(small.first).to_have_attribute("src", re.compile("^/console/previews/"))
        await expect(small.first).to_have_js_property("naturalWidth", 64)
        await visit.check_no_faults()


async def test_what_must_be_mended_is_said_and_may_be_submitted_all_the_same(
    browser: Browser, stage: Stage
) -> None:
    async with (
        reporting_node(stage, MISSING, NO_CAMERA),
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        await check_scene(page, scene_of("missing"))
        await expect(page.locator("#look-said")).to_contain_text("1 problem must be fixed first")
        found = page.locator("#findings li").first
        await expect(found).to_contain_text("error")
        await expect(found).to_contain_text("/artist/wood.png · Image 'texture'")
        await expect(found).to_contain_text("Find Missing Files")
        await expect(page.locator("#linked")).to_contain_text("sends only the scene file")
        await expect(page.locator("#look-picture")).to_be_hidden()
        await visit.check_page("new-job-missing")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.locator("#faults li").first).to_contain_text("/artist/wood.png")
        assert all("422" in error for error in visit.errors)  # the browser logs the 422 itself
        visit.errors.clear()
        camera = scene_of("camera")
        await page.locator("#file").set_input_files(camera)
        await expect(page.locator("#look-found")).to_be_hidden()
        await expect(page.locator("#findings li")).to_have_count(0)
        await check_scene(page, camera)
        await expect(page.locator("#findings li").first).to_contain_text("Object 'Camera'")
        await page.get_by_label("Submit it anyway").check()
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
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
    async with (
        reporting_node(stage, TURNED),
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        await check_scene(page, scene_of("turned"))
        where = page.locator("#findings li .where").first
        await expect(where).to_have_text("/artist/<U+202e>gnp.doow · Image 'texture'")
        assert "\u202e" not in str(await page.locator("#main").text_content())
        places = await where.evaluate(PLACES)
        assert len(places) > 20
        assert places == sorted(places)
        await visit.check_no_faults()
        await page.get_by_role("button", name="Submit").click()
        refused = page.locator("#faults li").first
        await expect(refused).to_contain_text("/artist/<U+202e>gnp.doow")
        assert "\u202e" not in str(await page.locator("#main").text_content())
        visit.errors.clear()  # the browser logs the 422 itself
