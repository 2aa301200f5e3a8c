"""Credits bought in a browser: begun and looked at in the API's own page, paid on the stand-in's.

Pictures go to the folder that RENDERTRUST_SCREENSHOTS names, if it does.
"""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page

from sql.database import Database
from sql.fsck import run_fsck
from sql.migrate import migrate
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.http_gateway import Face, serving, settings_for_tests, with_ledger
from tests.support.stripe_events import standing_in
from tests.support.until import until

pytestmark = [pytest.mark.browser, pytest.mark.heavy]
WITHIN_MS = 30_000


@pytest.fixture
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """With the real Ledger."""
    await migrate(database.owner_dsn)
    pool = Database(lambda: database.app_dsn)
    async with serving(pool, settings_for_tests(), with_ledger(pool)) as running:
        yield running
        async with pool.connection() as connection:
            assert await run_fsck(connection) == []
    await pool.close()


class Docs:
    """The API's page, and what one does there."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def authorize(self, token: str) -> None:
        await self._page.locator(".auth-wrapper .authorize").first.click(timeout=WITHIN_MS)
        dialog = self._page.locator(".dialog-ux .modal-ux")
        await dialog.locator("input[aria-label='auth-bearer-value']").first.fill(token)
        await dialog.locator(".auth-btn-wrapper .authorize").first.click()
        await dialog.locator(".close-modal").click()

    async def open(self, operation: str) -> Locator:
        """An operation, ready to be called."""
        block = self._page.locator(f"#operations-{operation}")
        part = self._page.locator(f"#operations-tag-{operation.partition('-')[0]}")
        if await part.get_attribute("data-is-open", timeout=WITHIN_MS) == "false":
            await part.click()
        await block.locator(".opblock-summary-control").click(timeout=WITHIN_MS)
        await block.get_by_text("Try it out").click()
        return block

    async def execute(self, block: Locator) -> str:
        """The body of the answer."""
        await block.get_by_text("Execute").click()
        shown = block.locator(".live-responses-table .response-col_status")
        await shown.get_by_text("200").wait_for(timeout=WITHIN_MS)
        body = block.locator(".live-responses-table .highlight-code code").first
        return await body.inner_text()


async def picture(page: Page, name: str) -> None:
    folder = os.environ.get("RENDERTRUST_SCREENSHOTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def test_credits_are_bought_on_the_pay_page_and_seen_to_arrive(
    browser: Browser, face: Face, tmp_path: Path
) -> None:
    token = (await face.user())["Authorization"].removeprefix("Bearer ")
    async with standing_in(face, tmp_path):
        docs_page, pay_page = await browser.new_page(), await browser.new_page()
        errors: list[str] = []
        pay_page.on("pageerror", lambda error: errors.append(str(error)))
        await docs_page.goto(str(face.client.make_url("/docs")))
        docs = Docs(docs_page)
        await docs.authorize(token)
        balance = await docs.open("credits-credits_balance")
        assert '"balance": "100.0000"' in await docs.execute(balance)
        answer = await docs.execute(await docs.open("purchases-purchases_checkout"))
        url = answer.split('"url": "')[1].split('"')[0]

        await pay_page.goto(url)
        await pay_page.get_by_text("10.00 USD").wait_for(timeout=WITHIN_MS)
        await picture(pay_page, "pay")
        await pay_page.get_by_role("button", name="Pay", exact=True).click()
        await pay_page.wait_for_url("**/checkout/done", timeout=WITHIN_MS)
        await picture(pay_page, "paid")

        async def arrived() -> bool:
            return '"balance": "200.0000"' in await docs.execute(balance)

        await until(arrived, within=30)

        await pay_page.goto(face.stripe.get().url)
        await picture(pay_page, "payments")
        await pay_page.get_by_role("button", name="Dispute", exact=True).click()

        async def taken() -> bool:
            return '"balance": "100.0000"' in await docs.execute(balance)

        await until(taken, within=30)
        await pay_page.get_by_role("button", name="Dispute won").click()
        await until(arrived, within=30)
        assert errors == []
