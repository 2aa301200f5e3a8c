"""Checks of delivered results, as operators and admins see them."""

from uuid import UUID

import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.console.stage import HOSTILE, Stage
from tests.browser.console.visits import visiting
from tests.support.databases import connected

# Verdicts as the Ledger writes them; tests/integration/liars has real checks, which need renders.
FOUND = (
    ("exact", ""),
    ("unverifiable", "no verifier has the build"),
    ("invalid", f"the picture is 66 by 37, not 67 by 37 {HOSTILE[1]}"),
)
CHECK = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
                    window_seconds, opened_at, state, verdict, said, decided_at, strike,
                    reason)
SELECT j.id, 0, 1, n.id, 'cpu', true, 70, 60, now(), 'DECIDED', $3, $4, now(), $3 = 'invalid',
       CASE WHEN $3 = 'unverifiable' THEN 'no-build' END
FROM jobs j, nodes n WHERE j.id = $1 AND n.name = $2
"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def checked(stage: Stage) -> list[str]:
    """Insert checks of three jobs with different verdicts, and return the jobs."""
    async with connected(stage.dsn) as rows:
        jobs = [stage.jobs[0], stage.jobs[1], stage.jobs[4]]  # the last job failed
        for job, (verdict, said) in zip(jobs, FOUND, strict=True):
            await rows.execute(CHECK, UUID(job), "studio-1", verdict, said)
    return jobs


def row_of(page: Page, job: str) -> Locator:
    """Return the row of this job's check; other tests of the gateway insert checks, too."""
    return page.locator(f"#check-{job}-0-1")


async def shown(page: Page, jobs: list[str]) -> None:
    """Wait until the checks of these jobs are in the table."""
    for job in jobs:
        await expect(row_of(page, job)).to_have_count(1)


async def test_an_operator_sees_what_was_found_and_why(
    browser: Browser, stage: Stage, checked: list[str]
) -> None:
    async with visiting(browser, stage, "otto", "/console/fleet") as visit:
        page = visit.page
        await page.get_by_role("link", name="studio-1").click()
        await page.get_by_role("link", name="checks of its results").click()
        await shown(page, checked)
        await page.get_by_role("link", name="Invalid").click()
        row = row_of(page, checked[2])
        await expect(row).to_contain_text("66 by 37, not 67 by 37")
        await expect(row).to_contain_text("a strike")
        await expect(page.locator("#rows thead")).not_to_contain_text("ed by")
        await visit.check_page("checks-operator")


async def test_an_admin_finds_what_could_not_be_checked_and_who_checked(
    browser: Browser, stage: Stage, checked: list[str]
) -> None:
    async with visiting(browser, stage, "ann", "/console/checks?is=unverifiable") as visit:
        page = visit.page
        await expect(row_of(page, checked[1])).to_contain_text("no verifier has the build")
        await expect(page.locator("#rows thead")).to_contain_text("Checked by")
        await row_of(page, checked[1]).locator("th a").click()
        await expect(page.locator("#picture")).to_contain_text(
            "unverifiable: no verifier has the build"
        )
        await page.go_back()
        await page.get_by_role("link", name="All").first.click()
        await shown(page, checked)
        await visit.check_page("checks")
