"""Visits of the console in a browser, with checks of what must never happen on a page."""

import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import attrs
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize

from tests.browser.conftest import WITHIN_MS
from tests.browser.console.stage import PASSWORD, Stage
from tests.support.examples import chosen

AXE = (Path(__file__).parent / "vendored" / "axe.min.js").read_text()
WIDE: ViewportSize = {"width": 1280, "height": 860}
Motion = Literal["reduce", "no-preference"]
Theme = Literal["light", "dark"]
NARROW: ViewportSize = {"width": 390, "height": 844}
Look = tuple[ViewportSize, Theme]
# Looks that together have each width and each theme once.
LOOKS: tuple[Look, ...] = ((NARROW, "dark"), (WIDE, "light"))
PHONE, DESK = LOOKS[:1], LOOKS[1:]
FAULTS = """
async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
"""
BUSY = "the server responded with a status of 503"
# Records violations of the content security policy.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
# Returns policy violations, ids that two elements share (they would mislead links, labels and
# updates), and effects of hostile names.
WRONG = """
() => [
  window.violations,
  [...document.querySelectorAll("[id]")].map((each) => each.id)
    .filter((id, place, all) => all.indexOf(id) !== place),
  window.hacked ?? null,
]
"""


@attrs.define
class Visit:
    """One page of one browser."""

    page: Page
    url: str
    errors: list[str] = attrs.field(factory=list[str])
    elsewhere: list[str] = attrs.field(factory=list[str])

    def listen(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self._said(said))  # noqa: PLW0108
        self.page.on("request", lambda request: self._asked(request))  # noqa: PLW0108

    def _said(self, said: ConsoleMessage) -> None:
        """Record an error, but not an answer 503 of a busy gateway, after which pages try again."""
        if said.type == "error" and BUSY not in said.text:
            self.errors.append(said.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.elsewhere.append(request.url)

    async def go(self, path: str) -> Page:
        """Open a page of the console."""
        await self.page.goto(self.url + path)
        return self.page

    async def sign_in(self, name: str, there: str = "/console") -> None:
        """Sign in by the form, then open a page, which may be one that asks for no sign-in."""
        await self.go("/console")
        await self.page.get_by_label("E-mail").fill(f"{name}@example.org")
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in", exact=True).click()
        await self.page.locator("header.side").wait_for()
        await self.go(there)

    async def check_no_faults(self) -> None:
        """Check that no violation, duplicate id, script error or foreign request occurred."""
        violations, twice, hacked = await self.page.evaluate(WRONG)
        assert violations == []
        assert twice == []
        assert hacked is None
        assert self.errors == [], self.errors
        assert self.elsewhere == []

    async def check_page(self, name: str = "", by_day: Sequence[Look] = PHONE) -> None:
        """Check the page as ``check_no_faults`` does, its width in all looks, and its
        accessibility.

        With ``name``, screenshots are kept. Axe takes most of a test's time, so by day axe checks
        only some looks.
        """
        await self.check_no_faults()
        asked = chosen(day=by_day, night=LOOKS)
        for size, theme in LOOKS:
            await self.page.set_viewport_size(size)
            await self.page.emulate_media(color_scheme=theme)
            await self.check_width(size["width"])
            if (size, theme) in asked:
                await self._axe(f"{theme} {size['width']}")
            await self._picture(f"{name}-{size['width']}-{theme}" if name else "")
        await self.page.emulate_media(color_scheme="light")
        await self.page.set_viewport_size(WIDE)

    async def check_width(self, width: int) -> None:
        """Check that the page does not scroll sideways."""
        wide = await self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} px in {width}"

    async def _axe(self, where: str) -> None:
        """Check the page's accessibility with axe."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE)
        found = await self.page.evaluate(FAULTS)
        said = [{each["id"]: [node["html"][:300] for node in each["nodes"][:3]]} for each in found]
        assert said == [], f"{where}: {json.dumps(said, indent=1)}"

    async def _picture(self, name: str) -> None:
        folder = os.environ.get("RENDERTRUST_SCREENSHOTS")
        if folder and name:
            await self.page.screenshot(path=Path(folder) / f"console-{name}.png", full_page=True)


@asynccontextmanager
async def visiting(
    browser: Browser,
    stage: Stage,
    name: str = "",
    there: str = "/console",
    *,
    motion: Motion = "reduce",
    anew: bool = False,
    zone: str | None = None,
) -> AsyncGenerator[Visit]:
    """Open a browser context, signed in as ``name`` if given.

    If the user has signed in before, the browser gets that login's cookies; ``anew`` makes a new
    login, which the test may end. ``zone`` is the browser's time zone.
    """
    login = None if anew else stage.logins.get(name)
    context: BrowserContext = await browser.new_context(
        viewport=WIDE,
        color_scheme="light",
        reduced_motion=motion,
        storage_state=login,
        timezone_id=zone,
    )
    await context.add_init_script(WATCH)
    visit = Visit(await context.new_page(), stage.url)
    visit.page.set_default_timeout(WITHIN_MS)
    visit.listen()
    try:
        if login is not None:
            await visit.go(there)
        elif name:
            await visit.sign_in(name, there)
            if not anew:
                stage.logins[name] = await context.storage_state()
        yield visit
    finally:
        await context.close()
