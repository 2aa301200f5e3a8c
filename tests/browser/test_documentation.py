"""The two pages of the API's description, in a browser that reaches nothing but the gateway.

Their pictures go to the folder that RENDERTRUST_SCREENSHOTS names, if it does.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from sql.database import Database
from tests.browser.conftest import WITHIN_MS
from tests.support.http_gateway import Face, serving, settings_for_tests

NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"
# The one thing that ReDoc cannot be told to leave; the policy keeps it from being asked for.
LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"


@attrs.define
class Visit:
    """A page, and what went on while it was open."""

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
        """What was asked for, if not of the gateway."""
        return {url for url in self.asked if not url.startswith((self.origin, "data:"))}

    async def picture(self, name: str) -> None:
        folder = os.environ.get("RENDERTRUST_SCREENSHOTS")
        if folder:
            await self.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest_asyncio.fixture(loop_scope="session")
async def face() -> AsyncGenerator[Face]:
    """The pages need no database."""
    database = Database(lambda: NOBODY)
    async with serving(database, settings_for_tests()) as running:
        yield running
    await database.close()


@asynccontextmanager
async def visiting(browser: Browser, face: Face, path: str) -> AsyncGenerator[Visit]:
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WITHIN_MS)
    visit = Visit(page, str(face.client.make_url("/")))
    visit.listen()
    await page.goto(str(face.client.make_url(path)))
    yield visit
    await page.close()


async def test_swagger_ui_shows_every_operation(browser: Browser, face: Face) -> None:
    async with visiting(browser, face, "/docs") as visit:
        dispatch = visit.page.locator("#operations-jobs-jobs_dispatch")
        parts = visit.page.locator(".opblock-tag")
        await parts.first.wait_for()
        shown, seen = visit.page.locator(".opblock"), 0
        for part in await parts.all():
            await part.click()
            await expect(shown).not_to_have_count(0)
            seen += await shown.count()
            await part.click()
            await expect(shown).to_have_count(0)
        assert seen == await described(face)
        await visit.page.locator("#operations-tag-jobs").click()
        await dispatch.wait_for()
        await dispatch.locator(".opblock-summary-control").click()
        await dispatch.get_by_text("s3://bucket/input/scene.blend").wait_for()
        await visit.picture("docs")
        assert visit.elsewhere() == set()
        assert visit.errors == []


async def test_redoc_shows_every_operation(browser: Browser, face: Face) -> None:
    async with visiting(browser, face, "/redoc") as visit:
        shown = visit.page.locator("[data-section-id*='/operation/']")
        await shown.first.wait_for()
        assert await shown.count() == await described(face)
        await visit.picture("redoc")
        width = await visit.page.locator("#api .menu-content").evaluate("e => e.clientWidth")
        assert 200 < width < 400, "its styles are in force"
        assert visit.elsewhere() <= {LOGO}
        assert all(LOGO in error for error in visit.errors), visit.errors


async def described(face: Face) -> int:
    """How many operations the description has."""
    async with face.client.get("/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    return sum(len(item) for item in paths.values())
