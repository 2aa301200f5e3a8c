"""Without scripts, pages can be read, sorted, filtered and used; pages offer nothing that needs
scripts.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import WITHIN_MS
from tests.browser.console.stage import PASSWORD, Stage, failed_job
from tests.browser.console.visits import WIDE


@asynccontextmanager
async def without_scripts(browser: Browser, stage: Stage, name: str) -> AsyncGenerator[Page]:
    """Open a browser without scripts, with this user signed in."""
    context = await browser.new_context(
        viewport=WIDE, reduced_motion="reduce", java_script_enabled=False
    )
    page = await context.new_page()
    page.set_default_timeout(WITHIN_MS)
    await page.goto(f"{stage.url}/console")
    await page.get_by_label("E-mail").fill(f"{name}@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.locator("header.side").wait_for()
    try:
        yield page
    finally:
        await context.close()


async def test_a_creator_retries_a_job(browser: Browser, stage: Stage) -> None:
    job = await failed_job(stage)
    async with without_scripts(browser, stage, "jane") as page:
        await page.goto(f"{stage.url}/console/jobs?q=status:failed")
        await page.get_by_role("link", name="Took").click()
        await expect(page.locator("caption")).to_contain_text("by took, the greatest first")
        await page.get_by_role("searchbox").fill(f"id:{job[:8]}")
        await page.get_by_role("searchbox").press("Enter")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody time")).to_contain_text("UTC")
        await page.get_by_role("checkbox", name="Select").check()
        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("status").first).to_contain_text("1 job is retried.")


async def test_nothing_is_offered_that_does_nothing(browser: Browser, stage: Stage) -> None:
    async with without_scripts(browser, stage, "jane") as page:
        for path in ("/console", "/console/jobs", "/console/credits"):
            await page.goto(stage.url + path)
            await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
            for name in ("Pause updates", "Light or dark", "Keyboard help", "Full times", "Buy"):
                await expect(page.get_by_role("button", name=name)).to_have_count(0)
            await expect(page.locator("#live-state")).to_be_hidden()
        await expect(page.get_by_text("Buying here needs JavaScript")).to_be_visible()
