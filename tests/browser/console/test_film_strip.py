"""The film strip of a job: frames chosen, scrubbed, played, enlarged and compared."""

import asyncio
import re

from playwright.async_api import Browser, Page, expect

from rendertrust.protocol import JobDispatch, JobStatus, Preview
from rendertrust.testing import FakeNode, works
from tests.browser.console.stage import Stage, picture
from tests.browser.console.test_frames import PAINT, submitted
from tests.browser.console.visits import LOOKS, visiting
from tests.support.attempts import attempt_of
from tests.support.until import until

FRAMES = 5


async def film(stage: Stage) -> str:
    """Render a job of five frames, and return its id."""
    job = await submitted(stage, "render", frames=f"1-{FRAMES}")
    assert await stage.ended(job) == "COMPLETED"
    return job


async def test_a_frame_is_chosen_scrubbed_and_played(browser: Browser, stage: Stage) -> None:
    job = await film(stage)
    async with visiting(browser, stage, "jane", f"/console/jobs/{job}") as visit:
        page = visit.page
        shown = page.locator("#stage [data-shown]")
        await expect(shown.locator("img")).to_have_js_property("naturalWidth", 96)
        await expect(page.locator(".strip li")).to_have_count(FRAMES)
        await expect(page.locator("#live-state")).to_have_text("live")
        await page.locator(".strip a").nth(1).click()
        await expect(shown).to_have_attribute("data-shown", "2")
        await expect(page).to_have_url(re.compile(r"\?frame=2$"))
        await expect(page.locator("#scrub")).to_be_hidden()
        await expect(page.locator("#about")).to_contain_text("2")
        await page.get_by_role("slider", name="Frame").fill("3")
        await expect(page).to_have_url(re.compile(r"\?frame=4$"))
        await expect(shown).to_have_attribute("data-shown", "4")
        await page.get_by_role("button", name="Next picture").first.click()
        await expect(shown).to_have_attribute("data-shown", "5")
        await visit.check_page("film-strip", LOOKS)
        seen = set[str]()
        play = page.get_by_role("button", name="Play the pictures")
        await play.click()

        async def is_through() -> bool:
            seen.add(str(await page.locator("#reel-said").text_content()))
            return len(seen) == FRAMES

        await until(is_through)
        await play.click()
        await expect(page.locator("#scrub")).to_be_hidden()
        await page.reload()
        await expect(shown).to_have_attribute("data-shown", re.compile("[1-5]"))
        await visit.check_no_faults()


async def test_a_picture_is_looked_at_large_with_keys(browser: Browser, stage: Stage) -> None:
    job = await film(stage)
    async with visiting(browser, stage, "jane", f"/console/jobs/{job}?frame=2") as visit:
        page = visit.page
        await page.locator("#stage a[data-look]").click()
        light = page.get_by_role("dialog", name="The picture, large")
        await expect(light).to_be_visible()
        image = light.locator("img")
        await expect(image).to_have_attribute("src", re.compile("unit=1&"))
        await page.keyboard.press("ArrowRight")
        await expect(image).to_have_attribute("src", re.compile("unit=2&"))
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("ArrowLeft")
        await expect(image).to_have_attribute("src", re.compile("unit=0&"))
        zoom = page.locator("#light-zoom")
        whole = await zoom.text_content() or ""
        assert 100 < int(whole.removesuffix(" %")) < 1600, "a small picture fills the window"
        await page.keyboard.press("+")
        await page.keyboard.press("+")
        await expect(zoom).to_have_text("3200 %")
        assert await width_of(page) == 32 * 96
        await visit.check_page("lightbox")
        await page.keyboard.press("0")
        await expect(zoom).to_have_text(whole)
        await page.set_viewport_size({"width": 1280, "height": 100})
        await page.keyboard.press("0")
        assert int((await zoom.text_content() or "").removesuffix(" %")) < 100
        await page.keyboard.press("+")
        await expect(zoom).to_have_text("100 %")
        assert await width_of(page) == 96, "a pixel of the screen for each of the picture"
        await page.keyboard.press("Escape")
        await expect(light).to_be_hidden()
        await expect(page.locator("#stage [data-shown]")).to_have_attribute("data-shown", "1")
        await visit.check_no_faults()
    async with visiting(browser, stage, "jane", f"/console/jobs/{stage.jobs[0]}") as visit:
        await visit.page.locator("#picture a[data-look]").click()
        image = visit.page.get_by_role("dialog", name="The picture, large").locator("img")
        await expect(image).to_have_js_property("naturalWidth", 96)
        await visit.check_no_faults()


async def width_of(page: Page) -> float:
    return float(await page.locator("#light img").evaluate("i => i.getBoundingClientRect().width"))


async def test_the_stage_follows_the_pictures_as_they_arrive(
    browser: Browser, stage: Stage
) -> None:
    leave = asyncio.Semaphore(0)
    async with visiting(browser, stage, "jane") as visit:
        page = visit.page
        shades = [await page.evaluate(PAINT, 60 * n) for n in range(4)]

        async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
            about = attempt_of(dispatch)
            frame = int(dispatch.params["frame"])
            await leave.acquire()
            await node.send(JobStatus(**about, progress=0.5))
            await node.send(Preview(**about, frame=frame, data=shades[frame]))
            await leave.acquire()
            await works(lambda _: picture(shade=frame))(node, dispatch)

        token = stage.people["otto"].token
        async with FakeNode(
            stage.url, name="reel", capabilities=("reel",), user_token=token, behave=behave
        ):
            job = await submitted(stage, "reel", frames="1-3")
            await visit.go(f"/console/jobs/{job}")
            await expect(page.locator("#live-state")).to_have_text("live")
            shown = page.locator("#stage [data-shown]")
            for number in ("1", "2"):
                leave.release()
                await expect(shown).to_have_attribute("data-shown", number)
                await expect(shown.locator("img")).to_have_js_property("naturalWidth", 300)
                leave.release()
                await expect(page.locator(".strip li.completed")).to_have_count(int(number))
            await page.locator(".strip a").first.click()
            await expect(shown).to_have_attribute("data-shown", "1")
            leave.release()
            await expect(page.locator(".strip li img")).to_have_count(3)
            await expect(shown).to_have_attribute("data-shown", "1")
            leave.release()
            await expect(page.locator("#state")).to_contain_text("Completed")
            await visit.check_no_faults()


async def test_a_frame_of_a_completed_job_is_rendered_again(browser: Browser, stage: Stage) -> None:
    job = await film(stage)
    async with visiting(browser, stage, "jane", f"/console/jobs/{job}?frame=3") as visit:
        page, state = visit.page, visit.page.locator("#state")
        page.once("dialog", lambda dialog: dialog.accept())
        about = page.locator("#about")
        await about.get_by_role("button", name="Render again: frame 3").click()
        await expect(state).to_contain_text("This renders a frame of scene again.")
        await expect(state).to_contain_text("Completed")
        await expect(page.locator("#picture img")).to_have_js_property("naturalWidth", 96)
        await visit.check_page("job-frame-again")
        await state.get_by_role("link", name="scene", exact=True).click()
        await page.wait_for_url(f"**/console/jobs/{job}")
        await expect(state).to_contain_text("Rendered again: frame 3 (completed).")
        await visit.check_no_faults()


async def test_two_jobs_of_a_scene_are_compared_with_a_wipe(browser: Browser, stage: Stage) -> None:
    await film(stage)
    job = await film(stage)
    async with visiting(browser, stage, "jane", f"/console/jobs/{job}?frame=3") as visit:
        page = visit.page
        await page.get_by_role("link", name="Compare with another job").click()
        images = page.locator("#compared img")
        await expect(images).to_have_count(2)
        for image in await images.all():
            await expect(image).to_have_js_property("naturalWidth", 96)
        left, right = [await image.bounding_box() for image in await images.all()]
        assert left is not None
        assert right is not None
        assert left["y"] == right["y"]
        assert left["x"] < right["x"]
        await visit.check_page("compare")
        await page.get_by_role("checkbox", name="Wipe").check()
        over, under = [await image.bounding_box() for image in await images.all()]
        assert over == under
        await page.get_by_role("slider", name="Place of the wipe").fill("30")
        clip = await images.last.evaluate("image => getComputedStyle(image).clipPath")
        assert "30%" in clip
        await page.get_by_role("link", name="Frame 4").click()
        await expect(images.first).to_have_attribute("alt", "The other job, frame 4")
        await visit.check_page("compare-wipe")


async def test_without_scripts_each_frame_is_a_page(browser: Browser, stage: Stage) -> None:
    job = await film(stage)
    async with visiting(browser, stage, "jane") as visit:
        state = await visit.page.context.storage_state()
    context = await browser.new_context(storage_state=state, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{stage.url}/console/jobs/{job}?frame=2")
    await expect(page.locator("#stage [data-shown]")).to_have_attribute("data-shown", "2")
    await expect(page.locator("#reel")).to_be_hidden()
    await page.get_by_role("link", name="Frame 3", exact=True).click()
    await expect(page.locator("#stage [data-shown]")).to_have_attribute("data-shown", "3")
    await page.locator(".strip a").first.click()
    await expect(page.locator("#stage [data-shown]")).to_have_attribute("data-shown", "1")
    await context.close()
