"""The second factor in the browser: set-up, the second step of sign-in, and asking again."""

import base64
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.console.stage import PASSWORD, Stage
from tests.browser.console.visits import LOOKS, Visit, visiting
from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.lent_engines import StartGateway
from web.identity.passwords import hasher
from web.identity.totp import code_at


@pytest_asyncio.fixture(loop_scope="session")
async def farm(start_gateway: StartGateway) -> AsyncIterator[Stage]:
    """Run a farm whose admins need a second factor, with Jane and an admin, Ann."""
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
        yield Stage(gateway, http, {"jane": jane}, [], dsn)


async def secret_on(page: Page) -> bytes:
    """Return the secret that the page shows as text."""
    text = await page.locator(".secret code").inner_text()
    return base64.b32decode("".join(text.split()))


async def give(page: Page, farm: Stage, secret: bytes, button: str) -> None:
    """Type a code that was not used, as if some time had passed."""
    await execute(farm.dsn, "UPDATE authenticators SET last_step = 0")
    code = code_at(secret, int(time.time()) // 30)
    await page.get_by_label("Code of your app").fill(f"{code[:3]} {code[3:]}")
    await page.get_by_role("button", name=button).click()


async def passes_the_password(visit: Visit, name: str, there: str = "/console/account") -> None:
    await visit.go(there)
    await visit.page.get_by_label("E-mail").fill(f"{name}@example.org")
    await visit.page.get_by_label("Password").fill(PASSWORD)
    await visit.page.get_by_role("button", name="Sign in").click()


async def test_an_app_is_set_up_and_asked_for(browser: Browser, farm: Stage) -> None:
    async with visiting(browser, farm, "jane", "/console/account", anew=True) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("link", name="Set up a second factor").click()
        await visit.check_page("second-factor-none", LOOKS)
        await page.get_by_label("Current password").fill(PASSWORD)
        await page.get_by_role("button", name="Set up an app").click()
        await expect(page.locator(".qr-code svg")).to_be_visible()
        secret = await secret_on(page)
        await visit.check_page("second-factor-app", LOOKS)
        await give(page, farm, secret, "Confirm")
        await expect(page.get_by_role("status").first).to_contain_text(
            "Your second factor is set up."
        )
        codes = (await page.locator("#once").inner_text()).split()
        assert len(codes) == 10
        await visit.check_page("second-factor-codes", LOOKS)
        await page.get_by_role("link", name="Your account").first.click()
        await expect(page.get_by_text("You have 10 recovery codes left.")).to_be_visible()
        await visit.check_page("account-second-factor")
        # a factor that is ten minutes old is asked for again, and the form comes back
        await execute(farm.dsn, "UPDATE refresh_families SET factor_at = now() - interval '1 hour'")
        await page.get_by_label("Name").fill("studio robot")
        await page.get_by_label("See jobs and results").check()
        await page.get_by_role("button", name="Create key").click()
        await expect(page.get_by_text("given in the last ten minutes")).to_be_visible()
        visit.errors.clear()  # the browser logs the status 403
        await visit.check_page("second-factor-again", LOOKS)
        await give(page, farm, secret, "Continue")
        await expect(page.get_by_label("Name")).to_have_value("studio robot")
        await expect(page.get_by_label("See jobs and results")).to_be_checked()
        await page.get_by_role("button", name="Create key").click()
        await expect(page.locator("#once")).to_contain_text("rtk_")
        await visit.check_no_faults()
    async with visiting(browser, farm) as visit:
        page = visit.page
        await passes_the_password(visit, "jane")
        await page.wait_for_url("**/console/second-step?next=*")
        await visit.check_page("second-step", LOOKS)
        await page.get_by_text("Use a recovery code").click()
        await visit.check_page("second-step-recovery", LOOKS)
        await page.get_by_label("Recovery code").fill("abcd-abcd-abcd-abcd")
        await page.get_by_role("button", name="Use it").click()
        await expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
        visit.errors.clear()  # the browser logs the status 401
        await visit.check_page("second-step-refused", LOOKS)
        await give(page, farm, secret, "Sign in")
        await page.wait_for_url("**/console/account")
        await visit.check_no_faults()


async def test_the_second_step_needs_no_scripts(browser: Browser, farm: Stage) -> None:
    context = await browser.new_context(java_script_enabled=False)
    visit = Visit(await context.new_page(), farm.url)
    page = visit.page
    await passes_the_password(visit, "ann", "/console/users")
    await page.wait_for_url("**/console/set-up-factor?next=*")
    secret = await secret_on(page)
    await give(page, farm, secret, "Confirm and sign in")
    await page.wait_for_url("**/console/users")
    codes = (await page.locator("#once").inner_text()).split()
    await context.clear_cookies()
    await passes_the_password(visit, "ann", "/console/users")
    await page.get_by_text("Use a recovery code").click()
    await page.get_by_label("Recovery code").fill(codes[0])
    await page.get_by_role("button", name="Use it").click()
    await page.wait_for_url("**/console/users")
    await context.close()


async def test_an_admin_sets_up_a_factor_before_anything_else(
    browser: Browser, farm: Stage
) -> None:
    async with visiting(browser, farm) as visit:
        await passes_the_password(visit, "ann", "/console")
        await visit.page.wait_for_url("**/console/set-up-factor?next=*")
        await visit.check_page("set-up-factor", LOOKS)
