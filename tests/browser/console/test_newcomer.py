"""Somebody who has never seen the console: each question is answered within three clicks."""

import re

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.console.looking import looking
from tests.browser.console.stage import Stage, failed_job

CLICKS_MOST = 3


class Newcomer:
    """Begins at /console, knows nothing of addresses and keys, and clicks on what is visible."""

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
        link = row.get_by_role("link", name=job[:8])
        await link.first.scroll_into_view_if_needed()  # others' newer jobs may stand above it
        await self.click(link)
        await self.page.wait_for_url(f"**/console/jobs/{job}")


@pytest.mark.parametrize("name", ["jane", "ann"])
async def test_why_did_it_fail(browser: Browser, stage: Stage, name: str) -> None:
    job = await failed_job(stage)
    async with looking(browser, stage, name, "/console") as eyes:
        newcomer = Newcomer(eyes.page)
        await newcomer.menu("Jobs")
        await newcomer.tab("Failed")
        await newcomer.job(job)
        why = eyes.page.locator("#why-failed")
        await expect(why).to_contain_text("the scene has no camera")
        await expect(why).to_be_in_viewport()
        await expect(eyes.page.locator("#state")).to_contain_text("The scene's fault")
        await eyes.did_nothing_wrong()


async def test_what_did_i_pay_for_it(browser: Browser, stage: Stage) -> None:
    job = stage.jobs[0]
    async with looking(browser, stage, "jane", "/console") as eyes:
        newcomer = Newcomer(eyes.page)
        await newcomer.menu("Jobs")
        await newcomer.tab("Completed")
        await newcomer.job(job)
        await expect(eyes.page.locator("#paid")).to_have_text("10.0000 cr charged")
        await eyes.did_nothing_wrong()


async def test_what_did_i_pay_for_what_failed(browser: Browser, stage: Stage) -> None:
    job = await failed_job(stage)
    async with looking(browser, stage, "jane", "/console") as eyes:
        newcomer = Newcomer(eyes.page)
        await newcomer.menu("Jobs")
        await newcomer.tab("Failed")
        await newcomer.job(job)
        await expect(eyes.page.locator("#paid")).to_contain_text("0.0000 cr charged")
        await expect(eyes.page.locator("#state")).to_contain_text("Nothing was charged")


@pytest.mark.parametrize("name", ["jane", "otto", "ann", "rita"])
async def test_is_the_ledger_sound(browser: Browser, stage: Stage, name: str) -> None:
    async with looking(browser, stage, name, "/console") as eyes:
        newcomer = Newcomer(eyes.page)
        await newcomer.menu("Ledger")
        verdict = eyes.page.locator("#is-sound")
        await expect(verdict).to_have_text("Yes: no invariant is broken.")
        await expect(verdict).to_be_in_viewport()
        assert newcomer.clicks == 1
        await eyes.did_nothing_wrong()
