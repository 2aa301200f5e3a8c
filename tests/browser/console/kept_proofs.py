"""Proofs that somebody saved as files, opened where there is neither a gateway nor a network."""

import re
from pathlib import Path

from playwright.async_api import Browser, Page

from tests.browser.console.looking import Looking

HOLDS = re.compile("It holds: recomputed in this browser")
FAILS = re.compile("It does not hold")


async def kept(eyes: Looking, tmp_path: Path) -> Path:
    """The proof that is looked at, saved as a file."""
    async with eyes.page.expect_download() as found:
        await eyes.page.get_by_role("link", name="Save as one file").click()
    path = tmp_path / "proof.html"
    await (await found.value).save_as(path)
    return path


async def opened(browser: Browser, path: Path, before: str = "") -> tuple[Page, list[str]]:
    """The file in a browser that has no network; and what it asked for beside itself.

    ``before`` is a script that runs before those of the file.
    """
    context = await browser.new_context(offline=True)
    page, asked = await context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    await page.add_init_script(
        "window.violations = []; document.addEventListener('securitypolicyviolation',"
        f" (event) => window.violations.push(event.violatedDirective)); {before}"
    )
    await page.goto(path.as_uri())
    return page, asked
