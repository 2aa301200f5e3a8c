"""A user's webhooks: created, viewed, sent again and deleted."""

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage
from tests.browser.console.visits import visiting
from tests.support.until import until


async def test_an_endpoint_is_made_told_and_told_again(browser: Browser, stage: Stage) -> None:
    told = list[str]()

    async def hear(request: web.Request) -> web.Response:
        told.append(request.headers["webhook-id"])
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks", hear)
    server = TestServer(app)
    await server.start_server()
    try:
        async with visiting(browser, stage, "jane", "/console/webhooks") as visit:
            page = visit.page
            page.on("dialog", lambda dialog: dialog.accept())
            await expect(page.get_by_text("No endpoints")).to_be_visible()
            await page.get_by_label("URL").fill(str(server.make_url("/hooks")))
            await page.get_by_role("button", name="Add endpoint").click()
            await expect(page.get_by_role("status").first).to_contain_text("whsec_")
            await stage.ended(await stage.job())
            await until(lambda: len(told) >= 3)
            await visit.go("/console/webhooks")
            await expect(page.get_by_role("row").filter(has_text="job.*")).to_contain_text(
                "enabled"
            )
            await visit.check_no_faults()
            await page.get_by_role("link", name="URL").click()
            await expect(page.locator("caption")).to_contain_text("by url, from A to Z")
            await page.get_by_role("link", name="/hooks").click()
            heading = page.get_by_role("heading", level=1)
            await expect(heading).to_have_text(f"Webhook to {server.host}:{server.port}")
            row = page.get_by_role("row").filter(has_text="job.completed")
            await expect(row.filter(has_text="delivered")).to_have_count(1)
            await expect(row.get_by_role("link")).to_have_text("scene")
            await page.evaluate("window.same = 1")
            await stage.ended(await stage.job())
            await expect(row.filter(has_text="delivered")).to_have_count(2)
            assert await page.evaluate("window.same") == 1, "the row came without a reload"
            await visit.check_page("webhook")
            await page.get_by_role("link", name="Event", exact=True).click()
            await expect(page.locator("caption")).to_contain_text("by event, from A to Z")
            await expect(page.locator("tbody tr").first).to_contain_text("job.completed")
            row = row.first
            before = len(told)
            await row.get_by_role("button").click()
            await expect(page.get_by_role("status").first).to_contain_text("is queued again")
            await until(lambda: len(told) > before)
            assert told[-1] in told[:-1]
            await page.get_by_role("button", name="Delete").click()
            await expect(page.get_by_text("No endpoints")).to_be_visible()
    finally:
        await server.close()
