"""Organisations and trust: founding, joining, lending nodes, and ending them."""

from playwright.async_api import Browser, expect

from tests.browser.console.stage import HOSTILE, Stage
from tests.browser.console.visits import visiting


async def test_nodes_are_lent_to_those_who_were_invited(browser: Browser, stage: Stage) -> None:
    async with (
        visiting(browser, stage, "otto", "/console/organisations") as hers,
        visiting(browser, stage, "jane", "/console/organisations") as other,
    ):
        page, guest = hers.page, other.page
        for one in (page, guest):
            one.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_label("Name of a new organisation").fill(HOSTILE[1])
        await page.get_by_role("button", name="Create organisation").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE[1])
        await page.get_by_label("E-mail").fill("jane@example.org")
        await page.get_by_role("button", name="Invite").click()
        await expect(page.locator("#members")).to_contain_text("invited")
        await page.get_by_label("Your node").select_option("studio-1")
        await page.get_by_role("button", name="Lend it").click()
        await expect(page.locator("#nodes tbody tr")).to_contain_text("studio-1")
        await hers.check_page("organisation")
        await guest.get_by_role("button", name="Accept").click()
        await expect(guest.locator("#nodes tbody tr")).to_contain_text("studio-1")
        await expect(page.locator("#members")).not_to_contain_text("invited")
        await expect(guest.get_by_role("button", name="Invite")).to_have_count(0)
        await other.go("/console/organisations")
        await guest.get_by_label("E-mail").fill("otto@example.org")
        await guest.get_by_role("button", name="Trust", exact=True).click()
        await expect(guest.locator("#trusted tbody tr")).to_contain_text("otto@example.org")
        await guest.get_by_role("button", name="Stop trusting otto@example.org").click()
        await expect(guest.get_by_text("You trust no users yet")).to_be_visible()
        await page.get_by_role("button", name="Make an owner: jane@example.org").click()
        await expect(page.get_by_role("status").first).to_contain_text(
            "The member is now an owner."
        )
        await page.get_by_role("button", name="Take studio-1 back").click()
        await expect(page.get_by_text("No nodes are lent")).to_be_visible()
        await page.get_by_role("button", name="End it", exact=True).click()
        await expect(page.get_by_text("You belong to no organisation")).to_be_visible()
        await hers.check_no_faults()
        await other.check_no_faults()
