"""The page of actors and supervisors, as an admin sees it."""

from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage
from tests.browser.console.visits import visiting
from web.console.value_markup import NOTHING


async def test_the_tree_is_shown_and_goes_on(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann", "/console/actors") as visit:
        page = visit.page
        ledger = page.get_by_role("row").filter(has=page.get_by_role("link", name="ledger"))
        await expect(ledger).to_contain_text("running")
        rate = ledger.get_by_role("cell").nth(3)
        await expect(rate).not_to_have_text(NOTHING)
        await visit.check_no_faults()


async def test_one_actor_is_drawn(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "rita", "/console/actors?actor=scheduler") as visit:
        await expect(visit.page.locator("#rate canvas")).to_be_visible()
        await expect(visit.page.locator("#rate")).to_contain_text("maximum")
        await visit.check_page("actor")


async def test_rows_are_filtered_and_sorted_by_the_address(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann", "/console/actors") as visit:
        page = visit.page
        await page.get_by_role("link", name="Highest").click()
        await expect(page).to_have_url(f"{stage.url}/console/actors?sort=-peak")
        await expect(page.locator("th[aria-sort=descending]")).to_have_text("Highest")
        await page.keyboard.press("/")
        await page.keyboard.type("ledger")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/actors?q=ledger")
        await expect(page.locator("#tree tbody tr")).to_have_count(1)
        await page.keyboard.press("Escape")
        await page.locator("main").focus()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**actor=ledger**")
        await visit.check_no_faults()
