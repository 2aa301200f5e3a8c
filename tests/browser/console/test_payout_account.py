"""An operator's payout account in the browser."""

import re

from playwright.async_api import Browser, expect

from tests.browser.console.periods import check_statement
from tests.browser.console.stage import HOSTILE, PASSWORD, Stage
from tests.browser.console.visits import LOOKS, visiting
from tests.support.databases import execute


async def test_an_operator_says_where_money_is_sent(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "otto", "/console/account") as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("link", name="Your payouts").click()
        await expect(page.locator("main")).to_contain_text("No account yet")
        await check_statement(page, page.get_by_role("button", name="Statement (PDF)"))
        await page.get_by_label("Pay me out").select_option("every Monday")
        await page.get_by_label("Minimum, in credits").fill("12.5")
        await page.get_by_role("button", name="Save the schedule").click()
        await expect(page.get_by_role("status").first).to_contain_text("Saved")
        rules = page.get_by_role("region", name="Automatic payouts")
        await expect(rules).to_contain_text("The next payout is on")
        await expect(rules).to_contain_text("12.5")
        await page.get_by_label("Method").fill(HOSTILE[0])
        await page.get_by_label("Account").fill("DE02 1203 0000 0000 2020 51")
        await page.get_by_label("Currency").fill("Eur")
        await page.get_by_label("Password to confirm").fill(PASSWORD)
        await page.get_by_role("button", name="Save the account").click()
        await expect(page.get_by_role("status").first).to_contain_text("The account is saved")
        shown = page.get_by_role("region", name="Where your money is sent")
        await expect(shown).to_contain_text("No account is used yet")
        remove = page.get_by_role("button", name="Remove")
        await expect(remove).to_have_count(0)
        waiting = page.get_by_role("region", name="A change waits")
        await expect(waiting).to_contain_text("…2051")
        await expect(waiting).not_to_contain_text("1203")
        await expect(waiting).to_contain_text(HOSTILE[0])
        await expect(waiting).to_contain_text("EUR")
        await expect(waiting).to_contain_text("payouts of money wait")
        await expect(waiting).to_contain_text("72 hours after the change")
        await expect(waiting).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"))
        await visit.check_page("payout-account", LOOKS)
        await page.get_by_label("Account").fill(" ")
        await page.get_by_label("Password to confirm").fill(PASSWORD)
        await page.get_by_role("button", name="Save the account").click()
        await expect(page.get_by_role("alert")).to_contain_text("The account must be a line")
        visit.errors.clear()  # the browser logs the status 422
        await execute(stage.dsn, "UPDATE payout_accounts SET usable_at = changed_at")
        await visit.go("/console/account/payout-account")
        await expect(shown).to_contain_text("…2051")
        await remove.click()
        await expect(page.get_by_role("status").first).to_contain_text("The account is removed")
        await visit.check_no_faults()


async def test_who_has_no_node_is_not_asked_for_an_account(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", "/console/account") as visit:
        await visit.page.get_by_role("heading", name="Sessions").wait_for()
        await expect(visit.page.get_by_role("link", name="Your payouts")).to_have_count(0)
