"""The choice of a period on pages of money, and the statement of it, in a browser."""

from datetime import date, timedelta

from playwright.async_api import Locator, Page, expect


async def choose_periods(page: Page, shown: Locator, empty: str) -> None:
    """Choose the last seven days by the link and a month by the form; ``shown`` then says
    ``empty``.
    """
    await page.get_by_role("link", name="7 days").click()
    await expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "page")
    last = date.fromisoformat(await page.locator("[name=to]").input_value())
    first = date.fromisoformat(await page.locator("[name=from]").input_value())
    assert last - first == timedelta(days=6)
    await page.locator("[name=from]").fill("2026-01-01")
    await page.locator("[name=to]").fill("2026-01-31")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(shown).to_contain_text(empty)
    assert "from=2026-01-01&to=2026-01-31" in page.url


async def check_statement(page: Page, link: Locator) -> None:
    """Check that a link or button saves a PDF."""
    async with page.expect_download() as saving:
        await link.click()
    saved = await (await saving.value).path()
    assert saved.read_bytes().startswith(b"%PDF")
