"""Jobs, as creators and admins see and control them."""

import asyncio
import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from playwright.async_api import Browser, Dialog, expect

from rendertrust.protocol import JobDispatch, JobStatus, Log
from rendertrust.testing import FakeNode, completes
from tests.browser.console.stage import HOSTILE, Stage, failed_job, picture
from tests.browser.console.visits import visiting
from tests.support.attempts import attempt_of

IS_AT_END = """
log => log.scrollHeight > log.clientHeight &&
  log.firstElementChild.getBoundingClientRect().bottom <= log.getBoundingClientRect().bottom + 1
"""


async def test_a_creator_sees_his_jobs(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", "/console/jobs") as visit:
        page = visit.page
        await expect(page.locator("#live-state")).to_have_text("live")
        await expect(page.locator("tbody tr").first).to_be_visible()
        await expect(page.get_by_role("columnheader", name="User")).to_have_count(0)
        await page.get_by_role("navigation", name="Jobs by status").get_by_text("Failed").click()
        await expect(page).to_have_url(f"{stage.url}/console/jobs?q=status%3Afailed")
        await expect(page.locator("tbody tr").first).to_contain_text("the scene has no camera")
        await page.get_by_role("navigation", name="Jobs by status").get_by_text("All").click()
        await visit.check_no_faults()


async def test_a_job_shows_its_way_its_picture_and_its_proof(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "jane", f"/console/jobs/{stage.jobs[0]}") as visit:
        page = visit.page
        steps = page.locator(".steps li strong")
        words = ["Queued", "Dispatched", "Completed", "Charged", "In the log"]
        await expect(page.locator(".steps li").last).to_have_class(re.compile("done"))
        said = await steps.all_text_contents()
        assert [word for word in said if word not in ("Running", "Verifying")] == words
        image = page.locator("img.result")
        await expect(image).to_have_js_property("naturalWidth", 96)
        await page.get_by_text("Line by line").click()
        async with page.expect_download() as found:
            await page.get_by_role("link", name="proof").click()
        download = await found.value
        assert '"leaf_index"' in Path(await download.path()).read_text()
        await page.locator("#request > summary").click()
        await expect(page.locator("#curl")).to_contain_text("/api/v1/jobs/dispatch")
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.get_by_role("button", name="Copy as curl").click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == await page.locator("#curl").text_content()
        await visit.check_page("job")


async def test_why_a_job_waits(browser: Browser, stage: Stage) -> None:
    job = await stage.job(job_type="nobody-does-this")
    async with visiting(browser, stage, "jane", f"/console/jobs/{job}") as visit:
        page = visit.page
        await expect(page.locator("#why-waiting")).to_contain_text("No node that does")
        state = page.locator("#state")
        await state.get_by_role("button", name="Pause").click()
        await expect(page.locator("#why-paused")).to_have_text("Paused by its owner.")
        await expect(state.get_by_role("button", name="Cancel")).to_be_visible()
        await state.get_by_role("button", name="Resume").click()
        await expect(page.locator("#why-paused")).to_have_count(0)
        await state.get_by_role("button", name="Pause").click()
        await expect(page.locator("#why-paused")).to_be_visible()
        await visit.check_no_faults()
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("status").first).to_contain_text("The job is cancelled")
        await expect(state).to_contain_text("Cancelled")


async def test_a_filter_is_completed_and_corrected(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann", "/console/jobs") as visit:
        page = visit.page
        await page.keyboard.press("/")
        await page.keyboard.type("stat")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Tab")
        await page.keyboard.type("fai")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Tab")
        await expect(page.locator("#search")).to_have_value("status:failed ")
        await page.keyboard.type("user:jane")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/jobs?q=status%3Afailed+user%3Ajane")
        for each in await page.locator("tbody tr").all():
            await expect(each).to_contain_text("jane@example.org")
        await visit.go("/console/jobs?q=stats%3Afailed")
        await expect(page.locator("#misread")).to_contain_text("did you mean “status”")
        await visit.check_page("jobs-misread")
        await page.locator("#search").fill("type:")
        await page.locator("#search").press("ArrowUp")
        await expect(page.get_by_role("option").last).to_have_attribute("aria-selected", "true")
        await page.locator("#search").press("ArrowDown")
        await expect(page.get_by_role("option").first).to_have_attribute("aria-selected", "true")
        await visit.check_page("jobs-offer")


async def test_the_keys_leave_the_filter_as_they_came(browser: Browser, stage: Stage) -> None:
    """The list of suggestions does not handle keys that move the focus out of the filter."""
    async with visiting(browser, stage, "jane") as visit:
        page = visit.page
        for keys in (("Tab",), ("Shift+Tab",), ("ArrowDown", "Shift+Tab")):
            await visit.go("/console/jobs")
            await page.keyboard.press("/")
            await expect(page.get_by_role("listbox")).to_be_visible()
            for key in keys:
                await page.keyboard.press(key)
            await expect(page.locator("#search")).not_to_be_focused()
            await expect(page.locator("#search")).to_have_value("")
            await expect(page.get_by_role("listbox")).to_be_hidden()


async def test_a_job_that_is_submitted_here_shows_its_picture_without_a_reload(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    scene = tmp_path / "scene <b>.blend"
    scene.write_bytes(b"BLENDER-v405" + bytes(range(256)) * 4000)
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        await expect(page.locator("#cost")).to_have_text("You see the price before you submit.")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.locator("#problem")).to_have_text("Choose a file.")
        await page.locator("#file").set_input_files(scene)
        await expect(page.locator("#sent-said")).to_have_text("The scene is uploaded.")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.locator("#problem")).to_contain_text("Which frames the animation has")
        await page.get_by_label("One picture").check()
        await page.get_by_label("Width").fill("96")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.locator("#faults")).to_contain_text("width and height together")
        await page.get_by_label("Height").fill("72")
        # The browser's console also logs what the gateway refused.
        assert all("422" in error for error in visit.errors)
        visit.errors.clear()
        await visit.check_page("new-job")
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
        await page.evaluate("window.same = 1")
        await expect(page.locator("img.result")).to_have_js_property("naturalWidth", 96)
        await expect(page.locator("#state")).to_contain_text("Completed")
        assert await page.evaluate("window.same") == 1
        await page.locator("#request > summary").click()
        digest = hashlib.sha256(scene.read_bytes()).hexdigest()
        await expect(page.get_by_text(digest).first).to_be_visible()
        await visit.check_no_faults()


async def test_who_comes_back_to_a_new_job_finds_it_as_he_left_it(
    browser: Browser, stage: Stage
) -> None:
    later = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%dT%H:%M}"
    typed = {
        "Frames": "1-48",
        "Width": "640",
        "Tiles": "2x2",
        "Cap": "12.5",
        "Start after": later,
    }
    chosen = {
        "Format": "JPEG",
        "Order": "middle_first",
        "Priority": "high",
        "Pool": "any",
    }
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        await page.locator("#more > summary").click()
        for label, text in typed.items():
            await page.get_by_label(label, exact=True).fill(text)
        for label, value in chosen.items():
            await page.get_by_label(label, exact=True).select_option(value)
        waits = page.get_by_label("Queue the job if no node can take it now")
        await waits.uncheck()
        await visit.go("/console/jobs")
        await page.go_back()
        for label, text in (typed | chosen).items():
            await expect(page.get_by_label(label, exact=True)).to_have_value(text)
        await expect(waits).not_to_be_checked()
        await visit.go("/console/jobs/new?frames=7")
        await expect(waits).to_be_checked()
        await expect(page.get_by_label("Priority")).to_have_value("normal")
        await visit.check_no_faults()


async def test_a_job_starts_after_the_local_time_that_was_typed(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=3)
    scene = tmp_path / "later.blend"
    scene.write_bytes(b"BLENDER-v405" + bytes(range(256)) * 4)
    # a zone other than the machine's, with an offset of minutes that no other zone has
    zone = ZoneInfo("Asia/Kathmandu")
    async with visiting(browser, stage, "jane", "/console/jobs/new", zone=zone.key) as visit:
        page = visit.page
        cost, field = page.locator("#cost"), page.get_by_label("Start after")
        await page.locator("#file").set_input_files(scene)
        await page.get_by_label("One picture").check()
        await page.locator("#more > summary").click()
        await expect(field).to_have_accessible_description(re.compile("at most 30 days from now"))
        await field.fill(f"{start.astimezone(zone) + timedelta(days=60):%Y-%m-%dT%H:%M}")
        await expect(cost).to_contain_text("Start after: must be within 30 days")
        await field.fill(f"{start.astimezone(zone):%Y-%m-%dT%H:%M}")
        await expect(cost).to_contain_text("credits")
        await visit.check_page("new-job-later")
        async with page.expect_request("**/api/jobs/dispatch") as sent:
            await page.get_by_role("button", name="Submit").click()
        body: Any = (await sent.value).post_data_json
        assert datetime.fromisoformat(body["start_after"]) == start
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
        state = page.locator("#state")
        await expect(state).to_contain_text(f"It starts after {start:%Y-%m-%d %H:%M} UTC")
        request = page.locator("#request")
        await expect(request.locator("time")).to_have_attribute("datetime", start.isoformat())
        await visit.check_no_faults()


async def test_one_job_is_done_again(browser: Browser, stage: Stage) -> None:
    job = await failed_job(stage)
    async with visiting(browser, stage, "jane", f"/console/jobs/{job}") as visit:
        page = visit.page
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("status").first).to_contain_text("This job retries it")
        await expect(page.locator("#state")).to_contain_text("again")
        await page.locator("#state").get_by_role("link").first.click()
        await page.wait_for_url(f"**/console/jobs/{job}")
        await expect(page.locator("#state")).to_contain_text("It was retried by")
        await expect(page.get_by_role("button", name="Retry")).to_have_count(0)


async def test_many_jobs_are_retried_at_once_and_others_cannot(
    browser: Browser, stage: Stage
) -> None:
    jobs = [await failed_job(stage) for _ in range(2)]
    done = stage.jobs[0]
    async with visiting(browser, stage, "jane", "/console/jobs") as visit:
        page = visit.page
        button = page.get_by_role("button", name="Retry")
        await expect(button).to_be_disabled()
        for job in (*jobs, done):
            await page.locator(f"input[value='{job}']").check()
        await expect(page.locator("[data-chosen]")).to_have_text("3")
        page.once("dialog", lambda dialog: dialog.accept())
        await button.click()
        said = page.get_by_role("status").first
        await expect(said).to_contain_text("2 of 3 jobs are retried; 1 cannot be, because")
        await expect(said).to_contain_text("job is COMPLETED")
        await expect(page.locator("tbody tr").filter(has_text="retried")).not_to_have_count(0)


async def test_enter_in_the_reason_presses_no_button(browser: Browser, stage: Stage) -> None:
    asked: list[str] = []

    async def no(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.dismiss()

    async with visiting(browser, stage, "ann", "/console/jobs") as visit:
        page = visit.page
        page.on("dialog", no)
        await page.locator(f"input[value='{stage.jobs[0]}']").check()
        await page.locator("#reason").fill("too old")
        await page.locator("#reason").press("Enter")
        await page.get_by_role("button", name="Cancel").click()
        assert asked == ["Cancel the selected jobs that no node has begun?"]


async def test_what_is_selected_stays_so_while_rows_come(browser: Browser, stage: Stage) -> None:
    """A new row must not move the selection to another job."""
    job = await failed_job(stage)
    async with visiting(browser, stage, "jane", "/console/jobs") as visit:
        page = visit.page
        await page.locator(f"input[value='{job}']").check()
        another = await stage.job()
        await expect(page.locator(f"input[value='{another}']")).to_be_visible()
        await expect(page.locator(f"input[value='{job}']")).to_be_checked()
        await expect(page.locator("tbody input:checked")).to_have_count(1)
        await expect(page.locator("[data-chosen]")).to_have_text("1")


async def test_a_job_that_runs_says_how_far_it_is_and_what_it_does(
    browser: Browser, stage: Stage
) -> None:
    go_on = asyncio.Event()

    async def slowly(node: FakeNode, dispatch: JobDispatch) -> None:
        about = attempt_of(dispatch)
        await node.send(JobStatus(status="running", progress=0.37, detail="Sample 3/8", **about))
        await node.send(Log(text=f"Fra:1 Mem:12M {HOSTILE[1]}\nFra:1 Mem:14M", **about))
        await go_on.wait()
        await completes(picture(shade=4))(node, dispatch)

    token = stage.people["otto"].token
    node = FakeNode(stage.url, name="slow", capabilities=("slow",), user_token=token, behave=slowly)
    async with node:
        job = await stage.job(job_type="slow")
        async with visiting(browser, stage, "jane", f"/console/jobs/{job}") as visit:
            page = visit.page
            await expect(page.locator("#state")).to_contain_text("37 %")
            await expect(page.locator("#state")).to_contain_text("Sample 3/8")
            assert (await page.locator("#state").inner_text()).count("37 %") == 1
            await expect(page.locator("pre.log").first).to_contain_text(HOSTILE[1])
            await expect(page.locator(".steps .now strong")).to_have_text("Running")
            await visit.check_page("job-running")
            await page.evaluate("window.same = 1")
            go_on.set()
            await expect(page.locator("#paid")).to_contain_text("charged")
            await expect(page.locator("#state")).to_contain_text("Completed")
            assert await page.evaluate("window.same") == 1


async def test_the_log_shows_its_last_lines_and_stays_where_somebody_scrolled(
    browser: Browser, stage: Stage
) -> None:
    go_on = asyncio.Event()

    async def talks(node: FakeNode, dispatch: JobDispatch) -> None:
        about = attempt_of(dispatch)
        await node.send(JobStatus(status="running", progress=0.999999, detail="", **about))
        await node.send(Log(text="\n".join(f"line {n}" for n in range(90)), **about))
        await go_on.wait()
        await node.send(Log(text="the newest", **about))
        await completes(picture(shade=4))(node, dispatch)

    token = stage.people["otto"].token
    node = FakeNode(stage.url, name="talks", capabilities=("talk",), user_token=token, behave=talks)
    async with node:
        job = await stage.job(job_type="talk")
        async with visiting(browser, stage, "jane", f"/console/jobs/{job}") as visit:
            log, state = visit.page.locator("#log pre"), visit.page.locator("#state")
            await expect(log).to_contain_text("line 89")
            await expect(state).to_contain_text("99 %")
            assert "".join((await log.inner_text()).split()).endswith("line88line89")
            assert await log.evaluate(IS_AT_END)
            await log.evaluate("log => { log.scrollTop = -800; }")
            go_on.set()
            await expect(log).to_contain_text("the newest")
            assert not await log.evaluate(IS_AT_END)
            await expect(state).to_contain_text("Completed")
            await visit.page.reload()
            await expect(log).to_contain_text("the newest")
            assert await log.evaluate(IS_AT_END)
