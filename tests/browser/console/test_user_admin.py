"""Accounts of others in an admin's browser: created, deactivated, activated, with another role."""

import re

from playwright.async_api import Browser, Page, expect

from tests.browser.console.stage import HOSTILE, PASSWORD, Stage
from tests.browser.console.visits import LOOKS, Visit, visiting

NEW = "another long password"


async def created(page: Page, email: str, name: str) -> str:
    """Create a user from the list, and return the link for their password."""
    await page.get_by_role("link", name="New user").click()
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Name, as other users see it").fill(name)
    await page.get_by_label("Role").select_option("operator")
    await page.get_by_label("Reason, for the audit log").fill("starts on Monday")
    await page.get_by_role("button", name="Create the user").click()
    await expect(page.get_by_role("status").first).to_contain_text("Give this link to the user")
    return str(await page.locator("#once").text_content())


async def enters(visit: Visit, email: str, password: str) -> None:
    """Fill in the sign-in form."""
    await visit.go("/console/sign-in")
    await visit.page.get_by_label("E-mail").fill(email)
    await visit.page.get_by_label("Password").fill(password)
    await visit.page.get_by_role("button", name="Sign in").click()


async def test_a_user_is_created_and_chooses_the_password(browser: Browser, stage: Stage) -> None:
    email = "nina@example.org"
    async with (
        visiting(browser, stage, "ann", "/console/users") as anns,
        visiting(browser, stage) as ninas,
    ):
        link = await created(anns.page, email, f"Nina {HOSTILE[0]}")
        await anns.check_page("user-created", LOOKS)
        await expect(anns.page.locator("main")).to_contain_text("operator")
        await ninas.page.goto(link)
        await ninas.page.get_by_label("Password").fill(NEW)
        await ninas.page.get_by_role("button", name="Set the password").click()
        await expect(ninas.page.get_by_role("status")).to_contain_text("Your password is set")
        await enters(ninas, email, NEW)
        await ninas.page.locator("header.side").wait_for()
        await anns.go("/console/users/new")
        await anns.page.get_by_label("E-mail address").fill(email.upper())
        await anns.page.get_by_label("Name, as other users see it").fill("Nina again")
        await anns.page.get_by_label("Role").select_option("admin")
        await anns.page.get_by_label("Reason, for the audit log").fill("forgot")
        await anns.page.get_by_role("button", name="Create the user").click()
        await expect(anns.page.get_by_role("alert")).to_contain_text("already has an account")
        await expect(anns.page.get_by_label("Role")).to_have_value("admin")
        anns.errors.clear()  # the browser logs the status 422
        await anns.check_page("user-new", LOOKS)
        await ninas.check_no_faults()


async def test_a_deactivated_user_is_out_told_why_and_comes_back(
    browser: Browser, stage: Stage
) -> None:
    email = "olga@example.org"
    async with (
        visiting(browser, stage, "ann", "/console/users") as anns,
        visiting(browser, stage) as olgas,
    ):
        page, hers = anns.page, olgas.page
        link = await created(page, email, "Olga")
        await hers.goto(link)
        await hers.get_by_label("Password").fill(NEW)
        await hers.get_by_role("button", name="Set the password").click()
        await enters(olgas, email, NEW)
        await hers.locator("header.side").wait_for()
        page.on("dialog", lambda dialog: dialog.accept())
        await page.locator("#active-reason").fill("left the studio")
        await page.get_by_role("button", name="Deactivate").click()
        await expect(page.get_by_role("status").first).to_contain_text("The user is deactivated")
        await anns.check_page("user-deactivated", LOOKS)
        await olgas.go("/console/jobs")
        await expect(hers).to_have_url(re.compile("/sign-in"))
        await enters(olgas, email, PASSWORD)
        await expect(hers.get_by_role("alert")).to_contain_text("is wrong")
        await enters(olgas, email, NEW)
        await expect(hers.get_by_role("alert")).to_contain_text("This account is deactivated")
        olgas.errors.clear()  # the browser logs the status 401
        await olgas.check_page("sign-in-deactivated", LOOKS)
        await page.locator("#active-reason").fill("is back")
        await page.get_by_role("button", name="Activate").click()
        await expect(page.get_by_role("status").first).to_contain_text("is active again")
        await enters(olgas, email, NEW)
        await hers.locator("header.side").wait_for()
        await page.locator("#new-role").select_option("auditor")
        await page.locator("#role-reason").fill("audits the books")
        await page.get_by_role("button", name="Change the role").click()
        await expect(page.get_by_role("status").first).to_contain_text("The new role counts")
        await enters(olgas, email, NEW)
        await olgas.go("/console/payouts")
        await expect(hers.get_by_role("heading", name="Payouts")).to_be_visible()


async def test_nobody_does_it_to_themselves(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann", "/console/users?q=ann%40") as visit:
        await visit.page.locator("#rows tbody a").first.click()
        await visit.page.get_by_role("heading", name="Sessions").wait_for()
        for name in ("Deactivate", "Change the role", "Make a link"):
            await expect(visit.page.get_by_role("button", name=name)).to_have_count(0)
