"""The page of prices, as a stranger sees it, and the link to it beside the price of a new job."""

from uuid import UUID

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage, person
from tests.browser.console.visits import LOOKS, visiting
from tests.support.lent_engines import StartGateway

BY_SIZE = {"RENDERTRUST_PRICING_FRAME_SECONDS": "60"}
MEASURES = {**BY_SIZE, "RENDERTRUST_VERIFICATION_OWN_NODES": str(UUID(int=1))}


@pytest.mark.parametrize("measures", [True, False])
async def test_a_stranger_learns_what_rendering_costs(
    browser: Browser, start_gateway: StartGateway, *, measures: bool
) -> None:
    settings = MEASURES if measures else BY_SIZE
    async with start_gateway(**settings) as gateway, aiohttp.ClientSession() as http:
        stage = Stage(gateway, http, {"jane": await person(gateway, http, "jane")}, [])
        async with visiting(browser, stage) as visit:
            page = await visit.go("/")
            await page.get_by_role("link", name="Price of a frame").click()
            await page.wait_for_url("**/pricing")
            await expect(page.get_by_role("heading", level=1)).to_have_text("What rendering costs")
            sizes = page.get_by_role("region", name="Prices by size")
            row = sizes.get_by_role("row", name="1920 \N{MULTIPLICATION SIGN} 1080")
            await expect(row).to_contain_text("10 cr")
            await expect(row).to_contain_text("0.70 USD")
            by_work = page.get_by_role("heading", name="Measured scenes")
            await expect(by_work).to_have_count(1 if measures else 0)
            await visit.check_page(f"pricing-{'by-work' if measures else 'by-size'}", LOOKS)
        async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
            link = visit.page.locator('a[href="/pricing"]')
            await expect(link).to_have_text("What rendering costs")
            await visit.check_no_faults()
