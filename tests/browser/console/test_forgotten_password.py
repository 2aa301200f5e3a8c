"""A forgotten password in the browser: the link arrives by mail, and opens the account again."""

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, expect

from tests.browser.console.stage import PASSWORD, Stage
from tests.browser.console.visits import LOOKS, Visit, visiting
from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.lent_engines import StartGateway
from tests.support.smtp_server import SmtpServer, smtp_server
from tests.support.until import until

NEW = "another long password"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def mails() -> AsyncIterator[SmtpServer]:
    async with smtp_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def farm(start_gateway: StartGateway, mails: SmtpServer) -> AsyncIterator[Stage]:
    """A gateway that sends mail, with Jane."""
    url = f"smtp://localhost:{mails.port}"
    settings = {"RENDERTRUST_MAIL_URL": url, "RENDERTRUST_MAIL_SENDER": "farm@example.org"}
    async with start_gateway(**settings) as gateway, aiohttp.ClientSession() as http:
        jane = Creator(http, gateway.url, "jane@example.org")
        await jane.register()
        await until(lambda: mails.mails)  # the mail that verifies the address
        yield Stage(gateway, http, {"jane": jane}, [])


def links_in(mails: SmtpServer, address: str, page: str) -> list[str]:
    """Return the links to ``page`` with a token in mails to ``address``, oldest first."""
    found = [mail.get_body(("plain",)) for mail in mails.mails if address in str(mail["To"])]
    words = [word for body in found if body for word in str(body.get_content()).split()]
    return [word for word in words if f"/{page}#token=" in word]


async def link_of_mail(mails: SmtpServer, address: str, page: str, sent: int = 0) -> str:
    """Wait for a mail to ``address`` with a link to ``page``, after the first ``sent`` of them."""
    await until(lambda: len(links_in(mails, address, page)) > sent)
    return links_in(mails, address, page)[sent]


async def asked_for(page: Page, mails: SmtpServer) -> tuple[str, str]:
    """Ask for a link as Jane does, and return the link and the code of the mail."""
    about = (mails, "jane@example.org", "reset-password")
    sent = len(links_in(*about))
    await page.get_by_role("link", name="Forgot your password?").click()
    await page.get_by_label("E-mail").fill("jane@example.org")
    await page.get_by_role("button", name="Send the link").click()
    await expect(page.get_by_role("status")).to_contain_text("a link is on its way to it")
    link = await link_of_mail(*about, sent)
    return link, link.partition("#token=")[2]


async def signs_in(visit: Visit, password: str) -> None:
    await visit.page.get_by_label("E-mail").fill("jane@example.org")
    await visit.page.get_by_label("Password").fill(password)
    await visit.page.get_by_role("button", name="Sign in").click()
    await visit.page.locator("header.side").wait_for()


async def test_the_link_of_a_mail_opens_the_account_again(
    browser: Browser, farm: Stage, mails: SmtpServer
) -> None:
    async with visiting(browser, farm) as visit:
        page = await visit.go("/console/sign-in")
        requests = list[Request]()
        page.on("request", lambda request: requests.append(request))  # noqa: PLW0108
        link, code = await asked_for(page, mails)
        await visit.check_page("forgot-password-sent", LOOKS)
        await page.goto(link)
        await expect(page.get_by_label("Code")).to_have_value(code)
        assert "#" not in page.url
        await visit.check_page("reset-password", LOOKS)
        await page.get_by_label("New password").fill(NEW)
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.get_by_role("status")).to_contain_text("Your password is changed")
        await visit.check_page("sign-in-changed", LOOKS)
        await signs_in(visit, NEW)
        assert all(code not in request.url.partition("#")[0] for request in requests)
        await visit.check_no_faults()
        page = await visit.go("/console/forgot-password")
        await visit.check_page("forgot-password", LOOKS)


async def test_without_scripts_the_code_is_copied(
    browser: Browser, farm: Stage, mails: SmtpServer
) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{farm.url}/console/sign-in")
    link, code = await asked_for(page, mails)
    await page.goto(link)
    await page.get_by_label("Code").fill(code)
    await page.get_by_label("New password").fill(NEW)
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.get_by_role("status")).to_contain_text("Your password is changed")
    await page.goto(link)
    await page.get_by_label("Code").fill(code)
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.get_by_text("The code is not valid: it was used")).to_be_visible()
    await expect(page.get_by_label("Code")).to_have_value(code)
    await context.close()


async def test_without_mail_an_admin_makes_the_link(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/console/forgot-password")
        await expect(page.get_by_text("Ask an admin of the farm for a link")).to_be_visible()
        await visit.check_page("forgot-password-no-mail", LOOKS)
    async with visiting(browser, stage, "ann", "/console/users?q=otto") as visit:
        await visit.page.locator("tbody tr").get_by_role("link").first.click()
        await visit.page.get_by_role("heading", name="Password").wait_for()
        await visit.check_page("user-password")
        await visit.page.locator("#reset-reason").fill("he asked")
        await visit.page.get_by_role("button", name="Make a link").click()
        await expect(visit.page.get_by_role("status").first).to_contain_text("It works once")
        once = visit.page.locator("#once")
        await expect(once).to_contain_text("/console/reset-password#token=rtr_")
        await visit.check_no_faults()


async def test_a_change_of_the_payout_account_is_stopped_by_the_link_of_its_mail(
    browser: Browser, farm: Stage, mails: SmtpServer
) -> None:
    dsn = farm.gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"]
    otto = Creator(farm.http, farm.url, "otto@example.org")
    await otto.register()
    await execute(dsn, "UPDATE users SET verified_at = now() WHERE email LIKE 'otto@%'")
    account = {"method": "SEPA", "account": "DE02 1203 0000", "currency": "eur"}
    path, body = "/auth/payout-account", {**account, "password": PASSWORD}
    assert (await otto.call("PUT", path, body))[0] == 200
    link = await link_of_mail(mails, otto.email, "stop-payout-change")
    async with visiting(browser, farm) as visit:
        page = visit.page
        await page.goto(link)
        await expect(page.get_by_label("Code")).to_have_value(link.partition("#token=")[2])
        assert "#" not in page.url
        await visit.check_page("stop-payout-change", LOOKS)
        assert (await otto.call("GET", path))[0] == 200, "opening the link stops nothing"
        await page.get_by_role("button", name="Stop the change").click()
        await expect(page.get_by_role("status")).to_contain_text("payout account is stopped")
        assert (await otto.call("GET", path))[0] == 404
        await page.goto(link)
        await page.get_by_role("button", name="Stop the change").click()
        await expect(page.get_by_text("The code is not valid: it was used")).to_be_visible()


async def test_a_newcomer_verifies_their_address(
    browser: Browser, farm: Stage, mails: SmtpServer
) -> None:
    async with visiting(browser, farm) as visit:
        page = await visit.go("/console/sign-up")
        await page.get_by_label("Name").fill("Nora")
        await page.get_by_label("E-mail").fill("nora@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign up").click()
        await expect(page.get_by_text("is not verified yet")).to_be_visible()
        await visit.check_page("unverified", LOOKS)
        await page.get_by_role("link", name="Verify your address").click()
        await visit.check_page("verify-address", LOOKS)
        link = await link_of_mail(mails, "nora@example.org", "verify-address")
        await page.goto("about:blank")
        await page.goto(link)
        await expect(page.get_by_label("Code")).to_have_value(link.partition("#token=")[2])
        await page.get_by_role("button", name="Verify the address").click()
        await expect(page.get_by_role("status").first).to_contain_text("is verified")
        await expect(page.get_by_text("is not verified yet")).to_have_count(0)
        await visit.check_no_faults()
