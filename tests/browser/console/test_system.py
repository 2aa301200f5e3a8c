"""The page about the system, as admins see it."""

from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage
from tests.browser.console.visits import visiting


async def test_how_the_gateway_does_is_shown_and_goes_on(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "rita", "/console/system") as visit:
        page = visit.page
        await expect(page.locator("#live-state")).to_have_text("live")
        await expect(page.locator("#loop-lag canvas")).to_be_visible()
        await expect(page.locator("#loop-lag")).to_contain_text("ms late")
        row = page.get_by_role("row").filter(has_text="Redis")
        await expect(row).to_contain_text("connected")
        sockets = page.locator(".figure").filter(has_text="Sockets of nodes")
        await expect(sockets.locator("dd")).to_contain_text("2")
        await expect(page.locator("main form")).to_have_count(0)
        await visit.check_no_faults()


async def test_an_admin_changes_what_is_logged_and_it_is_written_down(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "ann", "/console/system") as visit:
        page = visit.page
        for level in ("warning", "info"):
            await page.get_by_role("combobox", name="Level").select_option(level)
            await page.get_by_label("Reason").fill(f"<b>to {level}</b>")
            await page.get_by_role("button", name="Change").click()
            await expect(page.get_by_role("status").first).to_contain_text(f"level {level}")
            await expect(page.locator("#level strong")).to_have_text(level)
        await visit.check_no_faults()
    _, audit = await stage.people["ann"].call("GET", "/admin/audit?limit=2")
    said = [(act["act"], act["reason"], act["details"]["level"]) for act in audit["records"]]
    assert said == [
        ("log.level", "<b>to info</b>", "info"),
        ("log.level", "<b>to warning</b>", "warning"),
    ]
