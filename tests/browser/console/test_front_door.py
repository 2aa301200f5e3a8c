"""The way in: the farm's first page, sign-up by form or by invitation, and the account page."""

from playwright.async_api import Browser, Request, expect

from tests.browser.conftest import WITHIN_MS
from tests.browser.console.stage import Stage
from tests.browser.console.visits import LOOKS, WIDE, visiting

FIRST_PAINT_MAX = 32_000  # bytes


async def test_the_first_page_says_what_the_farm_is(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("render farm")
        await expect(page.get_by_text("Nodes online")).to_be_visible()
        await expect(page.locator("dl.figures")).to_contain_text("10.0000 cr")
        await visit.check_page("front", LOOKS)
        await page.get_by_role("link", name="Add a machine").click()
        await page.wait_for_url("**/console/sign-in?next=*")
        await page.get_by_role("link", name="Sign up").click()
        await page.wait_for_url("**/console/sign-up?next=*")
        await visit.check_page("sign-up", LOOKS)


async def test_the_first_page_is_small_and_needs_no_scripts(browser: Browser, stage: Stage) -> None:
    context = await browser.new_context(viewport=WIDE, java_script_enabled=False)
    page = await context.new_page()
    page.set_default_timeout(WITHIN_MS)
    requests = list[Request]()
    page.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108
    await page.goto(f"{stage.url}/", wait_until="networkidle")
    sizes = [await request.sizes() for request in requests]
    weight = sum(each["responseBodySize"] + each["responseHeadersSize"] for each in sizes)
    assert len(sizes) <= 3, "the page, its style, and its picture"
    assert 0 < weight < FIRST_PAINT_MAX
    await expect(page.get_by_role("link", name="Sign up")).to_be_visible()
    await context.close()
