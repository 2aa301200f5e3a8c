"""The list of jobs by name, picture and progress; search, renaming, and names of downloads."""

import io
from uuid import UUID

from PIL import Image
from playwright.async_api import Browser, expect

from tests.browser.console.stage import HOSTILE, Stage, picture
from tests.browser.console.visits import visiting
from tests.support.databases import execute

THUMBNAIL = """
INSERT INTO thumbnails (job_id, unit, frame, attempt, picture) VALUES ($1, 0, 1, 1, $2)
ON CONFLICT (job_id, frame, unit) DO UPDATE SET picture = excluded.picture, made_at = now()
"""


async def called(stage: Stage, job: str, name: str) -> None:
    status, answer = await stage.people["jane"].call("PATCH", f"/jobs/{job}", {"name": name})
    assert status == 200, answer


async def drawn(stage: Stage, job: str, shade: int) -> None:
    """Store a thumbnail of the job, as a node would send it."""
    small = io.BytesIO()
    Image.open(io.BytesIO(picture(128, 72, shade))).save(small, "JPEG")
    await execute(stage.dsn, THUMBNAIL, UUID(job), small.getvalue())


async def test_jobs_are_found_and_known_by_their_names(browser: Browser, stage: Stage) -> None:
    jane, one, two = stage.people["jane"], stage.jobs[0], stage.jobs[1]
    await called(stage, one, "Cathedral, wide shot")
    await called(stage, two, HOSTILE[0][:100])
    await drawn(stage, one, 1)
    await drawn(stage, two, 2)
    body = {"payload_ref": "s3://elsewhere/scene.blend", "queue": True, "frames": "1-3"}
    status, placed = await jane.call(
        "POST", "/jobs/dispatch", {**body, "job_type": "nobody", "name": "Choir, at night"}
    )
    assert status == 202, placed
    path = "/console/jobs"
    async with visiting(browser, stage, "jane", path) as visit:
        page = visit.page
        row = page.locator(f"#row-{one}")
        await expect(row.get_by_role("link", name="Cathedral, wide shot")).to_be_visible()
        await expect(row.locator("img")).to_have_js_property("naturalWidth", 128)
        await expect(row).to_contain_text("Completed")
        await visit.check_page("jobs-by-name")
        choir = page.locator(f"#row-{placed['job_id']}")
        await choir.get_by_role("button", name="Pause").click()
        await expect(page).to_have_url(f"{stage.url}{path}")
        await expect(choir.get_by_role("button", name="Resume")).to_be_visible()
        await page.keyboard.press("/")
        await page.keyboard.type("CATHEDRAL wide")
        await page.keyboard.press("Enter")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.get_by_role("link", name="Cathedral, wide shot").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Cathedral, wide shot")
        await page.get_by_text("Rename").click()
        await page.get_by_label("Name", exact=True).fill("Nave")
        await visit.check_page("job-rename")
        await page.get_by_role("button", name="Save").first.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Nave")
        async with page.expect_download() as found:
            await page.evaluate(
                "job => { const a = document.createElement('a');"
                " a.href = `/console/pictures/${job}`; document.body.append(a); a.click() }",
                one,
            )
        assert (await found.value).suggested_filename == "Nave.png"
    assert (await jane.call("POST", f"/jobs/{placed['job_id']}/stop"))[0] == 200
