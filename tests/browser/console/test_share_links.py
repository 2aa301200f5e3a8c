"""A verified picture, shared by its creator with somebody who has no account."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import attrs
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.console.stage import Stage, picture
from tests.browser.console.visits import LOOKS, Visit, visiting
from tests.support.api_clients import Creator
from tests.support.fake_verifiers import EXACT, Verifiers, finds, renderer
from tests.support.lent_engines import StartGateway
from tests.support.until import until

# A farm that shares pictures, and anchors its log on an embedded chain at once.
SETTINGS = {
    "RENDERTRUST_SHARING_ENABLED": "true",
    "RENDERTRUST_CHAIN_URL": "embedded",
    "RENDERTRUST_CHAIN_ANCHOR_SECONDS": "0",
    "RENDERTRUST_PROOF_CHECKPOINT_SECONDS": "0.2",
}
LOADED = "image => image.decode().then(() => image.naturalWidth)"
WIDTH, HEIGHT = 216, 120


@attrs.frozen
class Farm:
    """A farm that shares pictures, and a verified ``job`` of Jane's."""

    stage: Stage
    creator: Creator
    job: str

    async def link(self) -> str:
        """Share the picture as the API does."""
        path = f"/jobs/{self.job}/units/0/share-links"
        status, made = await self.creator.call("POST", path, {})
        assert status == 201, made
        return str(made["link"])


@asynccontextmanager
async def sharing(start_gateway: StartGateway) -> AsyncGenerator[Farm]:
    verifiers = Verifiers.make(1)
    async with (
        start_gateway(**SETTINGS, **verifiers.settings) as gateway,
        aiohttp.ClientSession() as http,
    ):
        await verifiers.enrol(gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"])
        verifier = verifiers.node(gateway.url, verifiers.ids[0], finds(EXACT))
        async with verifier, renderer(gateway.url, picture(WIDTH, HEIGHT)):
            creator = Creator(http, gateway.url, "jane@example.org")
            await creator.register()
            status, placed = await creator.dispatch("render")
            assert status == 200, placed
            job = str(placed["job_id"])
            await creator.job_within(job, "COMPLETED", within=240)
            yield Farm(Stage(gateway, http, {}, []), creator, job)


async def saved(page: Page, link: Locator, folder: Path) -> Path:
    """Follow a download link, and return the file."""
    async with page.expect_download() as found:
        await link.click()
    path = folder / (await found.value).suggested_filename
    await (await found.value).save_as(path)
    return path


async def downloads(page: Page, folder: Path) -> tuple[Path, Path]:
    """Download the picture and its receipt from the shared page."""
    names = (re.compile("^Picture"), re.compile("^Receipt"))
    named = [page.get_by_role("link", name=name) for name in names]
    image, receipt = [await saved(page, link, folder) for link in named]
    assert (image.read_bytes(), receipt.suffix) == (picture(WIDTH, HEIGHT), ".json")
    return image, receipt


async def has_block(page: Page) -> bool:
    """Load the page again, and return True once the payment is anchored."""
    await page.reload()
    told = await page.get_by_label("The receipt").text_content() or ""
    return re.search(r"Block\s*[0-9,]+ of a test chain", told) is not None


async def link_by_hand(visit: Visit, farm: Farm) -> str:
    """Share the picture from its job's page, and return the link, which is shown once."""
    page = visit.page
    await page.get_by_role("link", name="Share", exact=True).click()
    await visit.check_page("share", LOOKS)
    await page.get_by_label("The link expires").select_option("In 30 days")
    await page.get_by_role("button", name="Make a link").click()
    link = await page.locator("#once").text_content()
    assert link is not None
    assert re.fullmatch(rf"{farm.stage.url}/console/shared\?link=rts_[0-9a-f]{{32}}", link)
    await visit.check_page("share-made", LOOKS)
    return link


async def first_page_knows_the_chain(page: Page, url: str) -> bool:
    """Return True if the first page, which shows figures of some seconds ago, knows the chain."""
    answer = await page.request.get(url)
    return "&#34;chain&#34;: null" not in await answer.text()


async def test_a_picture_is_shared_seen_and_taken_back(
    browser: Browser, start_gateway: StartGateway, tmp_path: Path
) -> None:
    async with (
        sharing(start_gateway) as farm,
        visiting(browser, farm.stage, "jane", f"/console/jobs/{farm.job}") as visit,
        visiting(browser, farm.stage) as guest,
    ):
        page, seen = visit.page, guest.page
        link = await link_by_hand(visit, farm)
        await seen.goto(link)
        image = seen.get_by_alt_text("The verified picture")
        assert await image.evaluate(LOADED) == WIDTH
        for said in ("exact", "Rendered by", "machine of the gateway", "Paid"):
            await expect(seen.get_by_label("The receipt")).to_contain_text(said)
        await until(lambda: has_block(seen))
        await guest.check_page("shared", LOOKS)
        files = await downloads(seen, tmp_path)
        await until(lambda: first_page_knows_the_chain(seen, farm.stage.url))
        await seen.get_by_role("link", name="the farm's first page").click()
        for label, file in zip(("Picture", "Receipt"), files, strict=True):
            await seen.get_by_label(label, exact=True).set_input_files(file)
        seal = seen.get_by_role("group", name="Seal")
        await expect(seal).to_contain_text("Verified")
        await expect(seal).to_contain_text("Anchored in block")
        await page.get_by_role("link", name="Back to the job").click()
        await visit.check_page("job-shared", LOOKS)
        await visit.go("/console/account")
        await visit.check_page("account-shared", LOOKS)
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Revoke the link").click()
        await expect(page.get_by_text("The link is revoked.")).to_be_visible()
        await seen.goto(link)
        await expect(seen.get_by_text("This link shows nothing")).to_be_visible()
        guest.errors.clear()  # the browser logs the 404 itself
        await guest.check_page("shared-gone", LOOKS)


async def test_the_shared_page_needs_no_scripts_and_tells_no_site_its_address(
    browser: Browser, start_gateway: StartGateway, tmp_path: Path
) -> None:
    async with sharing(start_gateway) as farm:
        link = await farm.link()
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        told = list[str]()
        page.on("request", lambda request: told.append(request.headers.get("referer", "")))
        await page.goto(link)
        await expect(page.get_by_alt_text("The verified picture")).to_be_visible()
        await downloads(page, tmp_path)
        await page.get_by_role("link", name="the farm's first page").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("proves its work")
        assert len(told) > 5
        assert not any("link=" in one for one in told)
        await context.close()
