"""The price in the form of a new job: what it waits for, and all that it contains."""

import asyncio
import math
import re

from playwright.async_api import Browser, Route, expect

from tests.browser.console.stage import Stage
from tests.browser.console.test_preflight import farm, scene_of
from tests.browser.console.visits import LOOKS, visiting
from tests.support.lent_engines import StartGateway

JOB_PAGE = re.compile(r"/console/jobs/[0-9a-f-]{36}$")


async def test_one_picture_waits_for_its_measured_price(
    browser: Browser, start_gateway: StartGateway
) -> None:
    """The card never invites to submit what would be refused, and a refusal goes with its cause."""
    may_check = asyncio.Event()
    async with (
        farm(start_gateway, may_check) as stage,
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        said, submit = page.locator("#look-said"), page.get_by_role("button", name="Submit")
        await page.locator("#file").set_input_files(scene_of("clean"))
        await expect(said).to_contain_text("You can submit once the frames are known.")
        await expect(submit).to_be_disabled()
        await page.get_by_label("One picture").check()
        await expect(said).to_contain_text("You can submit once the price is known.")
        await expect(page.locator("#cost")).to_have_text("1 picture · the price is being measured")
        await expect(submit).to_be_disabled()
        await visit.check_page("new-job-measuring", LOOKS)
        # Enter submits nothing while the button is disabled
        await page.get_by_label("Samples").press("Enter")
        assert not JOB_PAGE.search(page.url)
        may_check.set()
        await expect(submit).to_be_enabled()
        await expect(page.locator("#priced-how")).to_contain_text("By the work")
        await expect(page.locator("#cost")).to_contain_text("0.5 credits")
        await submit.click()
        await page.wait_for_url(JOB_PAGE)
        _, jobs = await stage.people["jane"].call("GET", "/jobs?limit=1")
        assert jobs["jobs"][0]["price"] == "0.5000"
        await visit.check_no_faults()


async def test_a_refusal_goes_with_its_cause(browser: Browser, start_gateway: StartGateway) -> None:
    """The button was pressed while the scene was uploaded, before its check had begun."""
    may_check, may_send = asyncio.Event(), asyncio.Event()
    async with (
        farm(start_gateway, may_check) as stage,
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page

        async def later(route: Route) -> None:
            await may_send.wait()
            await route.continue_()

        await page.route("**/console/api/uploads", later)
        await page.get_by_label("One picture").check()
        await page.locator("#file").set_input_files(scene_of("clean"))
        await page.get_by_role("button", name="Submit").click()
        may_send.set()
        problem = page.locator("#problem")
        await expect(problem).to_contain_text("Submit again once the price is known.")
        may_check.set()
        await expect(page.locator("#priced-how")).to_contain_text("By the work")
        await expect(problem).to_be_hidden()
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(JOB_PAGE)
        await visit.check_no_faults()


async def test_the_price_contains_the_video(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        await page.get_by_label("Frames", exact=True).fill("1-3")
        await expect(page.locator("#cost")).to_contain_text("3 frames · 30 credits")
        await page.get_by_label("Video of the frames").select_option("MP4")
        await expect(page.locator("#cost")).to_contain_text("3 frames and a video · 31 credits")
        await page.get_by_text("Price and time").click()
        await expect(page.locator("[data-of=price]")).to_have_text("30")
        await expect(page.locator("[data-of=video_price]")).to_have_text("1")
        await page.get_by_text("More settings").click()
        await page.get_by_label("Cap", exact=True).fill("30")
        await expect(page.locator("#cap-said")).to_contain_text("No video is made")
        await page.get_by_label("Cap", exact=True).fill("some")
        await expect(page.locator("#cost")).to_contain_text("Cap: must be an amount above 0")
        await page.get_by_label("Cap", exact=True).fill("")
        await expect(page.locator("#cost")).to_contain_text("31 credits")
        await expect(page.locator("#cap-said")).to_be_empty()
        await page.get_by_text("More settings").click()
        await page.set_viewport_size({"width": 1280, "height": 500})
        await expect(page.get_by_role("button", name="Submit")).to_be_in_viewport(ratio=1)
        await visit.check_page("new-job-video", LOOKS)
        await page.get_by_label("Frames", exact=True).fill("1-3000")
        _, money = await stage.people["jane"].call("GET", "/credits/balance")
        lacking = math.ceil(30_001 - float(money["available"]))
        await expect(page.locator("#lacks")).to_have_text(f"{lacking:,}")
        await visit.check_no_faults()
