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
from tests.browser.console.stage import HOSTILE, Stage
from tests.browser.console.visits import LOOKS, NARROW, visiting
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
        await page.get_by_role("link", name="Report a problem").click()
        await page.get_by_label("It is black or empty").check()
        await page.get_by_label("In your words").fill("it is black <b>everywhere</b>")
        picture = page.get_by_alt_text("The picture, to mark a place in it")
        await expect(picture).to_have_js_property("naturalWidth", 96)
        box = await picture.bounding_box()
        assert box is not None
        x, y, width, height = box["x"], box["y"], box["width"], box["height"]
        await page.mouse.move(x + width / 4, y + height / 2)
        await page.mouse.down()
        await page.mouse.move(x + width / 2, y + height - 1)
        await page.mouse.up()
        await expect(page.get_by_label("Left")).to_have_value("25")
        await expect(page.get_by_label("Width")).to_have_value("25")
        await janes.check_page("report-a-problem")
        await page.get_by_role("button", name="Report it").click()
        await expect(page.get_by_role("status").first).to_contain_text("an admin decides")
        await expect(page.locator("#state")).to_contain_text("None yet")
        await expect(page.locator(".marked rect")).to_have_attribute("x", "0.25")
        anns.page.on("dialog", lambda dialog: dialog.accept())
        row = anns.page.get_by_role("row").filter(has_text="black <b>everywhere</b>")
        await expect(row).to_contain_text("open")
        await row.get_by_role("link").click()
        await anns.page.get_by_label("Reason; the creator and the operator read it").fill(
            "it is, indeed"
        )
        await anns.page.get_by_role("button", name="Uphold").click()
        await expect(anns.page.get_by_role("status").first).to_contain_text("is refunded")
        await expect(page.locator("#state")).to_contain_text("it is, indeed")
        await expect(page.locator("#state")).to_contain_text("refunded")
        await anns.go("/console/jobs")
        row = anns.page.locator("tbody tr").filter(has_text=job[:8])
        await expect(row).to_contain_text("after refunds")
        rest = await anns.page.locator("#rows").evaluate("it => it.scrollWidth - it.clientWidth")
        assert rest <= 0, "the last column is seen without scrolling"
        await anns.check_no_faults()
        await page.get_by_role("link", name="entry no.").click()
        await expect(page.locator("#about")).to_contain_text("refund")
        await janes.go(f"/console/jobs/{job}")
        await expect(page.locator("#money")).to_contain_text("Its reported problem")
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
    kept, name = stage.gateway.settings, "RENDERTRUST_OBJECTS_"
    url = kept[f"{name}URL"]
    store = ObjectsEndpoint(url, kept[f"{name}ACCESS_KEY"], kept[f"{name}SECRET_KEY"])
    put = Presigner(store, url).put(key, within=60, size=None, sha256=None, once=False)
    async with http.put(put.url, headers=dict(put.headers), data=content) as answer:
        assert answer.status == 200, await answer.text()


SIDE_BY_SIDE = ("Delivered", "Log of attempt 1", "Receipt")
LOG = """
INSERT INTO attempt_logs (job_id, unit, attempt, node_id, lines, completed, said_at)
SELECT job_id, number, attempt, node_id, $2, true, now() FROM units WHERE job_id = $1 AND number = 0
ON CONFLICT (job_id, unit, attempt) DO UPDATE SET lines = excluded.lines
"""


async def test_both_sides_see_the_pictures_of_the_comparison(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    job, jane = await stage.job(job_type="render"), stage.people["jane"]
    assert await stage.ended(job) == "COMPLETED"
    async with connected(stage.dsn) as rows:
        await rows.execute(SHARE, UUID(job))
        await rows.execute(LOG, UUID(job), f"Fra:1 Mem:9M {HOSTILE[0]}\nSaved: 'frame.png'")
        user = await rows.fetchval("SELECT user_id FROM jobs WHERE id = $1", UUID(job))
    shown = base64.b64encode(sheet(tmp_path, 0.02)).decode()
    comparison = {"verdict": "different", "reason": "0.9 times the noise", "picture": shown}
    body = {"reason": "it has a mark", "comparison": comparison}
    _, opened = await jane.call("POST", f"/jobs/{job}/units/0/dispute", body)
    key = sheet_key(result_key(user, UUID(job), 0, 1))
    await upload(stage, stage.http, key, sheet(tmp_path, 0.0))
    because = {"reason": "a check found that the result is exact"}
    path = f"/admin/disputes/{opened['id']}/reject"
    assert (await stage.people["ann"].call("POST", path, because))[0] == 200
    for who in ("jane", "otto", "ann"):
        there = f"/console/disputes/{opened['id']}"
        async with visiting(browser, stage, who, there) as visit:
            await expect(visit.page.locator("#state")).to_contain_text(
                "a check found that the result is exact"
            )
            for named in ("Delivered, rendered again, and", "rendered again by a verifier"):
                image = visit.page.get_by_alt_text(named)
                await image.scroll_into_view_if_needed()
                await expect(image).to_have_js_property("complete", value=True)
                assert await image.evaluate("image => image.naturalWidth") >= 600
            receipt = visit.page.get_by_role("region", name="Receipt")
            await expect(receipt).to_contain_text("Verdict")
            await expect(receipt.get_by_role("link", name="How verified")).to_be_visible()
            # The operator does not see the log.
            delivered = visit.page.get_by_alt_text("The delivered picture")
            await expect(delivered).to_have_js_property("naturalWidth", 96)
            log = visit.page.get_by_role("region", name="Log of attempt 1")
            await expect(log).to_have_count(0 if who == "otto" else 1)
            if who != "otto":
                await expect(visit.page.locator(".log")).to_contain_text(f"9M {HOSTILE[0]}")
            await visit.check_page(f"dispute-pictures-{who}")


async def test_an_admin_decides_beside_frame_log_and_receipt(
    browser: Browser, stage: Stage
) -> None:
    job, jane = await stage.job(job_type="render"), stage.people["jane"]
    assert await stage.ended(job) == "COMPLETED"
    async with connected(stage.dsn) as rows:
        await rows.execute(LOG, UUID(job), "Fra:1 Mem:9M\nSaved: 'frame.png'")
    _, opened = await jane.call("POST", f"/jobs/{job}/units/0/dispute", {"reason": "too dark"})
    async with visiting(browser, stage, "ann", f"/console/disputes/{opened['id']}") as visit:
        regions = [visit.page.get_by_role("region", name=name) for name in SIDE_BY_SIDE]
        tops = [await region.evaluate("r => r.getBoundingClientRect().top") for region in regions]
        assert tops[0] == tops[1], "the frame and the log are side by side"
        await expect(visit.page.get_by_role("button", name="Uphold")).to_be_visible()
        await visit.check_page("dispute-to-decide", LOOKS)
        await visit.page.set_viewport_size(NARROW)
        lefts = [await region.evaluate("r => r.getBoundingClientRect().left") for region in regions]
        assert len(set(lefts)) == 1, "one column on a phone"


async def test_an_operator_answers_a_dispute_about_their_work(
    browser: Browser, stage: Stage
) -> None:
    job, jane = await stage.job(job_type="render"), stage.people["jane"]
    assert await stage.ended(job) == "COMPLETED"
    async with connected(stage.dsn) as rows:
        await rows.execute(SHARE, UUID(job))
    region = {"x": 0.5, "y": 0, "width": 0.5, "height": 1}
    report = {"reason": "jane says so", "problem": "black", "region": region}
    _, opened = await jane.call("POST", f"/jobs/{job}/units/0/dispute", report)
    there = f"/console/disputes/{opened['id']}"
    async with (
        visiting(browser, stage, "otto", "/console/disputes") as visit,
        visiting(browser, stage, "jane", there) as janes,
    ):
        page = visit.page
        row = page.get_by_role("row").filter(has_text=job[:8])
        await expect(row).to_contain_text("Your node's work")
        await expect(row).to_contain_text("you can answer")
        await visit.check_page("disputes-work")
        await page.get_by_role("link", name="About your nodes").click()
        await row.get_by_role("link").click()
        await page.wait_for_url(f"**{there}")
        shown = page.get_by_alt_text("The delivered picture")
        await expect(shown).to_have_js_property("naturalWidth", 96)
        await expect(page.get_by_label("The place of the problem")).to_be_visible()
        await expect(page.locator("#state")).to_contain_text("It is black or empty")
        await expect(page.locator("#state")).not_to_contain_text("jane")
        await visit.check_page("dispute-to-answer", LOOKS)
        await page.get_by_label("Your answer").fill(HOSTILE[0])
        for name, percent in (("Left", "0"), ("Top", "0"), ("Width", "25"), ("Height", "100")):
            await page.get_by_label(name).fill(percent)
        await page.get_by_role("button", name="Send the answer").click()
        await expect(page.get_by_role("status").first).to_contain_text("Your answer is kept")
        await expect(page.locator("#state")).to_contain_text(HOSTILE[0])
        await visit.check_page("dispute-answered-otto")
        await expect(janes.page.locator("#state")).to_contain_text(
            "in 25 \N{MULTIPLICATION SIGN} 100\N{NO-BREAK SPACE}%"
        )
        await janes.check_no_faults()
    for who in ("jane", "ann"):
        async with visiting(browser, stage, who, there) as visit:
            shown = visit.page.locator("#state")
            await expect(shown).to_contain_text("The operator says")
            await expect(shown).to_contain_text(HOSTILE[0])
            await expect(visit.page.get_by_label("The place of the answer")).to_be_visible()
            await visit.check_page(f"dispute-answered-{who}", LOOKS)
