"""Properties of every page: keys, live changes that can be paused, errors, and hostile names."""

import hashlib
import re
import signal
from urllib.parse import quote

from playwright.async_api import Browser, Dialog, Page, expect

from supervisors.engines.postgres import PostgresEndpoint
from tests.browser.conftest import WITHIN_MS
from tests.browser.console.stage import (
    HOSTILE,
    PASSWORD,
    WORST,
    Stage,
    failed_job,
    hostile_user,
    rename,
)
from tests.browser.console.visits import NARROW, WIDE, Motion, Visit, visiting
from tests.support.examples import chosen
from tests.support.http_gateway import settings_for_tests
from tests.support.lent_engines import StartGateway
from tests.support.until import until
from tests.support.whole_gateway import whole
from web.console.assets import assets
from web.console.value_markup import marked


async def test_keys_lead_everywhere(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann") as visit:
        page, keys = visit.page, visit.page.keyboard
        await keys.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        await visit.check_page("keys")
        await keys.press("Escape")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
        await keys.press("g")
        await keys.press("a")
        await page.wait_for_url("**/console/actors")
        await keys.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await keys.type("gaj?")
        assert page.url.endswith("/console/actors"), "letters typed into a field are no shortcuts"
        await keys.press("Escape")
        await keys.press("j")
        await keys.press("j")
        await expect(page.locator("tr.at")).to_contain_text("Engines")
        await keys.press("k")
        await expect(page.locator("tr.at")).to_contain_text("Root")
        await page.evaluate("window.same = 1")
        await keys.press("r")
        await page.wait_for_function("() => window.same === undefined")
        await keys.press("g")
        await keys.press("o")
        await page.wait_for_url("**/console")
        assert visit.errors == []


EMPTY = ("credits", "checks", "organisations", "webhooks")
# For each key: the page to which it leads, and whether the page has a search field.
LEADS = (
    ("j", "jobs", True),
    ("f", "fleet", True),
    ("a", "actors", True),
    ("c", "credits", False),
    ("v", "checks", True),
    ("n", "organisations", False),
    ("w", "webhooks", False),
    ("p", "account", False),
    ("l", "ledger", True),
    ("u", "users", True),
    ("d", "dead-letters", False),
    ("r", "readiness", False),
    ("m", "payouts", False),
    ("k", "packages", False),
    ("y", "system", False),
    ("s", "settings", True),
)
MENU = "all => all.map((each) => [each.dataset.key, each.getAttribute('href')])"
BY_DAY = "jclda"  # keys of pages with and without a search field, with and without rows


async def test_the_same_keys_work_on_every_page(browser: Browser, stage: Stage) -> None:
    await failed_job(stage)
    async with visiting(browser, stage, "ann") as visit:
        page, keys = visit.page, visit.page.keyboard
        menu = dict(await page.locator(".menu a[data-key]").evaluate_all(MENU))
        menu.pop("i", None)  # Earnings, if another test of the gateway gave Ann a node
        others = {"o": "/console", "e": "/console/disputes"}
        assert menu == others | {key: f"/console/{there}" for key, there, _ in LEADS}
        for key, there, searches in LEADS:
            if key not in chosen(day=BY_DAY, night=key):
                continue
            await keys.press("g")
            await keys.press(key)
            await page.wait_for_url(f"**/console/{there}")
            await expect(page.locator("a[aria-current=page]").first).to_be_visible()
            if searches:
                await keys.press("/")
                await expect(page.locator("#search")).to_be_focused()
                await keys.type("gojk?")
                assert page.url.endswith(there), "letters typed into a field are no shortcuts"
                await keys.press("Escape")
            rows = page.locator("main [data-row]")
            if await rows.count() > 1:
                await keys.press("j")
                await keys.press("j")
                await expect(rows.nth(1)).to_have_class(re.compile(r"\bat\b"))
                await keys.press("k")
                await expect(rows.nth(0)).to_have_class(re.compile(r"\bat\b"))
                await expect(rows.nth(0)).to_be_focused()
            else:
                assert there in EMPTY, "every page that is not in EMPTY has several rows"
            await keys.press("?")
            await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
            await keys.press("Escape")
            await visit.check_no_faults()


async def test_a_row_is_selected_and_retried_by_keys(browser: Browser, stage: Stage) -> None:
    job = await failed_job(stage)
    async with visiting(browser, stage, "jane", f"/console/jobs?q=id:{job[:8]}") as visit:
        page, keys = visit.page, visit.page.keyboard
        await expect(page.locator("tbody tr")).to_have_count(1)
        await keys.press("j")
        await keys.press("x")
        await expect(page.locator("[data-chosen]")).to_have_text("1")
        await keys.press("x")
        await expect(page.locator("[data-chosen]")).to_have_text("0")
        page.once("dialog", lambda dialog: dialog.dismiss())
        await keys.press("r")
        await expect(page.locator("[data-chosen]")).to_have_text("0")
        await expect(page.locator("tbody input[type=checkbox]")).not_to_be_checked()
        page.once("dialog", lambda dialog: dialog.accept())
        await keys.press("r")
        await expect(page.get_by_role("status").first).to_contain_text("1 job is retried.")
        await visit.check_no_faults()


async def test_the_tab_that_is_open_is_in_sight(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane") as visit:
        await visit.page.set_viewport_size(NARROW)
        for tab in ("cancelled", "failed", "active"):
            page = await visit.go(f"/console/jobs?q=status:{tab}")
            here = page.locator(".tabs [aria-current=page]")
            await expect(here).to_be_in_viewport(ratio=0.95)
            assert await page.evaluate("scrollY") == 0
            await visit.check_width(NARROW["width"])


LOADED = """
performance.getEntriesByType("resource")
  .filter((each) => each.name.includes("/console/static/"))
  .reduce((sum, each) => sum + each.encodedBodySize, 0) / 1024
"""


async def test_a_first_visit_loads_little(browser: Browser, stage: Stage) -> None:
    """The bounds are KiB on the wire; only the first page draws charts."""
    for path, most in (("/console", 44), ("/console/jobs", 25)):
        async with visiting(browser, stage, "ann", path) as visit:
            if path == "/console":
                await expect(visit.page.locator(".plot canvas")).to_be_visible()
            await expect(visit.page.locator("#live-state")).to_have_text("live")
            loaded = await visit.page.evaluate(LOADED)
            assert most / 2 < loaded <= most


DIGESTS = """
async (urls) => Promise.all(urls.map(async (url) => {
  const answer = await fetch(url, { cache: "reload" });
  const digest = await crypto.subtle.digest("SHA-256", await answer.arrayBuffer());
  const hex = [...new Uint8Array(digest)].map((each) => each.toString(16).padStart(2, "0"));
  return [answer.headers.get("content-encoding"), hex.join("")];
}))
"""


async def test_what_was_packed_before_is_what_was_packed(browser: Browser, stage: Stage) -> None:
    """Browsers accept brotli over TLS and from this machine."""
    names = list(assets().files)
    async with visiting(browser, stage) as visit:
        await visit.go("/console")
        found = await visit.page.evaluate(DIGESTS, [assets().url(name) for name in names])
    plain = [assets().files[name].plain for name in names]
    assert found == [["br", hashlib.sha256(each).hexdigest()] for each in plain]


async def test_the_skip_link_comes_first(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann") as visit:
        await visit.go("/console")
        await visit.page.keyboard.press("Tab")
        await expect(visit.page.get_by_role("link", name="Skip to content")).to_be_focused()
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.locator("main")).to_be_focused()


async def test_the_theme_that_was_chosen_is_kept(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann") as visit:
        page = visit.page
        paper = "getComputedStyle(document.body).backgroundColor"
        light = await page.evaluate(paper)
        await page.get_by_role("button", name="Light or dark").click()
        dark = await page.evaluate(paper)
        assert dark != light
        await page.reload()
        assert await page.evaluate(paper) == dark
        await visit.check_no_faults()


TURNS = """
addEventListener("pagereveal", (event) => { window.turned = event.viewTransition !== null; });
"""
MOVES = """
document.getAnimations().length + [...document.querySelectorAll("*")].filter((each) => {
  const style = getComputedStyle(each);
  return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0
    || style.scrollBehavior !== "auto";
}).length
"""


async def test_nothing_moves_for_who_wants_that(browser: Browser, stage: Stage) -> None:
    """For users without that preference, one page fades into the next."""
    motions: list[tuple[Motion, bool]] = [("no-preference", True), ("reduce", False)]
    for motion, turns in motions:
        async with visiting(browser, stage, "ann", motion=motion) as visit:
            await visit.page.add_init_script(TURNS)
            await visit.go("/console")
            await visit.page.get_by_role("link", name="Jobs").first.click()
            await visit.page.wait_for_url("**/console/jobs")
            await visit.page.wait_for_function("() => window.turned !== undefined")
            assert await visit.page.evaluate("window.turned") is turns
            if not turns:
                assert await visit.page.evaluate(MOVES) == 0


async def test_live_changes_can_be_paused(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane") as visit:
        page = visit.page
        await expect(page.locator("#live-state")).to_have_text("live")
        await page.keyboard.press("p")
        await expect(page.locator("#live-state")).to_have_text("paused")
        images = page.locator(".pictures img")
        before = await images.first.get_attribute("src")
        job = await stage.job(job_type="render")
        assert await stage.ended(job) == "COMPLETED"
        assert await images.first.get_attribute("src") == before
        await page.get_by_role("button", name="Resume").click()
        await expect(images.first).to_have_attribute("src", f"/console/pictures/{job}")
        await expect(page.locator("#live-state")).to_have_text("live")
        assert visit.errors == []


# Without shared workers the page has its own stream, which scripts of the page can see.
ALONE = "delete window.SharedWorker;"
STREAMS = f"""{ALONE}
window.streams = [];
const ask = window.fetch;
window.fetch = (url, given) => {{
  if (url === "/console/live") window.streams.push(given.signal);
  return ask(url, given);
}};
"""


async def test_a_hidden_page_follows_nothing(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann") as visit:
        page = visit.page
        await page.add_init_script(STREAMS)
        await page.reload()
        await expect(page.locator("#live-state")).to_have_text("live")
        reads = "() => window.streams.some((each) => !each.aborted)"
        rests = "() => window.streams.every((each) => each.aborted)"
        hide = """hidden => {
          Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
        await page.wait_for_function(reads)
        await page.evaluate(hide, True)
        await page.wait_for_function(rests)
        await page.evaluate(hide, False)
        await page.wait_for_function(reads)
        await expect(page.locator("#stale")).to_be_hidden()
        number = await page.evaluate("window.streams.filter((each) => !each.aborted).length")
        assert number == 1, "the page has one open stream"


async def test_eight_windows_have_one_stream(browser: Browser, stage: Stage) -> None:
    """Browsers open six connections per host, so one stream per window would be too many.

    The windows' addresses together are longer than a request line may be.
    """
    async with visiting(browser, stage, "jane") as visit:
        context = visit.page.context
        short = [await context.new_page() for _ in range(3)]
        long = [await context.new_page() for _ in range(4)]
        for page in (*short, *long):
            page.set_default_timeout(WITHIN_MS)
        for page in short:
            await page.goto(f"{stage.url}/console/jobs?q=type:echo")
        for number, page in enumerate(long):
            await page.goto(f"{stage.url}/console/jobs?q=error:{quote('絵' * 400)}{number}")
        for page in (visit.page, *short, *long):
            await expect(page.locator("#live-state")).to_have_text("live")
        job = await stage.job(job_type="echo")
        for page in short:
            await expect(page.locator(f"#row-{job}")).to_be_visible()
            await expect(page.locator("#live-state")).to_have_text("live")
        for page in (*short[:2], *long[:2]):
            await page.close()
        await visit.go(f"/console/jobs/{job}")
        await expect(visit.page.locator("#live-state")).to_have_text("live")
        other = await stage.job(job_type="echo")
        await expect(short[-1].locator(f"#row-{other}")).to_be_visible()
        await visit.check_no_faults()


async def register_jane(page: Page, url: str) -> None:
    """Register Jane; a busy gateway is asked again, and may have registered her already."""
    body = {"email": "jane@example.org", "name": "Jane", "password": PASSWORD}

    async def is_in() -> bool:
        answer = await page.request.post(f"{url}/api/v1/auth/register", data=body)
        return answer.status in (201, 409)

    await until(is_in)


async def test_a_page_says_when_it_is_old(browser: Browser, database: PostgresEndpoint) -> None:
    async with whole(database, settings_for_tests()) as site:
        visit = Visit(await browser.new_page(reduced_motion="reduce"), site.url)
        page = visit.page
        await register_jane(page, site.url)
        await visit.sign_in("jane")
        await expect(page.locator("#live-state")).to_have_text("live")
        await site.gateway.database.close()
        await expect(page.locator("#stale")).to_be_visible()
        await expect(page.locator("#live-state")).to_have_text("not live")
        await page.reload()
        heading = page.get_by_role("heading", name="PostgreSQL does not answer, trying again")
        await expect(heading).to_be_visible()
        await page.close()


async def test_what_is_not_there_is_a_page_that_is_well(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane") as visit:
        await visit.go("/console/nothing/here")
        await expect(visit.page.get_by_role("heading", name="Not found")).to_be_visible()
        visit.errors.clear()  # the browser logs the 404 itself
        await visit.check_page("not-found")


BESIDE = """
() => new Promise((tell) => {
  document.addEventListener("securitypolicyviolation", (seen) => tell(seen.effectiveDirective));
  const script = document.createElement("script");
  script.src = "/rendertrust/uploads/somebody.js";
  script.onload = script.onerror = () => setTimeout(tell, 1000, "asked for");
  document.head.append(script);
})
"""


async def test_a_script_beside_the_assets_is_not_loaded(browser: Browser, stage: Stage) -> None:
    """Objects that strangers uploaded have the same origin as the console."""
    async with visiting(browser, stage) as visit:
        page = await visit.go("/console")
        assert await page.evaluate(BESIDE) == "script-src-elem"


async def test_a_wrong_password_is_said(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/console")
        await page.get_by_label("E-mail").fill("jane@example.org")
        await page.get_by_label("Password").fill("not this one")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("is wrong")
        await expect(page.get_by_label("E-mail")).to_have_value("jane@example.org")
        visit.errors.clear()  # the browser logs the 401 itself
        await visit.check_page()


async def test_who_was_signed_out_meanwhile_comes_back_to_what_he_saw(
    browser: Browser, stage: Stage
) -> None:
    there = "/console/jobs?q=status:failed&sort=-price"
    async with visiting(browser, stage, "jane", there) as visit:

        async def signed_out(dialog: Dialog) -> None:
            """Remove the cookies while the dialog blocks the page, so that no live update reports
            it first.
            """
            await visit.page.context.clear_cookies()
            await dialog.accept()

        await visit.page.locator("tbody input[type=checkbox]").first.check()
        visit.page.on("dialog", signed_out)
        await visit.page.get_by_role("button", name="Retry").click()
        said = visit.page.get_by_role("alert")
        await expect(said).to_contain_text("You were signed out; nothing was changed.")
        await visit.page.get_by_label("E-mail").fill("jane@example.org")
        await visit.page.get_by_label("Password").fill(PASSWORD)
        await visit.page.get_by_role("button", name="Sign in").click()
        await expect(visit.page.locator("#search")).to_have_value("status:failed")
        assert visit.page.url == stage.url + there
        await visit.page.get_by_role("button", name="Sign out").click()
        await expect(visit.page.get_by_text("You are signed out.")).to_be_visible()
        await visit.go("/console")
        await expect(visit.page.get_by_label("E-mail")).to_be_visible()


async def test_a_hostile_name_is_only_a_name(browser: Browser, stage: Stage) -> None:
    await hostile_user(stage, 0)
    async with visiting(browser, stage, "hostile0") as visit:
        page = visit.page
        for name in WORST:
            await rename(stage, "hostile0@example.org", name)
            await visit.go("/console")
            await expect(page.locator(".me .name")).to_have_text(str(marked(name)))
            await expect(page.locator("#live-state")).to_have_text("live")
            await visit.check_width(WIDE["width"])
            await page.set_viewport_size(NARROW)
            await page.get_by_label("Menu").click()
            await visit.check_width(NARROW["width"])
            await page.set_viewport_size(WIDE)
            await visit.check_no_faults()
    await rename(stage, "hostile0@example.org", HOSTILE[0])


async def test_a_gateway_that_comes_back_is_followed_again(
    browser: Browser, start_gateway: StartGateway
) -> None:
    async with start_gateway() as gateway:
        visit = Visit(await browser.new_page(reduced_motion="reduce"), gateway.url)
        page = visit.page
        await register_jane(page, gateway.url)
        await visit.sign_in("jane")
        await expect(page.locator("#live-state")).to_have_text("live")
        await page.evaluate("window.same = 1")
        await gateway.stop()
        await expect(page.locator("#stale")).to_be_visible()
        await gateway.start()
        await expect(page.locator("#stale")).to_be_hidden()
        await expect(page.locator("#live-state")).to_have_text("live")
        assert await page.evaluate("window.same") == 1
        await page.close()


BEATS = f"""{ALONE}
window.beats = 0;
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (said, ...more) {{
  if (said.kind === "beat") {{ window.beats += 1; window.heard = new Date(); }}
  return post.call(this, said, ...more);
}};
"""


async def test_a_gateway_that_falls_silent_is_not_live(
    browser: Browser, start_gateway: StartGateway
) -> None:
    """No connection ends and nothing arrives, as with a lost network or a hung machine."""
    async with start_gateway() as gateway:
        visit = Visit(await browser.new_page(reduced_motion="reduce"), gateway.url)
        page = visit.page
        await page.add_init_script(BEATS)
        await register_jane(page, gateway.url)
        await visit.sign_in("jane", "/console/credits")  # a page on which nothing changes by itself
        await page.wait_for_function("() => window.beats >= 2")
        await expect(page.locator("#live-state")).to_have_text("live")
        await page.evaluate("window.same = 1")
        process = gateway.process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            await expect(page.locator("#stale")).to_be_visible()
            await expect(page.locator("#live-state")).to_have_text("not live")
            last = await page.evaluate("window.heard.toLocaleTimeString()")
            await expect(page.locator("#stale time")).to_have_text(last)
        finally:
            process.send_signal(signal.SIGCONT)
        await expect(page.locator("#stale")).to_be_hidden()
        await expect(page.locator("#live-state")).to_have_text("live")
        assert await page.evaluate("window.same") == 1
        await page.close()
