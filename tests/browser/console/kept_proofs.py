"""Proofs saved as files, opened in a browser without gateway or network."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
from playwright.async_api import Browser, Page

from tests.browser.console.visits import Visit

HOLDS = re.compile("Valid: recomputed in this browser")
FAILS = re.compile("Invalid:")


async def kept(visit: Visit, tmp_path: Path) -> Path:
    """Save the open proof as a file, and return the file's path."""
    async with visit.page.expect_download() as found:
        await visit.page.get_by_role("link", name="Save as one file").click()
    path = tmp_path / "proof.html"
    await (await found.value).save_as(path)
    return path


@attrs.define
class Offline:
    """A browser without a network; ``asked`` has the URLs that the open file requested."""

    page: Page
    asked: list[str] = attrs.field(factory=list[str])

    async def open(self, path: Path) -> None:
        self.asked.clear()
        await self.page.goto(path.as_uri())

    async def check_asked_nobody(self, path: Path) -> None:
        """Check that the file requested only itself and violated no policy."""
        assert self.asked == [path.as_uri()]
        assert await self.page.evaluate("window.violations") == []


@asynccontextmanager
async def offline(browser: Browser, before: str = "") -> AsyncGenerator[Offline]:
    """Run a browser without a network; the script ``before`` runs before each file's own
    scripts.
    """
    context = await browser.new_context(offline=True)
    reader = Offline(await context.new_page())
    reader.page.on("request", lambda request: reader.asked.append(request.url))
    await reader.page.add_init_script(
        "window.violations = []; document.addEventListener('securitypolicyviolation',"
        f" (event) => window.violations.push(event.violatedDirective)); {before}"
    )
    try:
        yield reader
    finally:
        await context.close()
