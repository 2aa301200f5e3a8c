"""The page that hands out the program, from the first page to a line that is copied."""

from pathlib import Path

import aiohttp
from playwright.async_api import Browser, expect

from scripts.blender_extension import LINES, PLATFORMS
from tests.browser.console.stage import Stage
from tests.browser.console.visits import LOOKS, visiting
from tests.support.extension_zips import make_zip
from tests.support.lent_engines import StartGateway
from web.downloads.wheel import built_wheel


async def test_a_stranger_finds_the_program_and_the_line_that_installs_it(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        await page.get_by_role("link", name="Download the program").click()
        await page.wait_for_url("**/download")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Download")
        await expect(page.locator("#install")).to_contain_text(f"#sha256={built_wheel().sha256}")
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        copy = page.locator('[data-copy="install"]')
        await copy.click()
        await expect(copy).to_contain_text("Copied")
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == await page.locator("#install").inner_text()
        await visit.check_page("download", LOOKS)
        file = page.get_by_role("link", name=built_wheel().name)
        async with page.expect_download() as download:
            await file.click()
        path = await (await download.value).path()
        assert path.read_bytes() == built_wheel().body


async def test_an_artist_finds_the_link_to_drag_into_blender(
    browser: Browser, start_gateway: StartGateway, tmp_path: Path
) -> None:
    zips = [make_zip(tmp_path, line, platform) for line in LINES for platform in PLATFORMS]
    async with (
        start_gateway(RENDERTRUST_DOWNLOADS_EXTENSIONS=str(tmp_path)) as gateway,
        aiohttp.ClientSession() as http,
        visiting(browser, Stage(gateway, http, {}, [])) as visit,
    ):
        page = await visit.go("/download")
        rows = page.get_by_role("region", name="Render from Blender").locator("tbody tr")
        await expect(rows).to_have_count(len(zips))
        row = rows.filter(has_text="Windows").filter(has_text="5.1 or newer")
        await expect(row).to_have_count(1)
        link = await row.get_by_role("link").get_attribute("href")
        assert link is not None
        file, _, query = link.partition("?")
        assert file.endswith("-blender-5.1-windows-x64.zip")
        assert query.startswith("repository=.%2Findex.json&")
        await visit.check_page("extension", LOOKS)
        async with page.expect_download() as download:
            await row.get_by_role("link").click()
        path = await (await download.value).path()
        assert path.read_bytes() == (tmp_path / file.rpartition("/")[2]).read_bytes()
