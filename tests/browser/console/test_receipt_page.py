"""Public page of a receipt: anyone sees what was compared."""

from contextlib import AsyncExitStack

import aiohttp
from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage
from tests.browser.console.visits import visiting
from tests.support.api_clients import Creator
from tests.support.fake_verifiers import CLASS, EXACT, Verifiers, finds, renderer
from tests.support.lent_engines import StartGateway

REPORT = {**EXACT, "crops": [{"equal": False, "off": 0.05}, *EXACT["crops"][1:]]}
SAID = (
    "consistent",
    "Regions, rendered again; and the picture, made again from the evidence",
    "at most 0.05 times the noise between two honest renders",
    f"a separate machine of the gateway, {CLASS}",
    "no dispute about it was upheld",
)


async def test_anybody_sees_what_was_compared_and_by_which_verifier(
    browser: Browser, start_gateway: StartGateway
) -> None:
    verifiers = Verifiers.make(1)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(start_gateway(**verifiers.settings))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await verifiers.enrol(gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"])
        verifier = verifiers.node(gateway.url, verifiers.ids[0], finds(REPORT))
        for node in (verifier, renderer(gateway.url)):
            await stack.enter_async_context(node)
        creator = Creator(http, gateway.url, "jane@example.org")
        await creator.register()
        status, placed = await creator.dispatch("render")
        assert status == 200, placed
        await creator.job_within(placed["job_id"], "COMPLETED", within=240)
        shown = Stage(gateway, http, {}, [])
        visit = await stack.enter_async_context(visiting(browser, shown))
        page = await visit.go(f"/console/receipts/{placed['job_id']}/0/page")
        for said in SAID:
            await expect(page.get_by_label("The receipt")).to_contain_text(said)
        await visit.check_page("receipt")
