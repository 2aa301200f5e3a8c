"""What people of each role find: their own things, or all of them; and buttons, or none."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.console.looking import looking
from tests.browser.console.stage import Stage

MENUS = {
    "jane": [
        "Overview",
        "Jobs",
        "Fleet",
        "Credits",
        "Ledger",
        "Disputes",
        "Organisations",
        "Webhooks",
    ],
    "otto": [
        *("Overview", "Jobs", "Fleet", "Checks", "Credits", "Ledger", "Disputes", "Organisations"),
        "Webhooks",
    ],
    "ann": [
        *("Overview", "Jobs", "Fleet", "Checks", "Actors", "Credits", "Ledger"),
        *("Disputes", "Users", "Organisations", "Webhooks"),
        *("Dead letters", "System", "Settings"),
    ],
    "rita": [
        *("Overview", "Jobs", "Fleet", "Checks", "Actors", "Ledger"),
        *("Disputes", "Users", "Organisations", "Webhooks"),
        *("Dead letters", "System", "Settings"),
    ],
}


ITEMS = ".menu nav a"


@pytest.mark.parametrize("name", list(MENUS))
async def test_the_menu_has_what_somebody_may_see(
    browser: Browser, stage: Stage, name: str
) -> None:
    async with looking(browser, stage, name) as eyes:
        assert await eyes.page.locator(f"{ITEMS} span").all_text_contents() == MENUS[name]
        for label in MENUS[name]:
            await eyes.page.get_by_role("navigation", name="Pages").get_by_text(label).click()
            await expect(eyes.page.locator("h1")).to_have_text(label)
        await eyes.did_nothing_wrong()


async def test_creators_and_operators_see_their_own(browser: Browser, stage: Stage) -> None:
    async with looking(browser, stage, "jane", "/console/fleet") as eyes:
        await expect(eyes.page.get_by_text("No nodes yet")).to_be_visible()
        await eyes.go("/console/ledger")
        entries = eyes.page.locator("#rows tbody tr")
        await expect(entries.first).to_be_visible()
        await expect(eyes.page.get_by_role("columnheader", name="Account")).to_have_count(0)
        _, history = await stage.people["jane"].call("GET", "/credits/history?limit=100")
        own = {f"no. {each['entry_id']}" for each in history["entries"]}
        assert set(await entries.locator("th a").all_text_contents()) <= own
    async with looking(browser, stage, "otto", "/console/credits") as eyes:
        await expect(eyes.page.get_by_text("Nothing is held")).to_be_visible()
        await expect(eyes.page.get_by_text("Nothing was bought")).to_be_visible()
        await eyes.go("/console/fleet")
        await expect(eyes.page.locator(".figures")).to_contain_text("Earned, pending")
        await expect(eyes.page.get_by_role("row").filter(has_text="studio-1")).to_be_visible()
