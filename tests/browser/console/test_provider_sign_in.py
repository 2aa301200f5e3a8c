"""Sign-in with OpenID Connect in the browser, at a real provider; and logins by a code."""

import json
import re
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import attrs
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import WITHIN_MS
from tests.browser.console.stage import PASSWORD, Stage
from tests.browser.console.visits import LOOKS, WIDE, Visit, visiting
from tests.support import programs
from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.lent_engines import StartGateway
from tests.support.oidc_server import OidcServer

ACCOUNTS = {
    "nora": {"email": "nora@example.org", "email_verified": True, "name": "Nora"},
    "jane": {"email": "jane@example.org", "email_verified": True, "name": "Jane"},
}


@attrs.frozen
class Farm:
    stage: Stage
    provider: OidcServer


@pytest_asyncio.fixture(loop_scope="session")
async def farm(start_gateway: StartGateway) -> AsyncIterator[Farm]:
    """Run a farm with a provider, at which Jane has an identity that is not linked."""
    provider = OidcServer()
    gone = OidcServer(id="gone", name="Away Inc.")  # never started
    given = json.dumps([provider.table(), gone.table()])
    async with (
        start_gateway(RENDERTRUST_OIDC_PROVIDERS=given) as gateway,
        aiohttp.ClientSession() as http,
        provider.running(gateway.url, ACCOUNTS),
    ):
        jane = Creator(http, gateway.url, "jane@example.org")
        await jane.register()
        dsn = gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"]
        yield Farm(Stage(gateway, http, {"jane": jane}, [], dsn), provider)


async def signs_in_there(page: Page, farm: Farm, login: str) -> None:
    """Sign in on the provider's page, where the browser is."""
    await page.wait_for_url(f"{farm.provider.issuer}/interaction/*")
    await page.get_by_label("Login").fill(login)
    await page.get_by_role("button", name="Continue").click()


async def check(visit: Visit, farm: Farm, name: str) -> None:
    """Check a page, apart from requests to the provider."""
    there = farm.provider.issuer
    assert [url for url in visit.elsewhere if not url.startswith(f"{there}/")] == []
    visit.elsewhere.clear()
    await visit.check_page(name, LOOKS)


async def test_a_newcomer_signs_up_at_the_provider(browser: Browser, farm: Farm) -> None:
    """They get a password, and so may unlink the identity."""
    async with visiting(browser, farm.stage) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        await visit.go("/console/sign-up")
        await check(visit, farm, "sign-up-providers")
        await page.get_by_role("link", name="Sign in").click()
        await check(visit, farm, "sign-in-providers")
        await page.get_by_role("button", name="Sign in with Company").click()
        await signs_in_there(page, farm, "nora")
        await page.wait_for_url("**/console/jobs/new")
        await expect(page.get_by_role("status").first).to_contain_text("Your account is open")
        await visit.go("/console/account")
        await check(visit, farm, "account-identity")
        # the provider says when they signed in only if the gateway asks for it
        password = page.locator("section[aria-labelledby=password-title]")
        await password.get_by_role("button", name="Sign in with Company again").click()
        await signs_in_there(page, farm, "nora")
        await expect(page.get_by_role("status").first).to_contain_text("counts for ten minutes")
        await page.get_by_label("New password").fill(PASSWORD)
        await page.get_by_role("button", name="Set password").click()
        await expect(page.get_by_role("status").first).to_contain_text("Your password is set")
        await page.get_by_label("Password to confirm").fill(PASSWORD)
        await page.get_by_role("button", name="Unlink Company").click()
        await expect(page.get_by_role("status").first).to_contain_text("is unlinked")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("button", name="Sign in with Company").click()
        await expect(page.get_by_role("heading")).to_have_text("Link your account first")
        visit.errors.clear()  # the browser logs the status 409
        await check(visit, farm, "provider-link-first")


async def test_an_identity_is_linked_and_signs_in(browser: Browser, farm: Farm) -> None:
    async with visiting(browser, farm.stage, "jane", "/console/account", anew=True) as visit:
        page = visit.page
        await check(visit, farm, "account-providers")
        await page.get_by_label("Password to confirm").fill("a wrong guess")
        await page.get_by_role("button", name="Link Company").click()
        await expect(page.get_by_role("alert")).to_contain_text("The password is incorrect.")
        visit.errors.clear()  # the browser logs the status 422
        await page.get_by_label("Password to confirm").fill(PASSWORD)
        await page.get_by_role("button", name="Link Company").click()
        await signs_in_there(page, farm, "jane")
        await page.wait_for_url("**/console/account")
        await expect(page.get_by_role("status").first).to_contain_text("is linked")
        await check(visit, farm, "account-linked")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("button", name="Sign in with Company").click()
        await page.wait_for_url("**/console")
        await expect(page.locator(".me .mail")).to_have_text("jane@example.org")
        visit.elsewhere.clear()
        await visit.check_no_faults()


async def test_a_user_without_a_password_signs_in_again_to_delete_their_account(
    browser: Browser, farm: Farm
) -> None:
    async with visiting(browser, farm.stage) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        await visit.go("/console/sign-in")
        await page.get_by_role("button", name="Sign in with Company").click()
        await signs_in_there(page, farm, "nora")
        await page.wait_for_url("**/console/jobs/new")
        later = "UPDATE refresh_families SET identity_at = identity_at - interval '1 hour'"
        await execute(farm.stage.dsn, later)
        await visit.go("/console/account/second-factor")
        await check(visit, farm, "second-factor-without-password")
        await visit.go("/console/account")
        await page.get_by_text("Delete the account").first.click()
        await check(visit, farm, "account-without-password")
        data = page.locator("#data")
        await data.get_by_role("button", name="Sign in with Company again").click()
        await signs_in_there(page, farm, "nora")
        await expect(page.get_by_role("status").first).to_contain_text("counts for ten minutes")
        await page.get_by_text("Delete the account").first.click()
        await data.get_by_label("Delete everything, for good").check()
        await data.get_by_role("button", name="Delete the account").click()
        await page.wait_for_url("**/console/sign-in")
        await expect(page.get_by_role("status").first).to_contain_text("Your account is deleted")


async def test_it_works_without_scripts_and_says_what_went_wrong(
    browser: Browser, farm: Farm
) -> None:
    context = await browser.new_context(viewport=WIDE, java_script_enabled=False)
    page = await context.new_page()
    page.set_default_timeout(WITHIN_MS)
    await page.goto(f"{farm.stage.url}/console/sign-in")
    await page.get_by_role("button", name="Sign in with Company").click()
    await page.wait_for_url(f"{farm.provider.issuer}/interaction/*")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("heading")).to_have_text("You are not signed in")
    await page.get_by_role("link", name="Back to sign-in").click()
    await page.get_by_role("button", name="Sign in with Company").click()
    await signs_in_there(page, farm, "nora")
    await page.wait_for_url("**/console/jobs/new")
    await context.close()


async def test_a_provider_that_is_away_is_named(browser: Browser, farm: Farm) -> None:
    async with visiting(browser, farm.stage) as visit:
        page = await visit.go("/console/sign-in")
        await page.get_by_role("button", name="Sign in with Away Inc.").click()
        await expect(page.get_by_role("heading")).to_have_text("Away Inc. does not answer")
        visit.errors.clear()  # the browser logs the status 503
        await check(visit, farm, "provider-away")


async def test_the_command_line_logs_in_by_the_browser(
    browser: Browser, farm: Farm, tmp_path: Path
) -> None:
    """A user without a password confirms the code that the program shows."""
    env = {"HOME": str(tmp_path), "RENDERTRUST_URL": farm.stage.url, "PATH": ""}
    words = ("rendertrust", "login", "--oidc")
    program = await programs.start(*words, env=env, stdout=PIPE, stderr=PIPE)
    assert program.stderr is not None
    assert program.stdout is not None
    line = (await program.stderr.readline()).decode()
    found = re.search(r"http\S+/console/device\?code=(\S+)", line)
    assert found is not None, line
    async with visiting(browser, farm.stage) as visit:
        page = visit.page
        await page.goto(found[0])
        await page.get_by_role("button", name="Sign in with Company").click()
        await signs_in_there(page, farm, "nora")
        await page.wait_for_url("**/console/device?code=*")
        await expect(page.get_by_role("heading", name=f"Code {found[1]}")).to_be_visible()
        await check(visit, farm, "device-confirm")
        await page.get_by_role("button", name="Sign it in as nora@example.org").click()
        await expect(page.get_by_role("status").first).to_contain_text("The program is logged in")
        await check(visit, farm, "device")
        await page.get_by_label("Code").fill("BBBB-BBBB")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("alert")).to_contain_text("The code is not valid")
        await check(visit, farm, "device-unknown")
    assert b"Logged in as nora@example.org" in await program.stdout.read()
    assert await program.wait() == 0
