"""One press of Submit, or several, in the browser: one job."""

from typing import Any

from playwright.async_api import Browser, Request, Route, expect

from tests.browser.console.stage import Stage
from tests.browser.console.test_new_job import JOB_PAGE, blend, file_of
from tests.browser.console.visits import visiting

# What a browser tells a page that it kept while other pages were shown.
SHOWN_AGAIN = """
() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))
"""


async def test_a_double_click_on_submit_makes_one_job(browser: Browser, stage: Stage) -> None:
    """The page also stays usable where the browser shows it again as it was left."""
    sent = list[tuple[str, dict[str, Any]]]()

    def note(request: Request) -> None:
        if request.url.endswith("/jobs/dispatch"):
            sent.append((request.headers["idempotency-key"], request.post_data_json or {}))

    async def stay(route: Route) -> None:
        await route.fulfill(status=204)

    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        page.on("request", note)
        await page.locator("#file").set_input_files(file_of("twice.blend", blend(1, 9, b"twice")))
        await expect(page.locator("#sent-said")).to_have_text("The scene is uploaded.")
        await page.get_by_label("Two test frames first").check()
        await expect(page.locator("#cost")).to_contain_text("2 frames")
        submit = page.get_by_role("button", name="Submit")
        await page.route(JOB_PAGE, stay)  # the page stays, as while a slow page is awaited
        async with page.expect_request(JOB_PAGE):
            await submit.dblclick()
        await expect(submit).to_be_disabled()
        await page.get_by_label("Samples").press("Enter")
        assert len(sent) == 1
        await page.evaluate(SHOWN_AGAIN)
        await expect(submit).to_be_enabled()
        await expect(page.locator("#cost")).to_contain_text("7 frames")
        await page.unroute(JOB_PAGE)
        await submit.click()
        await page.wait_for_url(JOB_PAGE)
        assert [job["frames"] for _, job in sent] == ["1,5", "2-4,6-9"]
        assert len({key for key, _ in sent}) == 2
        _, found = await stage.people["jane"].call("GET", "/jobs?limit=2")
        assert [job["units"] for job in found["jobs"]] == [7, 2]
        await visit.check_no_faults()
