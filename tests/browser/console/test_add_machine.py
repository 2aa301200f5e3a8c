"""The page that adds a machine: from the first page to a requested payout with one pasted line."""

import os
import shlex
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, expect

from tests.browser.console.stage import PASSWORD, Stage
from tests.browser.console.visits import Visit, visiting
from tests.support import programs
from tests.support.api_clients import Creator
from tests.support.lent_engines import StartGateway

STARTS = 120_000  # ms in which a machine tests itself, joins and connects


@asynccontextmanager
async def machine_of_olga(visit: Visit, stage: Stage, folder: Path) -> AsyncGenerator[None]:
    """Sign up from the first page, and make this machine a node with the line that it shows."""
    page = await visit.go("/")
    await page.get_by_role("link", name="Add a machine").click()
    await page.get_by_label("Name").fill("Olga")
    await page.get_by_label("E-mail").fill("olga@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign up").click()
    await page.wait_for_url("**/console/fleet/add")
    await page.get_by_role("button", name="Create the line").click()
    fresh = await page.locator("#once").inner_text()
    assert fresh.startswith(f"curl -fsSL {stage.url}/join.sh | sh -s -- ")
    assert fresh.endswith(" --service")
    await page.get_by_label("is installed there").check()
    await page.get_by_label("in its terminal").check()
    await page.get_by_role("button", name="Create the line").click()
    line = await page.locator("#once").inner_text()
    assert line.startswith(f"rendertrust node join {stage.url} --code ")
    await expect(page.locator("#codes")).to_contain_text("waiting")
    await expect(page.locator("#codes")).to_contain_text("A machine tests itself before it joins")
    assert "code" not in page.url
    await visit.check_page("add-machine")
    node = await programs.start(
        *shlex.split(line),
        env={**os.environ, "HOME": str(folder), "RENDERTRUST_STATE": str(folder / "state")},
        without=("bpy",),  # joins within seconds
        stdout=DEVNULL,
        stderr=STDOUT,
    )
    try:
        arrived = page.locator("#codes li").first
        await expect(arrived).to_contain_text("is connected", timeout=STARTS)
        await visit.check_page("add-machine-arrived")
        await expect(arrived).to_contain_text("Earnings shows what it earns")
        await arrived.get_by_role("link").first.click()
        await expect(page.locator("#state")).to_contain_text("healthy")
        yield
    finally:
        node.kill()
        await node.wait()
    code = shlex.split(line)[5]
    assert code not in stage.gateway.log.read_text()
    await visit.check_no_faults()


async def test_from_the_first_page_to_a_requested_payout_with_one_pasted_line(
    browser: Browser, start_gateway: StartGateway, tmp_path: Path
) -> None:
    """An operator signs up, pastes one line, and asks for the money that the node has earned."""
    settings = {
        "RENDERTRUST_EARNINGS_DISPUTE_HOURS": "0",
        "RENDERTRUST_EARNINGS_SWEEP_SECONDS": "0.1",
    }
    async with start_gateway(**settings) as gateway, aiohttp.ClientSession() as http:
        words = ("prices", "set", "echo", "10", "--reason", "so that the node earns")
        assert (await gateway.run("admin", *words))[0] == 0
        jane = Creator(http, gateway.url, "jane@example.org")
        await jane.register()
        stage = Stage(gateway, http, {"jane": jane}, [])
        async with visiting(browser, stage) as visit, machine_of_olga(visit, stage, tmp_path):
            page = visit.page
            assert await stage.ended(await stage.job()) == "COMPLETED"
            await page.get_by_role("link", name="Earnings").click()
            payable = page.locator("#figures .figure:has(dt:text-is('Payable'))")
            await expect(payable).to_contain_text("7 cr", timeout=STARTS)
            await expect(page.locator("#earned")).to_contain_text("7 credits were earned on")
            await expect(page.locator("#nodes tbody tr")).to_have_count(1)
            await visit.check_page("operator-payable")
            await page.get_by_role("link", name="Your payouts").click()
            await page.get_by_role("button", name="Request as money").click()
            await expect(page.locator(".said")).to_contain_text("The payout is requested")
            await page.get_by_role("link", name="Earnings").click()
            await expect(page.locator("#payouts tbody tr")).to_contain_text("to approve")
            await visit.check_page("operator-requested")


async def test_a_code_is_shown_once_and_revoked(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "otto", "/console/fleet") as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("link", name="Add a machine").click()
        await page.get_by_role("button", name="Create the line").click()
        await expect(page.locator("#once")).to_contain_text("--service")
        await page.reload()
        await expect(page.locator("#once")).to_have_count(0)
        await page.get_by_role("button", name="Revoke the code").click()
        await expect(page.locator(".said")).to_contain_text("revoked")
        await expect(page.locator("#codes li")).to_have_count(0)


async def test_an_auditor_makes_no_code(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "rita", "/console/fleet/add") as visit:
        await expect(visit.page.get_by_role("button", name="Create the line")).to_have_count(0)
        await visit.check_page("add-machine-auditor")
