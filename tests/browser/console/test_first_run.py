"""The first run: from an empty data folder by ``/setup`` to a production gateway behind nginx."""

import asyncio
import json
import re
import time
import tomllib
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import WITHIN_MS
from tests.browser.console.stage import PASSWORD, Stage
from tests.browser.console.test_second_factor import secret_on
from tests.browser.console.visits import LOOKS, WIDE, visiting
from tests.support.engines import engine_folder
from tests.support.free_ports import free_port
from tests.support.gateway_process import READY_WITHIN, Gateway, started
from tests.support.reverse_proxies import proxy
from web.identity.totp import code_at

NAME = "Ann's <b>Farm</b>"
STOPS = re.compile("^The gateway is stopping, to restart in production")
STARTS = re.compile("^The gateway is starting in production. This page tries again")


class NewGateway(Gateway):
    """A gateway as a person starts it; ``link`` is the address that it prints for its set-up."""

    link = ""

    def words(self) -> list[str]:
        return ["serve", "--data", str(self.data), "--port", str(self.port)]

    async def answers(self) -> None:
        console = await self.line()
        assert console.startswith("Console: "), console
        self.url = f"http://127.0.0.1:{self.port}"
        assert not await self.line()
        offer = await self.line()
        assert not await self.line()
        assert offer.startswith(f"Set up this farm: {self.url}/setup?token=rts_"), offer
        self.link = offer.split()[-1]

    async def line(self) -> str:
        """Return the next line of the process's output."""
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_WITHIN):
            return (await self.process.stdout.readline()).decode().strip()


async def code_of(page: Page, secret: bytes, ahead: int = 0) -> None:
    await page.get_by_label("Code of your app").fill(
        code_at(secret, int(time.time()) // 30 + ahead)
    )


async def old_process(route: Route) -> None:
    """Answer as the process that is stopping."""
    await route.fulfill(json={"environment": "development"})


async def no_process(route: Route) -> None:
    """Answer nothing, as between the two processes."""
    await route.abort("connectionrefused")


async def fill(page: Page, address: str, backup: Path) -> None:
    """Answer all questions, up to the last page."""
    await page.get_by_label("Community").check()
    await page.get_by_label("Name of the farm").fill(NAME)
    await page.get_by_label("Public address").fill(address)
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url("**/setup/admin")
    await page.get_by_label("Your name").fill("Ann")
    await page.get_by_label("E-mail").fill("ann@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url("**/setup/services")
    await page.get_by_label("Folder for backups of the database").fill(str(backup))
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url("**/setup/check")


async def test_an_empty_folder_becomes_a_production_gateway_behind_nginx(
    browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    address = f"https://localhost:{port}"
    with engine_folder() as base:
        gateway = NewGateway(base / "data")
        async with started(gateway), aiohttp.ClientSession() as http:
            await without_scripts(browser, gateway, address, tmp_path)
            stage = Stage(gateway, http, {}, [])
            async with visiting(browser, stage) as visit:
                page = visit.page
                await page.goto(gateway.link)
                assert page.url == f"{gateway.url}/setup/farm", "the token leaves the address"
                await visit.check_page("setup-farm", LOOKS)
                await fill(page, address, tmp_path / "backup")
                await page.get_by_role("link", name="3. Services").click()
                await visit.check_page("setup-services", LOOKS)
                await page.get_by_role("link", name="Back").click()
                await visit.check_page("setup-admin", LOOKS)
                await page.goto(f"{gateway.url}/setup/check")
                await visit.check_page("setup-check", LOOKS)
                async with http.get(f"{gateway.url}/version") as answer:
                    assert (await answer.json())["environment"] == "development"
                await page.route("**/version", old_process)
                await page.get_by_role("button", name="Set up the farm").click()
                await expect(page.get_by_role("heading", level=1)).to_contain_text(NAME)
                await visit.check_page("setup-done", LOOKS)
                await expect(page.locator("#restart")).to_have_text(STOPS, use_inner_text=True)
                await page.unroute("**/version")
                await page.route("**/version", no_process)
                await expect(page.locator("#restart")).to_have_text(STARTS, use_inner_text=True)
                await page.unroute("**/version")
                # the script goes on once the gateway has restarted
                await page.wait_for_url("**/console/set-up-factor?*")
                assert await gateway.line() == f"Console: {address}/console"
                secret = await secret_on(page)
                await code_of(page, secret)
                await page.get_by_role("button", name="Confirm and sign in").click()
                await page.locator("header.side").wait_for()
                await expect(page.locator(".brand")).to_have_text(NAME)
            settings = tomllib.loads((gateway.data / "gateway.toml").read_text())
            assert settings["environment"] == "production"
            async with proxy("nginx", tmp_path, gateway.port, port):
                await behind_the_proxy(browser, address, secret)
            await the_token_is_dead(http, gateway)
            log = gateway.log.read_text() + (tmp_path / "access.log").read_text()
            assert gateway.link.partition("=")[2] not in log
            assert PASSWORD not in log


async def without_scripts(
    browser: Browser, gateway: NewGateway, address: str, folder: Path
) -> None:
    """Go through all pages but the last without scripts; nothing is applied by that."""
    context = await browser.new_context(viewport=WIDE, java_script_enabled=False)
    page = await context.new_page()
    page.set_default_timeout(WITHIN_MS)
    await page.goto(gateway.link)
    await fill(page, address, folder / "backup")
    await expect(page.get_by_text('environment = "production"')).to_be_visible()
    assert not (gateway.data / "gateway.toml").exists()
    await context.close()


async def behind_the_proxy(browser: Browser, address: str, secret: bytes) -> None:
    """Sign in with both factors at the public address."""
    context = await browser.new_context(viewport=WIDE, ignore_https_errors=True)
    page = await context.new_page()
    page.set_default_timeout(WITHIN_MS)
    await page.goto(address)
    assert await page.title() == f"Render farm · {NAME}"
    await page.goto(f"{address}/console")
    await page.get_by_label("E-mail").fill("ann@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/console/second-step?*")
    await code_of(page, secret, ahead=1)
    await page.get_by_role("button", name="Sign in").first.click()
    await page.locator("header.side").wait_for()
    await page.goto(f"{address}/console/packages")
    await expect(page.get_by_text("this farm takes no payments")).to_be_visible()
    secure = {each.get("name") for each in await context.cookies() if each.get("secure")}
    assert "__Host-rendertrust-console" in secure
    await context.close()


async def the_token_is_dead(http: aiohttp.ClientSession, gateway: NewGateway) -> None:
    async with http.get(gateway.link) as answer:
        assert (answer.status, "This link does not work" in await answer.text()) == (403, True)
    events = [json.loads(line) for line in gateway.log.read_text().splitlines() if line[:1] == "{"]
    assert [each for each in events if each.get("event") == "the farm is set up"]


async def test_a_dead_link_says_what_to_do(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/setup?token=rts_old")
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work")
        visit.errors.clear()  # the browser logs the status 403
        await visit.check_page("setup-dead", LOOKS)
