"""Overview pages of the roles."""

from playwright.async_api import Browser, expect

from tests.browser.console.looking import looking
from tests.browser.console.stage import Stage


async def test_signing_in(browser: Browser, stage: Stage) -> None:
    async with looking(browser, stage) as eyes:
        page = await eyes.go("/console")
        await page.get_by_label("E-mail").wait_for()
        await eyes.is_well("sign-in")


async def test_an_operator_sees_what_his_nodes_earned(browser: Browser, stage: Stage) -> None:
    async with looking(browser, stage, "otto") as eyes:
        earned = eyes.page.locator(".figure").filter(has_text="Earned")
        await expect(earned).to_contain_text("cr")
        await expect(earned).to_contain_text("not paid out yet")
        await expect(eyes.page.locator("#live-state")).to_have_text("live")
        await expect(eyes.page.locator(".plot canvas")).to_be_visible()
        await eyes.is_well("overview-otto")


async def test_a_job_that_ends_is_seen_without_a_reload(browser: Browser, stage: Stage) -> None:
    async with looking(browser, stage, "jane") as eyes:
        before = await eyes.page.locator(".pictures li").count()
        await eyes.page.evaluate("window.same = 1")
        job = await stage.job(job_type="render")
        assert await stage.ended(job) == "COMPLETED"
        await expect(eyes.page.locator(".pictures li")).to_have_count(min(8, before + 1))
        await expect(eyes.page.locator(f"img[src$='{job}']")).to_have_js_property("complete", True)
        assert await eyes.page.locator(f"img[src$='{job}']").evaluate("i => i.naturalWidth") == 96
        assert await eyes.page.evaluate("window.same") == 1


async def test_the_gateways_fit_beside_the_chart(browser: Browser, stage: Stage) -> None:
    async with looking(browser, stage, "ann") as eyes:
        table = eyes.page.locator("#gateways")
        await expect(table).to_contain_text("this one")
        for width in (1280, 1100, 1000, 761):
            await eyes.page.set_viewport_size({"width": width, "height": 860})
            assert await table.evaluate("t => t.scrollWidth - t.clientWidth") <= 0, width


async def test_a_result_that_is_no_picture_is_said_in_words(browser: Browser, stage: Stage) -> None:
    async with looking(browser, stage, "jane") as eyes:
        page = eyes.page
        await page.route("**/console/pictures/*", lambda route: route.fulfill(body="<p>no</p>"))
        job = await stage.job(job_type="render")
        assert await stage.ended(job) == "COMPLETED"
        shown = page.locator(f".pictures li:has(a[href$='{job}'])")
        await expect(shown).to_contain_text("A browser cannot display this result.")
        await expect(shown.locator("img")).to_have_count(0)
