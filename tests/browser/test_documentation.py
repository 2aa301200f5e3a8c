"""Both pages of the API's description, in a browser that reaches only the gateway.

Screenshots go to the folder in RENDERTRUST_SCREENSHOTS, if that is set.
"""

import os
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from rendertrust.webhooks import EVENTS
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.browser.conftest import WITHIN_MS
from tests.support.examples import chosen
from tests.support.http_gateway import Face, serving, settings_for_tests, with_ledger
from tests.support.stripe_events import standing_in

# ReDoc always requests its logo; the content security policy blocks the request.
LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"


@attrs.define
class Visit:
    """An open page, and the requests and errors that occurred on it."""

    page: Page
    origin: str
    asked: list[str] = attrs.field(factory=list[str])
    errors: list[str] = attrs.field(factory=list[str])

    def listen(self) -> None:
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type == "error" else None,
        )

    def elsewhere(self) -> set[str]:
        """Return the requested URLs that are not the gateway's."""
        return {url for url in self.asked if not url.startswith((self.origin, "data:"))}

    async def picture(self, name: str) -> None:
        folder = os.environ.get("RENDERTRUST_SCREENSHOTS")
        if folder:
            await self.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest_asyncio.fixture(loop_scope="session")
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """Run a site over the real Ledger."""
    pool = Database(lambda: database.app_dsn)
    async with serving(pool, settings_for_tests(), with_ledger(pool)) as running:
        yield running
    await pool.close()


@asynccontextmanager
async def visiting(browser: Browser, face: Face, path: str) -> AsyncGenerator[Visit]:
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WITHIN_MS)
    visit = Visit(page, str(face.client.make_url("/")))
    visit.listen()
    await page.goto(str(face.client.make_url(path)))
    yield visit
    await page.close()


class SwaggerUI:
    """The page at ``/docs`` and its controls."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def tags(self) -> set[str]:
        tags = self._page.locator(".opblock-tag")
        await tags.first.wait_for()
        return set(await tags.evaluate_all("all => all.map((each) => each.dataset.tag)"))

    async def shows(self, tag: str, number: int) -> None:
        """Open a tag, check its number of operations, and close it."""
        section = self._page.locator(".opblock-tag-section")
        operations = section.filter(has=self._page.locator(f"#operations-tag-{tag}"))
        operations = operations.locator(".opblock")
        for shown in (number, 0):
            await self._page.locator(f"#operations-tag-{tag}").click()
            await expect(operations).to_have_count(shown)

    async def authorize(self, token: str) -> None:
        await self._page.locator(".auth-wrapper .authorize").first.click()
        dialog = self._page.locator(".dialog-ux .modal-ux")
        await dialog.locator("input[aria-label='auth-bearer-value']").first.fill(token)
        await dialog.locator(".auth-btn-wrapper .authorize").first.click()
        await dialog.locator(".close-modal").click()

    async def open(self, operation: str) -> Locator:
        await self._page.locator(f"#operations-tag-{operation.partition('-')[0]}").click()
        block = self._page.locator(f"#operations-{operation}")
        await block.locator(".opblock-summary-control").click()
        return block

    async def execute(self, block: Locator) -> str:
        """Execute an operation, and return the body of the answer."""
        await block.get_by_text("Try it out").click()
        await block.get_by_text("Execute").click()
        shown = block.locator(".live-responses-table .response-col_status")
        await shown.get_by_text("200").wait_for()
        body = block.locator(".live-responses-table .highlight-code code").first
        return await body.inner_text()


async def test_swagger_ui_shows_every_operation_and_executes_them(
    browser: Browser, face: Face, tmp_path: Path
) -> None:
    bearer = await face.user()
    async with standing_in(face, tmp_path), visiting(browser, face, "/docs") as visit:
        swagger = SwaggerUI(visit.page)
        operations = await operations_by_tag(face)
        assert await swagger.tags() == operations.keys()
        for tag in chosen(day=("jobs", "credits"), night=sorted(operations)):
            await swagger.shows(tag, operations[tag])
        await swagger.authorize(bearer["Authorization"].removeprefix("Bearer "))
        balance = await swagger.open("credits-credits_balance")
        assert '"balance": "100.0000"' in await swagger.execute(balance)
        checkout = await swagger.open("purchases-purchases_checkout")
        await checkout.get_by_text('"sku": "cred10"').first.wait_for()
        assert '"url": "http://' in await swagger.execute(checkout), "the example request is sent"
        await visit.picture("docs")
        assert visit.elsewhere() == set()
        assert visit.errors == []


async def test_redoc_shows_every_operation(browser: Browser, face: Face) -> None:
    async with visiting(browser, face, "/redoc") as visit:
        shown = visit.page.locator("[data-section-id*='/operation/']")
        await shown.first.wait_for()
        assert await shown.count() == (await operations_by_tag(face)).total() + len(EVENTS)
        await visit.picture("redoc")
        width = await visit.page.locator("#api .menu-content").evaluate("e => e.clientWidth")
        assert 200 < width < 400, "the page's styles are in force"
        assert visit.elsewhere() <= {LOGO}
        assert all(LOGO in error for error in visit.errors), visit.errors


async def operations_by_tag(face: Face) -> Counter[str]:
    """Return the number of operations per tag in the description."""
    async with face.client.get("/openapi.json") as answer:
        assert answer.status == 200, await answer.text()
        paths = (await answer.json())["paths"]
    operations = [each for item in paths.values() for each in item.values()]
    return Counter(tag for each in operations for tag in each["tags"])
