"""Tables have captions and can be sorted by links, with a mouse, with keys and on a phone."""

import re

from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage, failed_job
from tests.browser.console.visits import NARROW, visiting


async def test_nodes_and_users_have_tables_that_are_sorted(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann", "/console/fleet") as visit:
        page = visit.page
        # the first row: the node that earned most, then a node that earned nothing
        for first in ("studio-1", "0 cr"):
            await page.get_by_role("link", name="Earned, 30 d").click()
            await expect(page.locator("#rows tbody tr").first).to_contain_text(first)
        await visit.go("/console/fleet?q=studio")
        await page.get_by_role("link", name="studio-1").click()
        history = page.get_by_role("table", name="Latest connections to this gateway")
        await history.get_by_role("link", name="Last answer").click()
        await expect(history.get_by_role("columnheader", name="Last answer")).to_have_attribute(
            "aria-sort", "descending"
        )
        assert page.url.endswith("?sort=history.-pong_at#history")
        await visit.check_no_faults()
        await visit.go("/console/users?q=jane")
        await page.locator("tbody a").first.click()
        logins = page.get_by_role("table", name="Sessions")
        await logins.get_by_role("link", name="Client").click()
        await expect(
            page.get_by_role("table", name="Sessions, by client, from A to Z")
        ).to_be_visible()


AMOUNTS = """
[...document.querySelectorAll("#rows td[data-label=Amount]")]
  .map((each) => Number(each.innerText.replace("\\u2212", "-").replace(/[^-0-9.]/g, "")))
"""


async def test_entries_are_sorted_and_lead_back_to_the_newest(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "ann", "/console/ledger?kind=USAGE") as visit:
        page = visit.page
        rows = page.locator("#rows")
        await rows.get_by_role("link", name="Amount").click()
        await expect(page.locator("#rows caption")).to_contain_text("by amount, the greatest first")
        found = await page.evaluate(AMOUNTS)
        assert len(found) > 4
        assert found == sorted(found, reverse=True)
        assert "kind=USAGE" in page.url
        await rows.get_by_role("link", name="Amount").click()
        await expect(page.locator("#rows caption")).to_contain_text("the smallest first")
        found = await page.evaluate(AMOUNTS)
        assert found == sorted(found)
        await page.get_by_role("button", name="Filter").click()
        assert "sort=amount" in page.url, "a filter keeps the order"
        await visit.check_no_faults()
        await visit.go("/console/ledger?before=12")
        await expect(page.locator("#rows tbody tr").first).to_contain_text("no. 1")
        await page.get_by_role("link", name="Newest").click()
        await expect(page.get_by_role("link", name="Newest")).to_be_hidden()


async def test_money_and_attempts_of_a_job_are_sorted(browser: Browser, stage: Stage) -> None:
    job = await failed_job(stage)
    async with visiting(browser, stage, "jane", f"/console/jobs/{job}") as visit:
        page = visit.page
        whats = page.locator("#money tbody th")
        assert await whats.all_text_contents() == ["Held", "Released"]
        await page.get_by_text("Line by line").click()
        await page.locator("#money").get_by_role("link", name="When").click()
        await expect(page.locator("#money caption")).to_contain_text("the newest first")
        assert page.url.endswith("?sort=money.-at#money")
        assert await whats.all_text_contents() == ["Released", "Held"]
        await page.locator("#attempts").get_by_role("link", name="Node").click()
        await expect(page.locator("#attempts caption")).to_contain_text("by node, from A to Z")
        assert await whats.all_text_contents() == ["Held", "Released"], "each is sorted for itself"
        await visit.check_no_faults()


async def test_a_phone_sorts_too(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", "/console/jobs") as visit:
        page = visit.page
        await page.set_viewport_size(NARROW)
        await page.locator("#rows thead").get_by_role("link", name="Took").click()
        await expect(page.locator("#rows caption")).to_contain_text("by took, the greatest first")
        await expect(page.locator("#rows thead")).to_contain_text("Took")
        await page.get_by_role("checkbox", name="Select all rows").check()
        await expect(page.locator("[data-chosen]")).not_to_have_text("0")
        await visit.check_no_faults()


async def test_times_are_shown_in_full_for_who_wants_that(browser: Browser, stage: Stage) -> None:
    full = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$")
    async with visiting(browser, stage, "jane", "/console/jobs") as visit:
        page = visit.page
        first = page.locator("#rows td.time time").first
        await expect(first).to_have_text(re.compile("ago$|now"))
        await page.keyboard.press("t")
        await expect(first).to_have_text(full)
        await expect(page.get_by_role("button", name="Full times")).to_have_attribute(
            "aria-pressed", "true"
        )
        await page.reload()
        await expect(first).to_have_text(full)
        await visit.check_no_faults()
        await page.get_by_role("button", name="Full times").click()
        await expect(first).to_have_text(re.compile("ago$|now"))


async def test_relative_times_go_by_the_gateways_clock(browser: Browser, stage: Stage) -> None:
    """A browser with a wrong clock shows the same times as any other."""
    job = await stage.job()
    await stage.ended(job)
    for ahead in (-7200, 7200):
        async with visiting(browser, stage, "jane") as visit:
            wrong = f"const right = Date.now; Date.now = () => right() + {ahead * 1000};"
            await visit.page.add_init_script(wrong)
            await visit.go(f"/console/jobs/{job}")
            moments = visit.page.locator("#timeline time")
            await expect(moments.first).to_have_text(re.compile(r"^(now|\d+ (s|min) ago)$"))
            await expect(visit.page.locator("#live-state")).to_contain_text("live")
            await expect(moments.last).to_have_text(re.compile(r"^(now|\d+ (s|min) ago)$"))
