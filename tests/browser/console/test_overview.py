"""Overview pages of the roles."""

from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage
from tests.browser.console.visits import LOOKS, visiting


async def test_signing_in(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/console")
        await page.get_by_label("E-mail").wait_for()
        await visit.check_page("sign-in")


async def test_an_operator_sees_what_his_nodes_earned(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "otto") as visit:
        earned = visit.page.locator(".figure").filter(has_text="Earned")
        await expect(earned).to_contain_text("cr")
        await expect(earned).to_contain_text("not paid out yet")
        await expect(visit.page.locator("#live-state")).to_have_text("live")
        chart = visit.page.locator("#jobs-ended")
        await expect(chart).to_have_text("No job ended in the last hour.")
        await visit.check_page("overview-otto")


async def test_a_job_that_ends_is_seen_without_a_reload(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane") as visit:
        before = await visit.page.locator(".pictures li").count()
        await visit.page.evaluate("window.same = 1")
        job = await stage.job(job_type="render")
        assert await stage.ended(job) == "COMPLETED"
        await expect(visit.page.locator(".pictures li")).to_have_count(min(8, before + 1))
        await expect(visit.page.locator(f"img[src$='{job}']")).to_have_js_property("complete", True)
        assert await visit.page.locator(f"img[src$='{job}']").evaluate("i => i.naturalWidth") == 96
        assert await visit.page.evaluate("window.same") == 1


async def test_the_gateways_fit_beside_the_chart(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann") as visit:
        table = visit.page.locator("#gateways")
        await expect(table).to_contain_text("this one")
        for width in (1280, 1100, 1000, 761):
            await visit.page.set_viewport_size({"width": width, "height": 860})
            assert await table.evaluate("t => t.scrollWidth - t.clientWidth") <= 0, width


async def test_a_result_that_is_no_picture_is_said_in_words(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane") as visit:
        page = visit.page
        await page.route("**/console/pictures/*", lambda route: route.fulfill(body="<p>no</p>"))
        job = await stage.job(job_type="render")
        assert await stage.ended(job) == "COMPLETED"
        shown = page.locator(f".pictures li:has(a[href$='{job}'])")
        await expect(shown).to_contain_text("A browser cannot display this result.")
        await expect(shown.locator("img")).to_have_count(0)


async def test_an_admin_sees_what_waits_and_the_money_by_day(
    browser: Browser, stage: Stage
) -> None:
    job = await stage.job(job_type="render")
    assert await stage.ended(job) == "COMPLETED"
    complaint = {"reason": "it is black"}
    status, _ = await stage.people["jane"].call("POST", f"/jobs/{job}/units/0/dispute", complaint)
    assert status == 201
    async with visiting(browser, stage, "ann") as visit:
        page = visit.page
        todo = page.get_by_role("list", name="To do").get_by_role("listitem")
        waits = todo.filter(has_text="for a decision")
        await expect(waits).to_have_count(1)
        days = page.get_by_role("region", name="Money, day by day").locator("tbody tr")
        await expect(days).to_have_count(14)
        await expect(days.first.locator("td.number")).to_have_count(5)
        await visit.check_page("overview-ann", LOOKS)
        await page.get_by_role("link", name="Platform").click()
        await expect(page.locator("#money th[aria-sort=descending]")).to_have_text("Platform")
        await waits.get_by_role("link", name="Open").click()
        await page.wait_for_url("**/console/disputes?is=open")
        await visit.go("/console/readiness")
        await visit.check_page("readiness", LOOKS)
