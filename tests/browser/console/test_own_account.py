"""Mails, data and deletion on the account page, in the browser."""

import json
from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage
from tests.browser.console.visits import LOOKS, visiting

PASSWORD = "long enough for all"


async def test_mails_are_chosen_and_the_account_is_deleted(browser: Browser, stage: Stage) -> None:
    """A newcomer opens an account, chooses mails, takes their data along, and goes."""
    async with visiting(browser, stage) as visit:
        page = await visit.go("/console/sign-up")
        await page.get_by_label("Name").fill("Dora Departing")
        await page.get_by_label("E-mail").fill("dora@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign up").click()
        await page.wait_for_url("**/console/jobs/new")
        await page.get_by_role("link", name="Your account").click()
        await page.get_by_label("your job is complete").uncheck()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status").first).to_contain_text("choice of mails is saved")
        await expect(page.get_by_label("your job is complete")).not_to_be_checked()
        await expect(page.get_by_label("your job failed")).to_be_checked()
        async with page.expect_download() as coming:
            await page.get_by_role("button", name="Download").click()
        saved = await (await coming.value).path()
        assert json.loads(Path(saved).read_text())["account"]["email"] == "dora@example.org"
        await page.get_by_text("Delete the account").first.click()
        await visit.check_page("account-mails", LOOKS)
        await page.get_by_label("Your password").fill("not this one")
        await page.get_by_label("Delete everything, for good").check()
        await page.get_by_role("button", name="Delete the account").click()
        await expect(page.get_by_role("alert")).to_have_text("The password is incorrect.")
        visit.errors.clear()  # the browser logs the status 422
        await visit.check_page("account-delete-refused")
        await page.get_by_label("Your password").fill(PASSWORD)
        await page.get_by_label("Delete everything, for good").check()
        await page.get_by_role("button", name="Delete the account").click()
        await page.wait_for_url("**/console/sign-in*")
        await expect(page.get_by_role("status").first).to_contain_text("Your account is deleted.")
        await page.get_by_label("E-mail").fill("dora@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        visit.errors.clear()  # the browser logs the status 401
        await visit.check_no_faults()
