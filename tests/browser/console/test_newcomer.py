"""A user new to the console finds the answer to each question within three clicks."""

import re

from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.console.kept_proofs import HOLDS
from tests.browser.console.stage import Stage, failed_job
from tests.browser.console.visits import visiting

CLICKS_MOST = 3


class Newcomer:
    """A user who starts at /console, knows no addresses or keys, and clicks on what is visible."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    async def click(self, what: Locator) -> None:
        self.clicks += 1
        assert self.clicks <= CLICKS_MOST
        await expect(what.first).to_be_in_viewport()
        await what.first.click()

    async def menu(self, label: str) -> None:
        pages = self.page.get_by_role("navigation", name="Pages")
        await self.click(pages.get_by_role("link", name=label))

    async def tab(self, label: str) -> None:
        tabs = self.page.get_by_role("navigation", name="Jobs by status")
        await self.click(tabs.get_by_role("link", name=re.compile(label)))

    async def job(self, job: str) -> None:
        row = self.page.locator("tbody tr").filter(has_text=job[:8])
        link = row.locator(f'a[href="/console/jobs/{job}"]')
        await link.first.scroll_into_view_if_needed()  # newer jobs of other users may be above it
        await self.click(link)
        await self.page.wait_for_url(f"**/console/jobs/{job}")


async def test_why_did_it_fail_and_what_did_i_pay_for_it(browser: Browser, stage: Stage) -> None:
    job = await failed_job(stage)
    async with visiting(browser, stage, "jane", "/console") as visit:
        newcomer = Newcomer(visit.page)
        await newcomer.menu("Jobs")
        await newcomer.tab("Failed")
        await newcomer.job(job)
        why, state = visit.page.locator("#why-failed"), visit.page.locator("#state")
        await expect(why).to_contain_text("the scene has no camera")
        await expect(why).to_be_in_viewport()
        await expect(state).to_contain_text("The scene's fault, after 1 attempt")
        await expect(state).to_contain_text("Nothing was charged")
        await expect(visit.page.locator("#paid")).to_contain_text("0 cr charged")
        await expect(visit.page.locator("#paid")).to_contain_text("released")
        attempts = visit.page.locator("#attempts")
        hidden = await attempts.evaluate("it => it.scrollWidth - it.clientWidth")
        assert hidden <= 0, "the last column is seen without scrolling, however long a name is"
        await visit.check_page("job-failed")
        await attempts.get_by_role("link", name="What to do").click()
        await visit.page.wait_for_url(re.compile("/help/errors.*#unit-reported$"))
        await expect(visit.page.locator("#unit-reported")).to_contain_text("reported")


async def test_what_did_i_pay_for_it(browser: Browser, stage: Stage) -> None:
    job = stage.jobs[0]
    async with visiting(browser, stage, "jane", "/console") as visit:
        newcomer = Newcomer(visit.page)
        await newcomer.menu("Jobs")
        await newcomer.tab("Completed")
        await newcomer.job(job)
        await expect(visit.page.locator("#paid")).to_contain_text("10 cr charged")
        await expect(visit.page.locator("#paid")).to_contain_text("≈ 0.70 USD")
        await expect(visit.page.locator("#money")).to_contain_text("Held")
        await visit.check_no_faults()


async def test_is_the_ledger_sound(browser: Browser, stage: Stage) -> None:
    """One click shows whether the ledger is sound, and one more click recomputes a proof."""
    async with visiting(browser, stage, "jane", "/console") as visit:
        newcomer, page = Newcomer(visit.page), visit.page
        await newcomer.menu("Ledger")
        verdict = page.locator("#is-sound")
        await expect(verdict).to_have_text("No invariant is broken.")
        await expect(verdict).to_be_in_viewport()
        await page.locator("summary", has_text="What is checked").click()
        await expect(page.locator("#checked tbody tr").first).to_contain_text("holds")
        await expect(page.locator("#checked tbody tr")).to_have_count(12)
        await page.locator("#rows tbody tr a").first.click()
        await expect(page.locator("#verdict")).to_have_text(HOLDS)
        await visit.check_no_faults()
