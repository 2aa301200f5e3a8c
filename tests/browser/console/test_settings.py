"""Settings, prices, limits and the audit log, as admins see them."""

import re

from playwright.async_api import Browser, expect

from tests.browser.console.stage import FORMER_SECRET, HOSTILE, Stage
from tests.browser.console.visits import visiting


async def test_every_value_is_shown_with_its_source_and_no_secret(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "rita", "/console/settings") as visit:
        page = visit.page
        row = page.get_by_role("row").filter(has_text="credits.starter")
        await expect(row).to_contain_text("10000")
        await expect(row).to_contain_text("environment, RENDERTRUST_CREDITS_STARTER")
        first = page.locator("table.settings tbody").first
        await expect(first.locator(".above")).to_have_text("differs from the default")
        await expect(first).to_contain_text("credits.starter")
        await expect(first).not_to_contain_text("server.body_seconds")
        sources = page.locator("table.settings tbody ~ tbody td[data-label=Source]")
        assert {text.split()[0] for text in await sources.all_text_contents()} == {"default"}
        secret = page.get_by_role("row").filter(has_text="jwt.previous")
        await expect(secret).to_contain_text("set, not shown")
        await expect(secret).to_contain_text("environment, RENDERTRUST_JWT_PREVIOUS")
        await expect(secret.locator(".masked")).to_have_text(re.compile("^\\W+$"))
        unset = page.get_by_role("row").filter(has_text="stripe.secret_key")
        await expect(unset).to_contain_text("not set")
        for tab in ("values", "values&q=environment", "keys", "webhooks", "audit"):
            answer = await page.request.get(f"{stage.url}/console/settings?tab={tab}")
            assert FORMER_SECRET not in await answer.text(), tab
        await visit.check_no_faults()
        await page.keyboard.press("/")
        await page.keyboard.type("environment")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/settings?tab=values&q=environment")
        await expect(row).to_be_visible()
        await expect(page.get_by_text("server.body_seconds")).to_have_count(0)
        await page.get_by_role("link", name="Limits", exact=True).click()
        login = page.get_by_role("row").filter(has=page.get_by_text("login", exact=True))
        await expect(login).to_contain_text("requests per minute, per address")
        await visit.check_no_faults()


async def test_keys_are_listed_with_whose_they_are_and_what_they_may(
    browser: Browser, stage: Stage
) -> None:
    new = {"name": HOSTILE[2], "scopes": ["jobs:read", "credits:read"]}
    status, key = await stage.people["otto"].call("POST", "/auth/keys", new)
    assert status == 201, key
    async with visiting(browser, stage, "rita", "/console/settings") as visit:
        page = visit.page
        await page.get_by_role("link", name="Keys", exact=True).click()
        row = page.get_by_role("row").filter(has_text=HOSTILE[2])
        await expect(row).to_contain_text("otto@example.org")
        await expect(row).to_contain_text("jobs:read, credits:read")
        assert key["key"] not in await page.content()
        await expect(page.locator("main")).to_contain_text("Keys that sign checkpoints")
        _, log = await stage.people["rita"].call("GET", "/ledger/checkpoint")
        await expect(page.locator("main")).to_contain_text(log["verifier"])
        await visit.check_no_faults()
        await page.locator("#search").fill("nobody's")
        await page.locator("#search").press("Enter")
        await expect(page.get_by_text("No key matches")).to_be_visible()
        await visit.go("/console/settings?tab=keys&q=OTTO%40")
        await row.get_by_role("link").click()
        await expect(page.locator("#of-keys")).to_be_in_viewport()


async def test_an_admin_changes_a_price_and_finds_it_in_the_audit_log(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "ann", "/console/settings?tab=prices") as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_label("Job type").fill("dear")
        await page.get_by_label("Credits").fill("12.5")
        await page.get_by_label("Reason").fill(HOSTILE[1])
        await page.get_by_role("button", name="Set the price").click()
        await expect(page.get_by_role("status").first).to_contain_text("The price of dear applies")
        row = page.get_by_role("row").filter(has_text=HOSTILE[1])
        await expect(row).to_contain_text("12.5 cr")
        await visit.check_no_faults()
        await page.get_by_role("link", name="Audit log").click()
        await expect(page.locator("tbody tr").first).to_contain_text(HOSTILE[1])
        await expect(page.locator("#live-state")).to_have_text("live")
        status, _ = await stage.people["ann"].call(
            "PUT", "/admin/prices/dearer", {"price": "3", "reason": "seen as it comes"}
        )
        assert status == 200
        await expect(page.locator("tbody tr").first).to_contain_text("seen as it comes")
        await page.get_by_role("link", name="price:dear").first.click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await visit.check_no_faults()
        await visit.go("/console/settings?tab=prices")
        await page.get_by_label("Job type").fill("dear")
        await page.get_by_label("Credits").fill("a lot")
        await page.get_by_label("Reason").fill("a mistake")
        await page.get_by_role("button", name="Set the price").click()
        wrong = "each => each.validity.patternMismatch"
        assert await page.get_by_label("Credits").evaluate(wrong), "the browser sends no form"
        await page.locator("form.card").evaluate("form => { form.noValidate = true; }")
        await page.get_by_role("button", name="Set the price").click()
        await expect(page.get_by_text("must be an amount")).to_have_count(1)
        await expect(page.get_by_label("Credits")).to_have_value("a lot")
        await expect(page.get_by_label("Job type")).to_have_value("dear")
