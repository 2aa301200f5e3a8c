"""The page of earnings in a browser: its chart, its tables, and a period by its form."""

from playwright.async_api import Browser, expect

from tests.browser.console.periods import check_statement, choose_periods
from tests.browser.console.stage import Stage
from tests.browser.console.visits import DESK, PHONE, visiting
from tests.support.databases import execute

UNPAID = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
    window_seconds, opened_at, state, verdict, said, decided_at)
SELECT u.job_id, u.number, u.attempt + 1, u.node_id, 'cpu/avx2/5.2', true, 70, 0, now(), 'DECIDED',
    'invalid', 'the lower half is black', now()
FROM units u JOIN earnings e ON e.job_id = u.job_id AND e.unit = u.number
ORDER BY e.earned_at LIMIT 1
"""

CHECKED = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
    window_seconds, opened_at, state, verdict, said, decided_at)
SELECT u.job_id, u.number, u.attempt, u.node_id, 'optix/sm_89/550/b1', true, 70, 0, u.ended_at,
    'DECIDED', 'exact', '', now()
FROM units u JOIN earnings e ON e.job_id = u.job_id AND e.unit = u.number
ORDER BY e.earned_at DESC LIMIT 1
"""


async def test_earnings_are_drawn_and_a_period_is_chosen(browser: Browser, stage: Stage) -> None:
    await execute(
        stage.dsn,
        'UPDATE nodes SET metadata = metadata || \'{"cores": 16, "ram": 68719476736}\''
        " WHERE name = 'studio-1'",
    )
    await execute(
        stage.dsn,
        "UPDATE earnings SET earned_at = earned_at - interval '1 day' WHERE id IN"
        " (SELECT id FROM earnings ORDER BY earned_at LIMIT 2)",
    )
    await execute(stage.dsn, UNPAID)
    await execute(stage.dsn, CHECKED)
    async with visiting(browser, stage, "otto") as visit:
        page = visit.page
        await page.get_by_role("link", name="Earnings").click()
        await page.wait_for_url("**/console/earnings")
        await expect(page.locator("#earned-by-day canvas")).to_be_visible()
        await expect(page.locator("#nodes")).to_contain_text("studio-1")
        await expect(page.locator("#nodes")).to_contain_text("16 cores · 64.0 GiB")
        days = page.locator("#days")
        await expect(days).to_be_hidden()
        await page.locator("summary").get_by_text("Day by day").click()
        await expect(days.locator("tbody tr").first).to_be_visible()
        devices = page.locator("#devices")
        await expect(devices).to_be_hidden()
        await page.locator("summary").get_by_text("By device").click()
        await expect(devices.locator("tbody tr").first).to_contain_text("optix/sm_89/550")
        await expect(page.locator("#coming tbody tr").first).to_contain_text("cr")
        unpaid = page.locator("#unpaid tbody tr").filter(has_text="the lower half is black")
        await expect(unpaid).to_contain_text("The result is invalid: the lower half is black.")
        await visit.check_page("earnings", by_day=(*PHONE, *DESK))
        await choose_periods(page, page.locator("#earned"), "Nothing was earned in this period")
        await check_statement(page, page.get_by_role("button", name="Statement (PDF)"))
