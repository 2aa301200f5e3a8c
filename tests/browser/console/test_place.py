"""Keyboard focus stays in its place while the page changes."""

from playwright.async_api import Browser, Dialog, expect

from tests.browser.console.stage import Stage, failed_job
from tests.browser.console.visits import visiting
from tests.support.until import until


async def test_the_row_keeps_its_place_and_r_what_is_selected(
    browser: Browser, stage: Stage
) -> None:
    await failed_job(stage)
    async with visiting(browser, stage, "jane", "/console/jobs?q=status:failed") as visit:
        page, keys = visit.page, visit.page.keyboard
        await expect(page.locator("#live-state")).to_contain_text("live")
        await keys.press("j")
        here = await page.locator("tr.at").get_attribute("id")
        await keys.press("x")
        job = await failed_job(stage)
        await expect(page.locator(f"#row-{job}")).to_be_visible()
        await expect(page.locator("tr.at")).to_have_attribute("id", str(here))
        asked: list[str] = []

        async def refuse(dialog: Dialog) -> None:
            asked.append(dialog.message)
            await dialog.dismiss()

        page.on("dialog", refuse)
        await expect(page.locator(f"#{here}")).to_be_focused()
        await page.evaluate("document.querySelector('tr.at').classList.remove('at')")
        await keys.press("r")
        await until(lambda: bool(asked))
        assert await page.locator("tbody input:checked").count() == 1, "the selected row alone"
