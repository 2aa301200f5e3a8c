"""Credits bought, paid and disputed on the pages of the Stripe stand-in.

Screenshots go to the folder in RENDERTRUST_SCREENSHOTS, if that is set.
"""

import os
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, Page

from sql.database import Database
from sql.fsck import run_fsck
from supervisors.engines.postgres import PostgresEndpoint
from tests.browser.conftest import WITHIN_MS
from tests.support.http_gateway import Face, serving, settings_for_tests, with_ledger
from tests.support.stripe_events import standing_in
from tests.support.until import until
from web.openapi.examples.reference import NEW_PURCHASE

CHECKOUT = "/api/v1/credits/checkout"


@pytest_asyncio.fixture(loop_scope="session")
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """Run a site over the real Ledger."""
    pool = Database(lambda: database.app_dsn)
    async with serving(pool, settings_for_tests(), with_ledger(pool)) as running:
        yield running
        async with pool.connection() as connection:
            assert await run_fsck(connection) == []
    await pool.close()


async def picture(page: Page, name: str) -> None:
    folder = os.environ.get("RENDERTRUST_SCREENSHOTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def test_credits_are_bought_on_the_pay_page_and_seen_to_arrive(
    browser: Browser, face: Face, tmp_path: Path
) -> None:
    bearer = await face.user()

    async def has(wanted: str) -> bool:
        async with face.client.get("/api/v1/credits/balance", headers=bearer) as answer:
            return bool((await answer.json())["balance"] == wanted)

    async with standing_in(face, tmp_path), await browser.new_context() as context:
        context.set_default_timeout(WITHIN_MS)
        page, errors = await context.new_page(), list[str]()
        page.on("pageerror", lambda error: errors.append(str(error)))
        async with face.client.post(CHECKOUT, json=NEW_PURCHASE, headers=bearer) as answer:
            url = (await answer.json())["url"]
        await page.goto(url)
        await page.get_by_text("10.00 USD").wait_for()
        await picture(page, "pay")
        await page.get_by_role("button", name="Pay", exact=True).click()
        await page.wait_for_url("**/checkout/done")
        await picture(page, "paid")
        await until(partial(has, "200.0000"), within=60)

        await page.goto(face.stripe.get().url)
        await picture(page, "payments")
        await page.get_by_role("button", name="Dispute", exact=True).click()
        await until(partial(has, "100.0000"), within=60)
        await page.get_by_role("button", name="Dispute won").click()
        await until(partial(has, "200.0000"), within=60)
        assert errors == []
