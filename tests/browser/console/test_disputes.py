"""A dispute: opened by the creator on the job's page, decided by an admin, and seen by both."""

from playwright.async_api import Browser, expect

from tests.browser.console.stage import Stage
from tests.browser.console.visits import visiting


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
