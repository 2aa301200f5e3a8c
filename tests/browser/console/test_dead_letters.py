"""Tests of dead letters, as an admin handles them."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage, failed_job
from tests.browser.console.visits import visiting


async def test_failed_jobs_are_tried_again_or_put_aside(browser: Browser, stage: Stage) -> None:
    one, other = await failed_job(stage), await failed_job(stage)
    async with visiting(browser, stage, "ann", "/console/dead-letters") as visit:
        page = visit.page
        await expect(page.locator(f"input[value='{one}']")).to_be_visible()
        await visit.check_no_faults()
        await page.locator(f"input[value='{one}']").check()
        await page.locator("#reason").fill("a new camera")
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Retry", exact=True).click()
        await expect(page.get_by_role("status").first).to_contain_text("1 is retried.")
        await expect(page.locator(f"input[value='{one}']")).to_have_count(0)
        await page.locator(f"input[value='{other}']").check()
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Discard").click()
        await expect(page.get_by_role("status").first).to_contain_text("1 is discarded.")
        await expect(page.locator(f"input[value='{other}']")).to_have_count(0)
        async with page.expect_download() as found:
            await page.get_by_role("link", name="CSV").click()
        text = Path(await (await found.value).path()).read_text()
        assert text.startswith("id,at,about,whose,where,reason,blame,job,tried")
