"""Nodes, as operators and admins see and control them."""

import asyncio
import re

from playwright.async_api import Browser, expect

from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode, completes
from tests.browser.console.stage import HOSTILE, WORST, Stage, picture
from tests.browser.console.visits import NARROW, WIDE, visiting
from tests.support.databases import execute
from tests.support.until import until
from web.console.value_markup import marked


def node_of(stage: Stage, name: str, who: str = "otto", *, does: str = "nothing") -> FakeNode:
    """Return a new node of a user, beside the stage's nodes."""
    token = stage.people[who].token
    return FakeNode(stage.url, name=name, capabilities=(does,), user_token=token)


async def test_an_operator_sees_his_nodes_and_what_they_earned(
    browser: Browser, stage: Stage
) -> None:
    async with node_of(stage, "of-ann", "ann"):
        async with visiting(browser, stage, "otto", "/console/fleet") as visit:
            page = visit.page
            await expect(page.locator("#live-state")).to_have_text("live")
            row = page.get_by_role("row").filter(has_text="studio-1")
            await expect(row).to_contain_text("healthy")
            await expect(row).to_contain_text(re.compile(r"[1-9][0-9]*(\.\d{4})? cr"))
            await expect(page.get_by_text("of-ann")).to_have_count(0)
            await expect(page.get_by_role("columnheader", name="Owner")).to_have_count(0)
            await expect(page.locator(".figures")).to_contain_text("Earned, pending")
            await visit.check_page("fleet-operator")
        async with visiting(browser, stage, "ann", "/console/fleet") as visit:
            row = visit.page.get_by_role("row")
            await expect(row.filter(has_text="of-ann")).to_contain_text("ann@example.org")
            await expect(row.filter(has_text="studio-1")).to_contain_text("otto@example.org")
            await visit.check_no_faults()


async def test_nodes_with_hostile_names_are_only_nodes(browser: Browser, stage: Stage) -> None:
    nodes = [node_of(stage, name) for name in HOSTILE]
    for node in nodes:
        async with node:
            pass
    shown = [str(marked(name)) for name in HOSTILE]
    async with visiting(browser, stage, "ann") as visit:
        page = visit.page
        for show in ("table", "tiles"):
            await visit.go(f"/console/fleet?show={show}")
            for name in shown:
                await expect(page.get_by_text(name, exact=True).first).to_be_attached()
            for size in (NARROW, WIDE):
                await page.set_viewport_size(size)
                await visit.check_width(size["width"])
            await visit.check_no_faults()
        await page.set_viewport_size(NARROW)
        for name in WORST:
            await visit.go(f"/console/fleet/{nodes[HOSTILE.index(name)].node_id}")
            await expect(page.locator("h1")).to_have_text(str(marked(name)))
            await visit.check_width(NARROW["width"])
            await visit.check_no_faults()


async def test_nodes_are_looked_for_and_shown_as_tiles(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann", "/console/fleet") as visit:
        page = visit.page
        await page.get_by_role("link", name="Tiles").click()
        await page.wait_for_url("**/console/fleet?show=tiles")
        await page.keyboard.press("/")
        await page.keyboard.type("STUDIO")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/fleet?q=STUDIO&show=tiles")
        await expect(page.locator(".tile")).to_have_count(1)
        await visit.check_no_faults()
        await page.locator("main").focus()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("studio-1")
        await visit.go("/console/fleet?is=revoked&q=nothing+like+this")
        await expect(page.get_by_text("No node matches")).to_be_visible()


async def test_a_node_shows_its_unit_as_it_works_and_how_its_sockets_ended(
    browser: Browser, stage: Stage
) -> None:
    go_on = asyncio.Event()

    async def slowly(node: FakeNode, dispatch: JobDispatch) -> None:
        await go_on.wait()
        await completes(picture())(node, dispatch)

    token = stage.people["otto"].token
    node = FakeNode(
        stage.url, name="worker", capabilities=("slowly",), user_token=token, behave=slowly
    )
    async with node:
        path = f"/console/fleet/{node.node_id}"
        async with visiting(browser, stage, "otto", path) as visit:
            page = visit.page
            await expect(page.locator("#history")).to_contain_text("open")
            await page.evaluate("window.same = 1")
            job = await stage.job(job_type="slowly")
            await expect(page.locator("#work")).to_contain_text(job[:8])
            await visit.check_no_faults()
            go_on.set()
            await expect(page.locator("#earned")).to_contain_text("by 1 unit")
            await expect(page.locator("#work")).to_contain_text("No units now")
            await node.disconnect()
            await expect(page.locator("#history tbody tr").first).to_contain_text("1000")
            await node.connect()
            rows = page.locator("#history tbody tr")
            await expect(rows).to_have_count(2)
            await expect(rows.first).to_contain_text("open")
            await expect(rows.last).to_contain_text("the node")
            assert await page.evaluate("window.same") == 1


async def test_a_tile_shows_what_its_machine_renders(browser: Browser, stage: Stage) -> None:
    frame = picture().hex()
    await execute(
        stage.dsn,
        "INSERT INTO thumbnails (job_id, unit, frame, attempt, picture)"
        " SELECT u.job_id, u.number, coalesce(substring(u.frames FROM '^-?[0-9]+')::int, 1),"
        f" u.attempt, decode('{frame}', 'hex')"
        " FROM units u JOIN nodes n ON n.id = u.node_id WHERE n.name = 'studio-1'"
        " ON CONFLICT DO NOTHING",
    )
    await execute(
        stage.dsn,
        'UPDATE nodes SET metadata = \'{"cores": 16, "ram": 68719476736}\', failing_since = now(),'
        " failing_reason = 'Blender cannot write /tmp: no space left', recent_failures = 3"
        " WHERE name = 'studio-1'",
    )
    async with visiting(browser, stage, "ann", "/console/fleet?show=tiles&q=studio-1") as visit:
        shown = visit.page.locator(".tile").filter(has_text="studio-1")
        await shown.locator("img").scroll_into_view_if_needed()
        await until(lambda: shown.locator("img").evaluate("it => it.naturalWidth"))
        await expect(shown).to_contain_text("16 cores")
        await expect(shown).to_contain_text("fails often")
        await expect(shown).to_contain_text(re.compile(r"In 24 h: [1-9][0-9]* frame"))
        await visit.check_page("fleet-tiles")
        await shown.get_by_role("link").first.click()
        await expect(visit.page.locator("#failing")).to_contain_text("no space left")
        await visit.check_page("node-failing")
    async with visiting(browser, stage, "otto", "/console/fleet?show=tiles") as visit:
        await expect(visit.page.locator("#rows")).to_contain_text("Whose it is stays hidden")
        await visit.check_no_faults()
    await execute(stage.dsn, "UPDATE nodes SET failing_since = NULL, recent_failures = 0")


async def test_an_operator_drains_releases_and_revokes_his_node(
    browser: Browser, stage: Stage
) -> None:
    async with node_of(stage, "old-box") as node:
        path = f"/console/fleet/{node.node_id}"
        async with visiting(browser, stage, "otto", path) as visit:
            page = visit.page
            page.on("dialog", lambda dialog: dialog.accept())
            await expect(page.get_by_role("button", name="Quarantine")).to_have_count(0)
            await page.get_by_label("Reason").fill(HOSTILE[1])
            await page.get_by_role("button", name="Stop").click()
            await expect(page.get_by_role("status").first).to_contain_text(
                "The node finishes its running units"
            )
            await expect(page.locator("#state")).to_contain_text("stopped by its owner")
            await expect(page.locator("#standing-reason")).to_have_text(HOSTILE[1])
            await visit.check_page("node-draining")
            await page.get_by_role("button", name="Start").click()
            await expect(page.locator("#state")).to_contain_text("active")
            await page.get_by_role("button", name="Revoke").click()
            await expect(page.locator("#state")).to_contain_text("revoked")
            await expect(page.locator("main form")).to_have_count(0)
            await until(lambda: node.close_code == 4001)
            await expect(page.locator("#history tbody tr").first).to_contain_text("4001")
            await expect(page.locator("#history tbody tr").first).to_contain_text("the gateway")
            await visit.check_no_faults()


async def test_an_admin_quarantines_and_it_is_written_down(browser: Browser, stage: Stage) -> None:
    async with node_of(stage, "suspect") as node:
        there = f"/console/fleet/{node.node_id}"
        async with visiting(browser, stage, "ann", there) as visit:
            page = visit.page
            page.on("dialog", lambda dialog: dialog.accept())
            await page.get_by_label("Reason").fill("delivers black pictures")
            await page.get_by_role("button", name="Quarantine").click()
            await expect(page.locator("#state")).to_contain_text("delivers black pictures")
            _, audit = await stage.people["ann"].call(
                "GET", f"/admin/audit?target=node:{node.node_id}"
            )
            assert [act["act"] for act in audit["records"]] == ["node.quarantine"]
            async with visiting(browser, stage, "otto", there) as owner:
                release = owner.page.get_by_role("button", name="Release")
                await expect(owner.page.locator("#state")).to_contain_text("quarantined")
                await expect(release).to_have_count(0)
            await page.get_by_role("button", name="Release").click()
            # Wait for the release: with a node in quarantine, the operator's new nodes begin in
            # quarantine.
            await expect(page.get_by_role("button", name="Quarantine")).to_be_visible()
