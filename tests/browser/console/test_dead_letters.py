"""Dead letters, as an admin deals with them."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.console.looking import looking
from tests.browser.console.stage import Stage, failed_job


async def test_failed_jobs_are_tried_again_or_put_aside(browser: Browser, stage: Stage) -> None:
    one, other = await failed_job(stage), await failed_job(stage)
    async with looking(browser, stage, "ann", "/console/dead-letters") as eyes:
        page = eyes.page
        await expect(page.locator(f"input[value='{one}']")).to_be_visible()
        await eyes.is_well("dead-letters")
        await page.locator(f"input[value='{one}']").check()
        await page.locator("#reason").fill("a new camera")
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Retry", exact=True).click()
        await expect(page.get_by_role("status").first).to_contain_text("1 is tried again.")
        await expect(page.locator(f"input[value='{one}']")).to_have_count(0)
        await page.locator(f"input[value='{other}']").check()
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Discard").click()
        await expect(page.get_by_role("status").first).to_contain_text("1 is put aside.")
        await expect(page.locator(f"input[value='{other}']")).to_have_count(0)
        async with page.expect_download() as found:
            await page.get_by_role("link", name="CSV").click()
        text = Path(await (await found.value).path()).read_text()
        assert text.startswith("id,at,about,whose,where,reason,blame,job,tried")


async def test_the_other_kinds_have_lists_of_their_own(browser: Browser, stage: Stage) -> None:
    async with looking(browser, stage, "rita", "/console/dead-letters") as eyes:
        page = eyes.page
        await expect(page.locator("main button:not(#pause)")).to_have_count(0)
        kinds = page.get_by_label("Kinds of dead letters")
        others = {"Stripe events": "events", "Webhooks": "webhooks", "Actor messages": "messages"}
        for label, kind in others.items():
            await kinds.get_by_role("link", name=label).click()
            await page.wait_for_url(f"**/console/dead-letters?kind={kind}")
            await eyes.is_well(f"dead-{kind}")


async def test_creators_have_none(browser: Browser, stage: Stage) -> None:
    async with looking(browser, stage, "jane", "/console/dead-letters") as eyes:
        await expect(eyes.page.get_by_role("heading", name="You may not do this")).to_be_visible()
