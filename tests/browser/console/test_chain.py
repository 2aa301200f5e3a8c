"""The ledger of a gateway with a real chain: anchors, and proofs that the browser compares with the
chain.
"""

import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.console.kept_proofs import FAILS, HOLDS, Offline, kept, offline
from tests.browser.console.stage import PASSWORD
from tests.browser.console.visits import Visit
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway
from tests.support.until import until

HAS_IT = re.compile(r"contract 0x[0-9a-fA-F]{40} on chain \d+ has this root")
CHAINS_ROOT = re.compile(r"on_chain_root&#34;: &#34;([0-9a-f]{64})")


@pytest_asyncio.fixture(loop_scope="session")
async def anchoring(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    """Run a gateway with an embedded chain that anchors at once."""
    settings = {
        "RENDERTRUST_CHAIN_URL": "embedded",
        "RENDERTRUST_CHAIN_ANCHOR_SECONDS": "0",
        "RENDERTRUST_PROOF_CHECKPOINT_SECONDS": "0.2",
        "RENDERTRUST_AUDIT_EVERY_SECONDS": "2",
    }
    async with start_gateway(**settings) as running:
        yield running


async def is_in(person: Creator) -> bool:
    """Register or log in: on a busy machine, a registration may succeed although its answer is
    late.
    """
    about = {"email": person.email, "password": PASSWORD}
    for path, body in (("register", {**about, "name": "Jane Smith"}), ("login", about)):
        status, answer = await person.call("POST", f"/auth/{path}", body)
        if status in (200, 201):
            person.token = answer.get("tokens", answer)["access_token"]
            return True
    return False


async def anchored_entry(gateway: Gateway) -> str:
    """Return the number of an anchored entry of Jane's, in a log with other users' entries."""
    async with aiohttp.ClientSession() as http:
        for name in ("ann", "bob", "cleo", "dan", "jane"):
            person = Creator(http, gateway.url, f"{name}@example.org")
            await until(partial(is_in, person), within=60)
        _, history = await person.call("GET", "/credits/history")
        number = str(history["entries"][0]["entry_id"])

        async def anchored() -> bool:
            status, found = await person.call("GET", f"/ledger/{number}/verify")
            return status == 200 and bool(found["verified"])

        await until(anchored, within=120)
    return number


async def said_of_the_chain(page: Page) -> str:
    await expect(page.locator("#verdict")).not_to_contain_text("Not recomputed yet")
    return str(await page.locator("[data-step=chain]").text_content())


async def test_a_proof_is_held_against_a_real_chain_and_kept(
    browser: Browser, anchoring: Gateway, tmp_path: Path
) -> None:
    number = await anchored_entry(anchoring)
    context = await browser.new_context(reduced_motion="reduce")
    visit = Visit(await context.new_page(), anchoring.url)
    visit.listen()
    page = visit.page
    await page.add_init_script("window.violations = []")
    await visit.sign_in("jane", "/console/ledger")
    await page.get_by_role("link", name=re.compile("Anchors")).click()
    await expect(page.locator("#rows tbody tr").first).to_contain_text("confirmed")
    await expect(page.locator("#is-sound")).to_have_text("No invariant is broken.")
    await visit.check_page("anchors-confirmed")
    await visit.go("/console/ledger")
    row = page.locator(f"#row-{number}")
    await expect(row).to_contain_text("anchored")
    await row.get_by_role("link", name=f"no. {number}").click()

    # On a busy machine the chain may not answer within a second; its answer comes by a live update.
    await expect(page.locator("[data-step=chain]")).to_contain_text(HAS_IT, timeout=120_000)
    await expect(page.locator("#verdict")).to_have_text(HOLDS)
    await expect(page.locator("main")).to_contain_text("Anchored in")
    await visit.check_page("proof-anchored")

    async def kept_with_the_chain() -> Path | None:
        path = await kept(visit, tmp_path)
        return path if CHAINS_ROOT.search(path.read_text()) else None

    path = await until(kept_with_the_chain, within=120)
    await context.close()
    assert path is not None
    async with offline(browser) as reader:
        await works_alone(reader, path)
        await finds_another_root_of_the_chain(reader, path)


async def works_alone(reader: Offline, path: Path) -> None:
    await reader.open(path)
    page = reader.page
    await expect(page.locator("#verdict")).to_have_text(HOLDS)
    assert HAS_IT.search(await said_of_the_chain(page))
    for step in ("signature", "anchor"):
        await expect(page.locator(f"[data-step={step}]")).to_have_class("done")
    await reader.check_asked_nobody(path)


async def finds_another_root_of_the_chain(reader: Offline, path: Path) -> None:
    before, chain, after = re.split(r'(data-chain="[^"]*")', path.read_text())
    root = CHAINS_ROOT.search(chain)
    assert root is not None
    other = ("0" if root[1][0] != "0" else "1") + root[1][1:]
    named = root[0].replace(root[1], other)
    path.write_text(before + chain.replace(root[0], named) + after)
    await reader.open(path)
    await expect(reader.page.locator("#verdict")).to_have_text(FAILS)
    assert "a different root on the chain" in await said_of_the_chain(reader.page)
