"""Passkeys in the browser, with Chromium's virtual authenticator."""

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from playwright.async_api import Browser, CDPSession, Page, expect

from tests.browser.console.stage import PASSWORD, Stage
from tests.browser.console.visits import LOOKS, Visit, visiting
from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.lent_engines import StartGateway
from web.identity.passwords import hasher

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest_asyncio.fixture(loop_scope="session")
async def farm(start_gateway: StartGateway) -> AsyncIterator[Stage]:
    """Run a farm at ``localhost``, as there are no passkeys at IP addresses, with Jane and an admin
    who needs a second factor.
    """
    async with (
        start_gateway(RENDERTRUST_ACCOUNTS_ADMIN_SECOND_FACTOR="true") as gateway,
        aiohttp.ClientSession() as http,
    ):
        dsn = gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"]
        jane = Creator(http, gateway.url, "jane@example.org")
        await jane.register()
        add = "INSERT INTO users (id, email, name, password_hash, role) VALUES "
        row = "(gen_random_uuid(), 'ann@example.org', 'Ann', $1, 'admin')"
        await execute(dsn, add + row, hasher().hash(PASSWORD))
        gateway.url = gateway.url.replace("127.0.0.1", "localhost")
        yield Stage(gateway, http, {"jane": jane}, [], dsn)


async def device_of(page: Page) -> CDPSession:
    """Give the browser a virtual authenticator, which agrees to everything."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return session


async def passes_the_password(visit: Visit, name: str, there: str = "/console/account") -> None:
    await visit.go(there)
    await visit.page.get_by_label("E-mail").fill(f"{name}@example.org")
    await visit.page.get_by_label("Password").fill(PASSWORD)
    await visit.page.get_by_role("button", name="Sign in").click()


async def test_a_passkey_is_added_and_signs_in(browser: Browser, farm: Stage) -> None:
    async with visiting(browser, farm, "jane", "/console/account", anew=True) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        await device_of(page)
        await page.get_by_role("link", name="Set up a second factor").click()
        await page.get_by_role("link", name="Add a passkey").click()
        await visit.check_page("passkey-new", LOOKS)
        await page.get_by_label("Name").fill("Jane's laptop")
        await page.get_by_label("Current password").fill(PASSWORD)
        await page.get_by_role("button", name="Add the passkey").click()
        await expect(page.get_by_role("status").first).to_contain_text("Save these recovery codes")
        await expect(page.locator("#once")).to_be_visible()
        await visit.check_page("passkeys", LOOKS)
        await page.get_by_role("button", name="Sign out").click()
        await passes_the_password(visit, "jane")
        await page.wait_for_url("**/console/second-step?next=*")
        await visit.check_page("second-step-passkey", LOOKS)
        await page.get_by_role("button", name="Use a passkey").click()
        await page.wait_for_url("**/console/account")
        # a factor that is ten minutes old is asked for again, and the form comes back
        await execute(farm.dsn, "UPDATE refresh_families SET factor_at = now() - interval '1 hour'")
        await page.get_by_label("Name").fill("studio robot")
        await page.get_by_label("See jobs and results").check()
        await page.get_by_role("button", name="Create key").click()
        await expect(page.get_by_text("given in the last ten minutes")).to_be_visible()
        visit.errors.clear()  # the browser logs the status 403
        await visit.check_page("passkey-again", LOOKS)
        await page.get_by_role("button", name="Use a passkey").click()
        await expect(page.get_by_label("Name")).to_have_value("studio robot")
        await page.get_by_role("button", name="Create key").click()
        await expect(page.locator("#once")).to_contain_text("rtk_")
        await page.get_by_role("link", name="Manage").click()
        await page.get_by_role("textbox", name="Name").fill("Old laptop")
        await page.get_by_role("button", name="Rename Jane's laptop").click()
        await page.get_by_role("button", name="Remove Old laptop").click()
        await expect(page.get_by_role("status").first).to_contain_text("The passkey is removed.")
        await visit.check_no_faults()


async def test_a_browser_without_the_passkey_says_so(browser: Browser, farm: Stage) -> None:
    async with visiting(browser, farm) as visit:
        page = visit.page
        await passes_the_password(visit, "ann", "/console/users")
        await page.wait_for_url("**/console/set-up-factor?next=*")
        session = await device_of(page)
        await visit.check_page("set-up-factor-passkey", LOOKS)
        await page.get_by_label("Name of the passkey").fill("security key")
        await page.get_by_role("button", name="Add the passkey and sign in").click()
        await page.wait_for_url("**/console/users")
        await page.context.clear_cookies()
        await passes_the_password(visit, "ann", "/console/users")
        await page.wait_for_url("**/console/second-step?next=*")
        await session.send("WebAuthn.disable")
        await device_of(page)
        await page.get_by_role("button", name="Use a passkey").click()
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
        await visit.check_page("second-step-no-passkey", LOOKS)
