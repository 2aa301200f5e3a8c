"""The credits page in a browser: packs, the chart of spending, and a period by its form."""

import re

from playwright.async_api import Browser, expect

from tests.browser.console.periods import check_statement, choose_periods
from tests.browser.console.stage import Stage
from tests.browser.console.visits import visiting
from web.console.page_responses import BOUGHT


async def test_spending_is_drawn_and_a_period_is_chosen(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", "/console/credits") as visit:
        page = visit.page
        await expect(page.locator(".pack")).to_have_count(5)
        await expect(page.locator(".pack").last).to_contain_text("0.07 USD a credit")
        await expect(page.locator("#spent-by-day canvas")).to_be_visible()
        await visit.check_page("credits")
        await choose_periods(page, page.locator("#spending"), "Nothing was charged")
        await check_statement(page, page.get_by_role("link", name="Statement (PDF)"))


async def test_the_cheapest_packs_are_bought_or_not(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", "/console/credits?need=1234") as visit:
        page = visit.page
        need = page.locator("#buy-need")
        await expect(need).to_contain_text(
            "1 \N{MULTIPLICATION SIGN} 1,000 credits + 3 \N{MULTIPLICATION SIGN} 100 credits"
        )
        await visit.check_page("credits-need")
        await need.get_by_role("button", name="Buy 1,300 credits for 100.00 USD").click()
        await page.get_by_text("100.00 USD").wait_for()
        await page.get_by_role("button", name="Cancel").click()
        await page.wait_for_url("**/console/credits")
        await expect(page.locator("#bought")).to_contain_text("not paid")
        await page.get_by_role("button", name="Buy 100 credits", exact=True).click()
        await page.get_by_role("button", name="Pay", exact=True).click()
        await page.wait_for_url("**/console/credits?bought=1")
        await expect(page.get_by_text(BOUGHT)).to_be_visible()
        newest = page.locator("#bought tbody tr").first
        await expect(newest).to_contain_text("100 credits")
        await expect(newest).to_contain_text(re.compile(r"(?<!not )paid"))
