"""A scene looked into from the form, by a real node with a real Blender, before it is submitted."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.console.looking import looking
from tests.browser.console.stage import Stage, person
from tests.integration.node.scenes import run
from tests.integration.node.test_preflight import SCENES
from tests.support.agent_process import enrolled_agent
from tests.support.gateway_process import running_gateway

pytestmark = pytest.mark.render
LOOK_MS = 180_000  # Blender starts twice, on a busy machine


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    run(SCENES, str(folder))
    return folder


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def farm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A gateway with one creator and one node, its own."""
    async with running_gateway() as gateway, aiohttp.ClientSession() as http:
        people = {"jane": await person(gateway, http, "jane")}
        async with enrolled_agent(gateway.url, tmp_path_factory.mktemp("node") / "n") as agent:
            await gateway.restart(RENDERTRUST_VERIFICATION_OWN_NODES=agent.id)
            await agent.start()
            yield Stage(gateway, http, people, [])


async def looked(page: Page, scene: Path) -> None:
    """Choose a scene and have it looked into."""
    await page.locator("#file").set_input_files(scene)
    await page.get_by_role("button", name="Look into the scene").click()
    await expect(page.locator("#look-found")).to_be_visible(timeout=LOOK_MS)


async def test_a_scene_is_looked_into_estimated_shown_and_rendered(
    browser: Browser, farm: Stage, scenes: Path
) -> None:
    async with looking(browser, farm, "jane", "/console/jobs/new") as eyes:
        page = eyes.page
        await looked(page, scenes / "clean.blend")
        said = page.locator("#look-said")
        await expect(said).to_have_text("Nothing to mend. One node is there that may render it.")
        await expect(page.locator("#look-scene")).to_contain_text(
            re.compile(r"CYCLES, 64 . 36, 16 samples")
        )
        await expect(page.locator("#look-time")).to_contain_text("of one node for 1 frame:")
        await expect(page.locator("#look-picture")).to_have_js_property("naturalWidth", 64)
        await page.get_by_role("button", name="All its frames: 1-250").click()
        await expect(page.locator("#look-time")).to_contain_text("for 250 frames")
        await expect(page.locator("#cost")).to_contain_text("250 frames cost")
        await page.get_by_label("Frames", exact=True).fill("1-2")
        await expect(page.locator("#look-time")).to_contain_text("for 2 frames")
        await eyes.is_well("new-job-looked")
        await page.reload()
        await expect(page.locator("#look-time")).to_contain_text("of one node")
        await page.get_by_label("Frames", exact=True).fill("1-2")
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
        small = page.locator("#frames li.completed img")
        await expect(small).to_have_count(2, timeout=LOOK_MS)
        await expect(small.first).to_have_attribute("src", re.compile("^/console/previews/"))
        await expect(small.first).to_have_js_property("naturalWidth", 64)
        await eyes.is_well("job-small")


async def test_what_must_be_mended_is_said_and_may_be_submitted_all_the_same(
    browser: Browser, farm: Stage, scenes: Path
) -> None:
    async with looking(browser, farm, "jane", "/console/jobs/new") as eyes:
        page = eyes.page
        await looked(page, scenes / "missing.blend")
        await expect(page.locator("#look-said")).to_contain_text("1 thing must be mended first")
        found = page.locator("#findings li").first
        await expect(found).to_contain_text("to be mended")
        await expect(found).to_contain_text("/artist/wood.png · Image 'texture'")
        await expect(found).to_contain_text("Find Missing Files")
        await expect(page.locator("#linked")).to_contain_text("sends the scene alone")
        await expect(page.locator("#look-picture")).to_be_hidden()
        await eyes.is_well("new-job-missing")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.locator("#faults li").first).to_contain_text("/artist/wood.png")
        assert all("422" in error for error in eyes.errors)  # the browser itself says so
        eyes.errors.clear()
        await page.locator("#file").set_input_files(scenes / "camera.blend")
        await expect(page.locator("#look-found")).to_be_hidden()
        await expect(page.locator("#findings li")).to_have_count(0)
        await looked(page, scenes / "camera.blend")
        await expect(page.locator("#findings li").first).to_contain_text("Object 'Camera'")
        await page.get_by_label("Submit it as it is, all the same").check()
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
        await eyes.did_nothing_wrong()


# Where the characters of the first finding's place stand, from left to right as they are written.
PLACES = """(element) => {
  const text = element.firstChild, range = document.createRange();
  return [...text.data].map((_, at) => {
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect().left;
  });
}"""


async def test_a_mark_in_a_files_name_does_not_turn_the_line_round(
    browser: Browser, farm: Stage, scenes: Path
) -> None:
    """U+202E would show ``doow.png`` where the file is called ``gnp.doow``."""
    async with looking(browser, farm, "jane", "/console/jobs/new") as eyes:
        page = eyes.page
        await looked(page, scenes / "turned.blend")
        where = page.locator("#findings li .where").first
        await expect(where).to_have_text("/artist/<U+202e>gnp.doow · Image 'texture'")
        assert "\u202e" not in str(await page.locator("#main").text_content())
        lefts = await where.evaluate(PLACES)
        assert len(lefts) > 20
        assert lefts == sorted(lefts)
        await eyes.is_well("new-job-turned")
        await page.get_by_role("button", name="Submit").click()
        refused = page.locator("#faults li").first
        await expect(refused).to_contain_text("/artist/<U+202e>gnp.doow")
        assert "\u202e" not in str(await page.locator("#main").text_content())
        eyes.errors.clear()  # the browser itself tells of 422


async def test_the_price_follows_what_the_gateways_own_node_measured(
    browser: Browser, farm: Stage, scenes: Path
) -> None:
    async with looking(browser, farm, "jane", "/console/jobs/new") as eyes:
        page = eyes.page
        await looked(page, scenes / "clean.blend")
        await page.get_by_label("Frames", exact=True).fill("1-2")
        how, price = page.locator("#priced-how"), page.locator("[data-of=price]")
        await expect(how).to_contain_text("By the work that a node of the gateway's own measured")
        await expect(how).to_contain_text("pays for 60 s of it")
        await expect(price).to_have_text(re.compile(r"^[01]\.[0-9]{4}$"))  # not 20 by the table
        quoted = await price.text_content()
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
        _, jobs = await farm.people["jane"].call("GET", "/jobs?limit=1")
        assert jobs["jobs"][0]["price"] == quoted
        await eyes.did_nothing_wrong()
