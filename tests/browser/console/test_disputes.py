"""A dispute: opened by the creator on the job's page, decided by an admin, and seen by both."""

import base64
from pathlib import Path
from uuid import UUID

import numpy as np
from aiohttp import ClientSession
from playwright.async_api import Browser, expect

from rendertrust.node.worker.checks.comparison_sheet import MarkedRegion, PicturePair, write
from sql.units import result_key, sheet_key
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.s3_signing import Presigner
from tests.browser.console.stage import Stage
from tests.browser.console.visits import visiting
from tests.support.databases import connected


async def test_a_dispute_is_opened_decided_and_leads_to_its_proof(
    browser: Browser, stage: Stage
) -> None:
    job = await stage.job(job_type="render")
    assert await stage.ended(job) == "COMPLETED"
    async with (
        visiting(browser, stage, "jane", f"/console/jobs/{job}") as janes,
        visiting(browser, stage, "ann", "/console/disputes") as anns,
    ):
        page = janes.page
        await page.get_by_role("link", name="Dispute it").click()
        await page.get_by_label("What is wrong with the result").fill(
            "it is black <b>everywhere</b>"
        )
        await page.get_by_role("button", name="Open dispute").click()
        await expect(page.get_by_role("status").first).to_contain_text("an admin decides")
        await expect(page.locator("#state")).to_contain_text("None yet")
        anns.page.on("dialog", lambda dialog: dialog.accept())
        row = anns.page.get_by_role("row").filter(has_text="black <b>everywhere</b>")
        await expect(row).to_contain_text("open")
        await row.get_by_role("link").click()
        await anns.page.get_by_label("Reason; the creator reads it").fill("it is, indeed")
        await anns.page.get_by_role("button", name="Uphold").click()
        await expect(anns.page.get_by_role("status").first).to_contain_text("is refunded")
        await expect(page.locator("#state")).to_contain_text("it is, indeed")
        await expect(page.locator("#state")).to_contain_text("refunded")
        await anns.check_no_faults()
        await page.get_by_role("link", name="entry no.").click()
        await expect(page.locator("#about")).to_contain_text("refund")
        await janes.go(f"/console/jobs/{job}")
        await expect(page.locator("#money")).to_contain_text("Its dispute")
        await janes.check_page("job-disputed")


SHARE = """
INSERT INTO earnings (id, operator_id, node_id, job_id, unit, amount, state, earned_at, payable_at)
SELECT gen_random_uuid(), u.id, n.id, $1, 0, 70000, 'PENDING', now(), now() + interval '1 day'
FROM users u, nodes n WHERE u.email = 'otto@example.org' AND n.name = 'studio-1'
ON CONFLICT DO NOTHING
"""


def sheet(folder: Path, off: float) -> bytes:
    """Return a comparison sheet of a gradient, whose delivery differs in a corner by ``off``."""
    ours = np.linspace(0.2, 0.8, 320, dtype=np.float32)[None, :, None].repeat(180, 0).repeat(3, 2)
    theirs = ours.copy()
    theirs[:18, :32] += off
    mark = MarkedRegion((0, 162, 32, 18), off > 0, f"{off:g} times the noise")
    write(str(folder / "s.png"), PicturePair(theirs, ours, False, True), [mark])
    return (folder / "s.png").read_bytes()


async def upload(stage: Stage, http: ClientSession, key: str, content: bytes) -> None:
    """Upload an object as a verifier does."""
    kept = [stage.gateway.settings[f"RENDERTRUST_OBJECTS_{n}"] for n in ("URL", "ACCESS_KEY")]
    secret = stage.gateway.settings["RENDERTRUST_OBJECTS_SECRET_KEY"]
    put = Presigner(ObjectsEndpoint(kept[0], kept[1], secret), kept[0]).put(
        key, within=60, size=None, sha256=None, once=False
    )
    async with http.put(put.url, headers=dict(put.headers), data=content) as answer:
        assert answer.status == 200, await answer.text()


async def test_both_sides_see_the_pictures_of_the_comparison(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    job, jane = await stage.job(job_type="render"), stage.people["jane"]
    assert await stage.ended(job) == "COMPLETED"
    async with connected(stage.dsn) as rows:
        await rows.execute(SHARE, UUID(job))
        user = await rows.fetchval("SELECT user_id FROM jobs WHERE id = $1", UUID(job))
    shown = base64.b64encode(sheet(tmp_path, 0.02)).decode()
    comparison = {"verdict": "different", "reason": "0.9 times the noise", "picture": shown}
    body = {"reason": "it has a mark", "comparison": comparison}
    _, opened = await jane.call("POST", f"/jobs/{job}/units/0/dispute", body)
    key = sheet_key(result_key(user, UUID(job), 0, 1))
    await upload(stage, stage.http, key, sheet(tmp_path, 0.0))
    because = {"reason": "a check found: exact"}
    path = f"/admin/disputes/{opened['id']}/reject"
    assert (await stage.people["ann"].call("POST", path, because))[0] == 200
    for who in ("jane", "otto", "ann"):
        there = f"/console/disputes/{opened['id']}"
        async with visiting(browser, stage, who, there) as visit:
            await expect(visit.page.locator("#state")).to_contain_text("a check found: exact")
            for named in ("Delivered, rendered again, and", "rendered again by a verifier"):
                image = visit.page.get_by_alt_text(named)
                await image.scroll_into_view_if_needed()
                await expect(image).to_have_js_property("complete", value=True)
                assert await image.evaluate("image => image.naturalWidth") >= 600
            await visit.check_page(f"dispute-pictures-{who}")
