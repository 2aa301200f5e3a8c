"""The pages of payouts and of packages of credits with rows, in an admin's browser."""

from playwright.async_api import Browser, expect

from supervisors.engines.postgres import PostgresEndpoint
from tests.browser.conftest import WITHIN_MS
from tests.browser.console.visits import LOOKS, WATCH, WIDE, Visit
from tests.integration.web.accounts import PASSWORD, Person, register, with_role
from tests.integration.web.earners import earner, set_usable_account
from tests.support.http_gateway import Face, face_over, with_ledger

OPERATORS = ("otto@example.org", "olga@example.org")


async def payouts_requested(face: Face) -> list[Person]:
    """Let two operators earn money and request it; the second one has an account."""
    jane = await register(face, "jane@example.org")
    operators = list[Person]()
    for email in OPERATORS:
        operator = await earner(face, email)
        await operator.ripen(jane)
        path = "/api/v1/operators/me/payouts"
        status, _ = await operator.person.ask("POST", path, {"to": "money"})
        assert status == 202
        operators.append(operator.person)
    await set_usable_account(operators[-1])
    return operators


async def test_an_admin_pays_operators_and_sells_packages(
    browser: Browser, database: PostgresEndpoint
) -> None:
    async with face_over(database, with_ledger, audited=True) as face:
        await pay_and_sell(browser, face, database)


async def pay_and_sell(browser: Browser, face: Face, database: PostgresEndpoint) -> None:
    """Approve two payouts, mark them as paid, and put a package on sale."""
    ann = await with_role(face, database.owner_dsn, "admin")
    operators = await payouts_requested(face)
    context = await browser.new_context(viewport=WIDE, reduced_motion="reduce")
    await context.add_init_script(WATCH)
    visit = Visit(await context.new_page(), str(face.client.make_url("")).rstrip("/"))
    page = visit.page
    page.set_default_timeout(WITHIN_MS)
    page.on("dialog", lambda dialog: dialog.accept())
    visit.listen()
    await visit.go("/console/payouts")
    await page.get_by_label("E-mail").fill(ann.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/console/payouts")
    olga = page.get_by_role("row").filter(has_text="olga@example.org")
    await expect(olga).to_contain_text("SEPA EUR …2051")
    await expect(olga).to_contain_text("changed since the request")
    otto = page.get_by_role("row").filter(has_text="otto@")
    await expect(otto).to_contain_text("none yet")
    await expect(otto.get_by_role("checkbox")).to_have_count(0)
    await visit.check_page("payouts", LOOKS)
    await set_usable_account(operators[0])
    await visit.go("/console/payouts")
    await page.get_by_label("Select all rows").check()
    await page.get_by_label("Reason, for the audit log").fill("checked")
    await page.get_by_role("button", name="Approve as one batch").click()
    await expect(page.get_by_role("status").first).to_contain_text("2 payouts are approved")
    async with page.expect_download() as file:
        await page.get_by_role("button", name="CSV").click()
    assert (await file.value).suggested_filename.startswith("rendertrust-payouts-")
    await expect(page.locator("#state")).to_contain_text("DE02 1203 0000 0000 2020 51")
    await visit.check_page("payout-batch", LOOKS)
    await page.get_by_role("button", name="Not sent to olga@example.org").click()
    await expect(page.get_by_label("Why the money was not sent")).to_be_focused()
    await page.get_by_label("Reference of the bank").fill("wire 7")
    await page.locator("#sent-reason").fill("sent on Monday")
    await page.get_by_role("button", name="Mark as paid").click()
    await expect(page.get_by_role("status").first).to_contain_text("marked as paid")
    await expect(page.locator("#state")).to_contain_text("reference wire 7")
    await visit.go("/console/packages")
    for label, text in (
        *(("Name, for programs", "small"), ("Title, for people", "1,000 credits")),
        *(("Credits", "1000"), ("Price in the smallest unit", "999"), ("Reason", "launch")),
    ):
        await page.get_by_role("textbox", name=label).fill(text)
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status").first).to_contain_text("small is on sale")
    await page.get_by_role("link", name="Change small").click()
    await expect(page.get_by_label("Title, for people")).to_have_value("1,000 credits")
    await visit.check_page("packages", LOOKS)
    await context.close()
