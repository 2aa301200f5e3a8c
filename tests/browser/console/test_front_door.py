"""The way in: the farm's first page, sign-up by form or by invitation, and the account page."""

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from playwright.async_api import Browser, Request, expect

from tests.browser.conftest import WITHIN_MS
from tests.browser.console.stage import PASSWORD, Stage
from tests.browser.console.visits import LOOKS, WIDE, visiting
from tests.support.databases import execute
from tests.support.lent_engines import StartGateway
from web.identity.passwords import hasher

FIRST_PAINT_MAX = 32_000  # bytes


async def test_the_first_page_says_what_the_farm_is(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("render farm")
        await expect(page.get_by_text("Machines online")).to_be_visible()
        await expect(page.locator("dl.figures")).to_contain_text("10 cr")
        await visit.check_page("front", LOOKS)
        await page.get_by_role("link", name="Add a machine").click()
        await page.wait_for_url("**/console/sign-up?next=**")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Add a machine")
        await expect(page.locator("ol.stages")).to_contain_text("Paste one line")
        await visit.check_page("sign-up-operator", LOOKS)
        await page.get_by_role("link", name="Sign in").click()
        await expect(page.locator("main")).to_contain_text("Sign in to add a machine")
        await page.get_by_role("link", name="Sign up").click()
        await page.wait_for_url("**/console/sign-up?next=**")
        await visit.go("/console/sign-up")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign up")
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


async def test_a_newcomer_signs_up_and_is_where_work_begins(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/console/sign-up")
        await page.get_by_label("Name").fill("Nora Newcomer")
        await page.get_by_label("E-mail").fill("nora@example.org")
        await page.get_by_label("Password").fill("long enough for all")
        await page.get_by_role("button", name="Sign up").click()
        await page.wait_for_url("**/console/jobs/new")
        await expect(page.get_by_role("status").first).to_contain_text("Your account is open")
        await visit.check_no_faults()


async def test_a_refused_sign_up_keeps_what_was_typed(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/console/sign-up")
        await page.get_by_label("Name").fill("Jane the second")
        await page.get_by_label("E-mail").fill("jane@example.org")
        await page.get_by_label("Password").fill("long enough for all")
        await page.get_by_role("button", name="Sign up").click()
        await expect(page.get_by_role("alert")).to_contain_text("already has an account")
        await expect(page.get_by_label("Name")).to_have_value("Jane the second")
        await expect(page.get_by_label("Password")).to_have_value("")
        visit.errors.clear()  # the browser logs the status 409
        await visit.check_page("sign-up-refused")


async def test_an_account_is_managed_on_one_page(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "otto", anew=True) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("link", name="Your account").click()
        await page.get_by_label("Name").fill("studio robot")
        await page.get_by_label("See jobs and results").check()
        await page.get_by_role("button", name="Create key").click()
        await expect(page.locator("#once")).to_contain_text("rtk_")
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        key = await page.locator("#once").inner_text()
        await page.get_by_role("button", name="Copy").click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == key
        await visit.check_page("account", LOOKS)
        revoke = page.get_by_role("button", name="Revoke studio robot")
        await revoke.click()
        await expect(page.get_by_role("status").first).to_contain_text("The key is revoked.")
        await expect(revoke).to_have_count(0)
        await page.get_by_label("Current password").fill("not this one")
        await page.get_by_label("New password").fill("long enough for all")
        await page.get_by_role("button", name="Change password").click()
        await expect(page.get_by_role("alert")).to_have_text("The current password is incorrect.")
        visit.errors.clear()  # the browser logs the status 422
        await visit.check_page("account-refused")


@pytest_asyncio.fixture(loop_scope="session")
async def private(start_gateway: StartGateway) -> AsyncIterator[Stage]:
    """Run a farm that opens accounts by invitation, with an admin."""
    async with (
        start_gateway(RENDERTRUST_ACCOUNTS_REGISTRATION="invite") as gateway,
        aiohttp.ClientSession() as http,
    ):
        dsn = gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"]
        add = "INSERT INTO users (id, email, name, password_hash, role) VALUES "
        row = "(gen_random_uuid(), 'ann@example.org', 'Ann', $1, 'admin')"
        await execute(dsn, add + row, hasher().hash(PASSWORD))
        yield Stage(gateway, http, {}, [], dsn)


async def test_an_invitation_leads_from_the_admin_to_an_account(
    browser: Browser, private: Stage
) -> None:
    """The token stays behind the # of the link, and is in no address, in no log."""
    async with (
        visiting(browser, private, "ann", "/console/users") as hers,
        visiting(browser, private) as his,
    ):
        await hers.page.get_by_label("E-mail address").fill("bob@example.org")
        await hers.page.get_by_label("Reason, for the audit log").fill("starts on Monday")
        await hers.page.get_by_role("button", name="Invite").click()
        link = await hers.page.locator("#once").inner_text()
        await expect(hers.page.locator("td", has_text="in 7 d")).to_be_visible()
        await hers.check_page("invitations", LOOKS)
        asked = list[str]()
        his.page.on("request", lambda request: asked.append(request.url))
        page = await his.go("/")
        await his.check_page("front-private", LOOKS)
        await page.goto(link)
        token = link.partition("#invitation=")[2]
        await expect(page.get_by_label("Invitation")).to_have_value(token)
        assert token not in page.url, "the script takes it out of the address bar"
        await his.check_page("sign-up-invited", LOOKS)
        await page.get_by_label("Name").fill("Bob")
        await page.get_by_label("E-mail").fill("bob@example.org")
        await page.get_by_label("Password").fill("long enough for all")
        await page.get_by_role("button", name="Sign up").click()
        await page.wait_for_url("**/console/jobs/new")
        assert not [url for url in asked if token in url.partition("#")[0]]
        log = private.gateway.log.read_text()
        assert "/console/sign-up" in log
        assert token.removeprefix("rti_") not in log
