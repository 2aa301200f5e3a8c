"""Users and their credits, as admins manage them and creators buy them."""

import re
from typing import Any

from playwright.async_api import Browser, Dialog, Page, expect

from tests.browser.console.stage import HOSTILE, WORST, Stage, hostile_user
from tests.browser.console.visits import NARROW, WIDE, visiting
from tests.support.until import until
from web.console.value_markup import marked


async def go_to_jane(page: Page) -> None:
    """Go from the list of users to Jane's page."""
    await page.locator("#search").fill("JANE@")
    await page.locator("#search").press("Enter")
    await page.wait_for_url("**/console/users?q=*")
    await expect(page.locator("#rows tbody tr")).to_have_count(1)
    await page.locator("#rows tbody a").click()
    await page.wait_for_url(re.compile(r"/console/users/[0-9a-f-]{36}$"))


async def balance(stage: Stage) -> float:
    _, answer = await stage.people["jane"].call("GET", "/credits/balance")
    return float(answer["balance"])


async def test_credits_are_granted_in_two_steps_and_once(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann", "/console/users") as visit:
        page = visit.page
        rows = page.locator("#rows tbody tr")
        for name in stage.people:
            await expect(rows.filter(has_text=f"{name}@example.org")).to_have_count(1)
        await page.get_by_role("link", name="Balance").click()
        await expect(page.locator("th[aria-sort=descending]")).to_have_text("Balance")
        assert page.url.endswith("/console/users?sort=-balance")
        await visit.check_no_faults()
        await go_to_jane(page)
        await visit.check_no_faults()
        before = await balance(stage)
        await page.get_by_label("Amount", exact=True).fill("12.5")
        await page.locator("#grant-reason").fill(f"goodwill {HOSTILE[1]}")
        await page.get_by_role("button", name="Review the grant").click()
        await expect(page.locator("main")).to_contain_text(HOSTILE[1])
        assert await balance(stage) == before, "the first step grants nothing"
        await visit.check_page("grant")
        there = page.url
        await page.get_by_role("button", name="Grant it").click()
        await expect(page.get_by_role("status").first).to_contain_text("Granted: 12.5 credits")
        assert await balance(stage) == before + 12.5
        await page.goto(there)
        await expect(page.locator("main")).to_contain_text("This was granted to")
        await expect(page.get_by_role("button", name="Grant it")).to_have_count(0)
        assert await balance(stage) == before + 12.5, "the second step grants only once"
        _, kept = await stage.people["ann"].call("GET", "/admin/audit?limit=1")
        assert kept["records"][0]["act"] == "credits.grant"
        assert kept["records"][0]["actor"] == "ann@example.org"
        assert kept["records"][0]["reason"] == f"goodwill {HOSTILE[1]}"


async def test_users_with_hostile_names_are_only_users(browser: Browser, stage: Stage) -> None:
    ids = [await hostile_user(stage, number) for number in range(len(HOSTILE))]
    async with visiting(browser, stage, "ann", "/console/users?q=hostile") as visit:
        page = visit.page
        for name in HOSTILE:
            await expect(page.get_by_text(str(marked(name)), exact=True).first).to_be_attached()
        await visit.check_width(WIDE["width"])
        await page.set_viewport_size(NARROW)
        await visit.check_width(NARROW["width"])
        for name in WORST:
            await visit.go(f"/console/users/{ids[HOSTILE.index(name)]}")
            await expect(page.locator("h1")).to_have_text(str(marked(name)))
            await visit.check_width(NARROW["width"])
            await visit.check_no_faults()


async def test_a_login_and_a_key_are_ended(browser: Browser, stage: Stage) -> None:
    new = {"name": "studio", "scopes": ["jobs:read"]}
    status, key = await stage.people["jane"].call("POST", "/auth/keys", new)
    assert status == 201

    async def opens(path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with stage.http.get(f"{stage.url}/api/v1{path}", headers=headers) as answer:
            return answer.status

    assert await opens("/jobs", key["key"]) == 200
    async with (
        visiting(browser, stage, "jane", "/console", anew=True) as hers,
        visiting(browser, stage, "ann", "/console/users") as visit,
    ):
        page = visit.page
        await go_to_jane(page)
        page.on("dialog", lambda dialog: dialog.accept())
        await page.locator("#keys-reason").fill("lost laptop")
        await page.get_by_role("button", name="Revoke").first.click()
        await expect(page.get_by_role("status").first).to_contain_text("The key is revoked.")
        assert await opens("/jobs", key["key"]) == 401
        await page.locator("#sessions-reason").fill("lost laptop")
        row = page.get_by_role("region", name="Sessions, one by one").locator("tbody tr")
        await row.filter(has_text="Chrome").first.get_by_role("button", name="End").click()
        await expect(page.get_by_role("status").first).to_contain_text("The session has ended.")
        await visit.check_no_faults()
        await hers.go("/console/jobs")
        await expect(hers.page.get_by_label("Password")).to_be_visible()


async def test_enter_in_a_reason_ends_nothing_and_the_question_names_what_ends(
    browser: Browser, stage: Stage
) -> None:
    new = {"name": "laptop", "scopes": ["jobs:read"]}
    status, _ = await stage.people["jane"].call("POST", "/auth/keys", new)
    assert status == 201
    asked: list[str] = []

    async def no(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.dismiss()

    async with visiting(browser, stage, "ann", "/console/users") as visit:
        page = visit.page
        await go_to_jane(page)
        page.on("dialog", no)
        whole, last = page.locator(".grid.pairs"), page.locator(".grid.pairs > section").last
        right = "it => Math.round(it.getBoundingClientRect().right)"
        assert await last.evaluate(right) == await whole.evaluate(right), "there is no hole"
        for name, button in (("sessions", "End"), ("keys", "Revoke")):
            await page.locator(f"#{name}-reason").fill("lost")
            await page.locator(f"#{name}-reason").press("Enter")
            form = page.locator(f"form[action$='/{name}']")
            await form.get_by_role("button", name=button).first.click()
        login, key = asked
        assert re.fullmatch(r"End the session of “.+”, since 20.{14} UTC, at once\?", login)
        assert re.fullmatch(r"Revoke the key “laptop”, ….+, since 20.{14} UTC, at once\?", key)


async def test_a_creator_buys_credits_and_an_admin_sees_what_stripe_told(
    browser: Browser, stage: Stage
) -> None:
    before = await balance(stage)
    async with visiting(browser, stage, "jane", "/console/credits") as visit:
        page = visit.page
        await visit.check_no_faults()
        await page.get_by_role("button", name="Buy 100 credits").click()
        await page.wait_for_url(re.compile(r"/pay/|checkout"))
        await page.get_by_role("button", name="Pay", exact=True).click()
        await page.wait_for_url("**/console/credits?bought=1")

        async def arrived() -> Any:
            return await balance(stage) == before + 100

        await until(arrived)
        await expect(page.locator("#bought tbody tr").first).to_contain_text("paid")
    async with visiting(browser, stage, "ann", "/console/settings?tab=webhooks") as visit:
        page = visit.page
        await expect(page.locator("main")).to_contain_text(f"{stage.url}/api/v1/webhooks/stripe")
        paid = page.get_by_role("row").filter(has_text="checkout.session.completed")
        await expect(paid.first).to_contain_text("counted")
        await visit.check_no_faults()
        await visit.go("/console/settings?tab=webhooks&q=no+such+event")
        await expect(page.get_by_text("No event matches")).to_be_visible()
