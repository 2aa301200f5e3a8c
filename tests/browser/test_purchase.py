"""Credits bought in a browser: begun in the API's own page, paid on the stand-in's.

Pictures go to the folder that RENDERTRUST_SCREENSHOTS names, if it does.
"""

import os
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, Locator, Page

from sql.database import Database
from sql.fsck import run_fsck
from supervisors.engines.postgres import PostgresEndpoint
from tests.browser.conftest import WITHIN_MS
from tests.support.http_gateway import Face, serving, settings_for_tests, with_ledger
from tests.support.stripe_events import standing_in
from tests.support.until import until


@pytest_asyncio.fixture(loop_scope="session")
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """With the real Ledger."""
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
        await self._page.locator(".auth-wrapper .authorize").first.click()
        dialog = self._page.locator(".dialog-ux .modal-ux")
        await dialog.locator("input[aria-label='auth-bearer-value']").first.fill(token)
        await dialog.locator(".auth-btn-wrapper .authorize").first.click()
        await dialog.locator(".close-modal").click()

    async def open(self, operation: str) -> Locator:
        """An operation, ready to be called."""
        block = self._page.locator(f"#operations-{operation}")
        part = self._page.locator(f"#operations-tag-{operation.partition('-')[0]}")
        if await part.get_attribute("data-is-open") == "false":
            await part.click()
        await block.locator(".opblock-summary-control").click()
        await block.get_by_text("Try it out").click()
        return block

    async def execute(self, block: Locator) -> str:
        """The body of the answer."""
        await block.get_by_text("Execute").click()
        shown = block.locator(".live-responses-table .response-col_status")
        await shown.get_by_text("200").wait_for()
        body = block.locator(".live-responses-table .highlight-code code").first
        return await body.inner_text()


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
        docs_page, pay_page = await context.new_page(), await context.new_page()
        errors: list[str] = []
        for page in (docs_page, pay_page):
            page.on("pageerror", lambda error: errors.append(str(error)))
        await docs_page.goto(str(face.client.make_url("/docs")))
        docs = Docs(docs_page)
        await docs.authorize(bearer["Authorization"].removeprefix("Bearer "))
        balance = await docs.open("credits-credits_balance")
        assert '"balance": "100.0000"' in await docs.execute(balance)
        answer = await docs.execute(await docs.open("purchases-purchases_checkout"))
        url = answer.split('"url": "')[1].split('"')[0]

        await pay_page.goto(url)
        await pay_page.get_by_text("10.00 USD").wait_for()
        await picture(pay_page, "pay")
        await pay_page.get_by_role("button", name="Pay", exact=True).click()
        await pay_page.wait_for_url("**/checkout/done")
        await picture(pay_page, "paid")
        await until(partial(has, "200.0000"), within=60)

        await pay_page.goto(face.stripe.get().url)
        await picture(pay_page, "payments")
        await pay_page.get_by_role("button", name="Dispute", exact=True).click()
        await until(partial(has, "100.0000"), within=60)
        await pay_page.get_by_role("button", name="Dispute won").click()
        await until(partial(has, "200.0000"), within=60)
        assert errors == []
