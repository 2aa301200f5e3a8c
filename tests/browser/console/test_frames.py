"""Jobs of many frames in the console: submitted, followed live, changed and downloaded."""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect

from rendertrust.protocol import JobDispatch, JobStatus, Preview
from rendertrust.testing import Fails, FakeNode, FakeTask, completes, works
from tests.browser.console.stage import Stage, picture
from tests.browser.console.visits import visiting
from tests.support.attempts import attempt_of
from tests.support.until import until


@asynccontextmanager
async def farm(stage: Stage, job_type: str) -> AsyncGenerator[asyncio.Semaphore]:
    """Run a node that does one frame per release of the semaphore; frame 3 fails at first."""
    leave, failed = asyncio.Semaphore(0), set[int]()

    def paint(task: FakeTask) -> bytes | Fails:
        frame = int(task.params["frame"])
        if frame == 3 and frame not in failed:
            failed.add(frame)
            return Fails("the third frame has no camera")
        return picture(shade=frame)

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await leave.acquire()
        await works(paint)(node, dispatch)

    token = stage.people["otto"].token
    async with FakeNode(
        stage.url, name="farm", capabilities=(job_type,), user_token=token, behave=behave
    ):
        yield leave


async def submitted(stage: Stage, job_type: str, **more: Any) -> str:
    body = {"job_type": job_type, "payload_ref": "s3://elsewhere/scene.blend", "queue": True}
    status, answer = await stage.people["jane"].call("POST", "/jobs/dispatch", {**body, **more})
    assert status in (200, 202), answer
    return str(answer["job_id"])


async def test_frames_come_fail_and_are_tried_again(browser: Browser, stage: Stage) -> None:
    async with farm(stage, "film") as leave:
        job = await submitted(stage, "film", frames="1-4")
        async with visiting(browser, stage, "jane", f"/console/jobs/{job}") as visit:
            page = visit.page
            await page.get_by_text("Frames one by one").click()
            frames = page.locator("#frames li")
            await expect(frames).to_have_count(4)
            await page.evaluate("window.same = 1")
            await expect(page.locator("#done")).to_have_text("0 of 4")
            leave.release()
            await expect(page.locator("#frames li.completed")).to_have_count(1)
            await expect(page.locator("#paid")).to_contain_text("held")
            for _ in range(2):
                leave.release()
            await expect(frames.nth(2)).to_contain_text("the third frame has no camera")
            await expect(page.locator("#state")).to_contain_text("1 failed")
            await expect(page.locator("#attempts tbody")).to_contain_text("frame 3")
            await expect(page.locator("#attempts tbody tr")).to_have_count(1)
            # The row of buttons is longest while the last frame is pending.
            await expect(page.locator("#state").get_by_role("button")).to_have_count(3)
            await visit.check_page("job-frames-failed")
            leave.release()
            await expect(page.locator("#frames li.completed")).to_have_count(3)
            await expect(page.locator("#state .badge")).to_have_text("Failed")
            leave.release()
            page.once("dialog", lambda dialog: dialog.accept())
            await page.get_by_role("button", name="Retry frame 3").click()
            await expect(page.get_by_role("status").first).to_contain_text("retried")
            await expect(page.locator("#frames li.completed")).to_have_count(4)
            await expect(frames.nth(2)).to_contain_text("attempt 2")
            await expect(page.locator("#state")).to_contain_text("Completed")
            await visit.check_no_faults()


async def test_a_job_is_paused_capped_and_stopped(browser: Browser, stage: Stage) -> None:
    async with farm(stage, "slow-film"):
        job = await submitted(stage, "slow-film", frames="1-20", max_credits="1")
        async with visiting(browser, stage, "jane", f"/console/jobs/{job}") as visit:
            page = visit.page
            await expect(page.locator("#why-paused")).to_contain_text("the cap")
            there = page.get_by_role("link", name="raise the cap")
            await expect(there).to_have_attribute("href", "#steer-title")
            await page.get_by_label("Cap", exact=True).fill("50")
            await page.get_by_label("Priority", exact=True).select_option("high")
            await page.get_by_role("button", name="Change").click()
            await expect(page.get_by_role("status").first).to_contain_text("Saved.")
            await page.get_by_role("button", name="Pause").last.click()
            await expect(page.locator("#why-paused")).to_contain_text("by its owner")
            await visit.check_page("job-paused")
            await visit.go("/console/jobs")
            tabs = page.get_by_role("navigation", name="Jobs by status")
            await tabs.get_by_text("Paused").click()
            await expect(page.locator("tbody tr").filter(has_text="slow-film")).to_have_count(1)
            await visit.go(f"/console/jobs/{job}")
            await page.get_by_role("button", name="Resume").click()
            await expect(page.locator("#why-paused")).to_have_count(0)
            page.once("dialog", lambda dialog: dialog.accept())
            await page.get_by_role("button", name="Stop").click()
            await expect(page.locator("#state")).to_contain_text("Cancelled")
            await expect(page.locator("#paid")).not_to_contain_text("held")
            await visit.check_no_faults()


async def test_an_animation_is_submitted_with_its_price_and_its_frames_appear(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    scene = tmp_path / "film.blend"
    scene.write_bytes(b"BLENDER-v405" + bytes(range(256)) * 40)
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        await expect(page.locator("#animation-fields")).to_be_hidden()
        await page.locator("#file").set_input_files(scene)
        await page.get_by_label("Frames", exact=True).fill("1-6")
        await expect(page.locator("#cost")).to_have_text(re.compile("^6 frames · 60 credits"))
        await page.get_by_label("Frames", exact=True).fill("")
        await expect(page.locator("#cost")).to_have_text("10 credits a frame")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.get_by_role("alert")).to_contain_text("Type the frames")
        await page.get_by_label("Frames", exact=True).fill("1-6")
        await page.locator("#more > summary").click()
        await page.get_by_label("Frames per unit").fill("2")
        await expect(page.locator("[data-of=units]")).to_have_text("3")
        await page.get_by_label("Frames per unit").fill("")
        await page.get_by_label("Order", exact=True).select_option("middle_first")
        await page.get_by_label("Cap", exact=True).fill("100")
        held = page.locator("[data-of=held]")
        await expect(held).to_have_text("60")
        await page.get_by_label("Cap", exact=True).fill("25")
        await expect(page.locator("#cap-said")).to_contain_text("before it costs more than 25")
        await page.get_by_label("Cap", exact=True).fill("100")
        await page.get_by_label("Pool").select_option("mine")
        await expect(page.locator("#cost")).to_have_text("6 frames · free")
        await page.get_by_label("Pool").select_option("any")
        await expect(held).to_have_text("60")
        await visit.check_page("new-animation")
        await page.get_by_label("Tiles").fill("20x20")
        await page.get_by_label("Width").fill("4")
        await page.get_by_label("Height").fill("4")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.locator("#faults li").first).to_contain_text("Tiles: ")
        assert all("422" in error for error in visit.errors)  # the browser logs the refusal itself
        visit.errors.clear()
        await page.get_by_label("Tiles").fill("")
        await page.get_by_label("Width").fill("")
        await page.get_by_label("Height").fill("")
        await expect(page.locator("#faults")).to_be_hidden()
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
        await page.get_by_text("Frames one by one").click()
        await expect(page.locator("#frames li.completed img")).to_have_count(6)
        for number in range(6):
            image = page.locator("#frames li img").nth(number)
            await image.scroll_into_view_if_needed()
            await expect(image).to_have_js_property("naturalWidth", 96)
        await expect(page.locator("#paid")).to_contain_text("60 cr charged")
        await visit.check_no_faults()


PAINT = """
shade => {
  const canvas = document.createElement("canvas");
  const paper = canvas.getContext("2d");
  paper.fillStyle = `hsl(${shade} 50% 60%)`;
  paper.fillRect(20, 20, 200, 100);
  return canvas.toDataURL("image/jpeg").split(",")[1];
}
"""


async def test_a_single_frame_is_cut_into_tiles(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        await page.get_by_label("Frames", exact=True).fill("2")
        await page.get_by_label("Width").fill("64")
        await page.get_by_label("Height").fill("32")
        await page.locator("#more > summary").click()
        await expect(page.locator("#animation-fields")).to_be_hidden()
        await expect(page.locator("#cost")).to_have_text(re.compile("^1 picture · 10 credits"))
        await page.get_by_label("Tiles").fill("2x1")
        await expect(page.locator("#cost")).to_have_text(re.compile("^1 frame · 10 credits"))
        await expect(page.locator("[data-of=units]")).to_have_text("3")
        await visit.check_no_faults()


async def test_half_a_form_is_answered_and_is_no_error(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        await visit.page.get_by_label("Width").fill("640")
        await expect(visit.page.locator("#cost")).to_contain_text("width and height")
        await visit.page.get_by_label("Height").fill("360")
        await expect(visit.page.locator("#cost")).not_to_contain_text("width and height")
        await expect(visit.page.locator("#quote")).to_be_visible()
        await visit.page.locator("#more > summary").click()
        await visit.page.get_by_label("Cap").fill("0.5")
        await expect(visit.page.locator("#cost")).to_have_text("Cap: one unit costs 10.")
        await expect(visit.page.locator("#max_credits")).to_have_attribute("aria-invalid", "true")
        await expect(visit.page.locator("#quote")).to_be_visible()
        await visit.check_no_faults()


SCENE = "s3://elsewhere/scene.blend"


async def test_what_is_refused_is_marked_at_its_field_and_is_no_error(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "jane", f"/console/jobs/new?payload_ref={SCENE}") as visit:
        page = visit.page
        await page.locator("#frames").fill("7-3")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.locator("#faults")).to_contain_text("Frames: ")
        await expect(page.locator("#frames")).to_have_attribute("aria-invalid", "true")
        await page.locator("#frames").fill("3-7")
        await expect(page.locator("#frames")).not_to_have_attribute("aria-invalid", "true")
        await visit.check_no_faults()


async def test_frames_are_seen_small_before_they_are_delivered(
    browser: Browser, stage: Stage
) -> None:
    """Frames of chunks and of formats that browsers cannot show are seen, too."""
    leave = [asyncio.Semaphore(0) for _ in range(5)]  # of the deliveries, and of each frame
    async with visiting(browser, stage, "jane") as visit:
        page = visit.page
        shades = [await page.evaluate(PAINT, 40 * n) for n in range(5)]

        async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
            about = attempt_of(dispatch)
            await node.send(JobStatus(**about, progress=0.1))
            params = dispatch.params
            for frame in params.get("frames", [params.get("frame", 1)]):
                await leave[frame].acquire()
                await node.send(Preview(**about, frame=frame, data=shades[frame]))
            await leave[0].acquire()
            await works(lambda _: b"no picture that a browser draws")(node, dispatch)

        token = stage.people["otto"].token
        async with FakeNode(
            stage.url, name="easel", capabilities=("easel",), user_token=token, behave=behave
        ):
            job = await submitted(stage, "easel", frames="1-4", chunk=2)
            await visit.go(f"/console/jobs/{job}")
            await page.get_by_text("Frames one by one").click()
            images = page.locator("#frames li img")
            await expect(page.locator("#frames li")).to_have_count(2)
            await expect(images).to_have_count(0)
            for number in (1, 2):
                leave[number].release()
                small = re.compile(f"^/console/previews/{job}\\?frame={number}&")
                await expect(images).to_have_attribute("src", small)
                await expect(images).to_have_js_property("naturalWidth", 300)
            await expect(page.locator("#frames li.completed")).to_have_count(0)
            for place in (3, 4, 0, 0):
                leave[place].release()
            await expect(page.locator("#frames li.completed a.shot img")).to_have_count(2)
            await visit.check_no_faults()
            single = await submitted(stage, "easel")
            await visit.go(f"/console/jobs/{single}")
            leave[1].release()
            await expect(page.locator("img.result")).to_have_js_property("naturalWidth", 300)
            await expect(page.locator("#picture")).to_contain_text("The full picture appears")
            leave[0].release()
            await expect(page.locator("#state")).to_contain_text("Completed")
            await expect(page.locator("img.result")).to_have_js_property("naturalWidth", 300)
            await visit.check_no_faults()
    there = f"/console/previews/{job}?frame=1"
    async with visiting(browser, stage, "otto", there) as visit:
        await expect(visit.page.get_by_text("There is no such file")).to_be_visible()
    async with visiting(browser, stage, "ann", f"/console/jobs/{job}") as visit:
        await visit.page.get_by_text("Frames one by one").click()
        image = visit.page.locator("#frames li.completed img").first
        await expect(image).to_have_js_property("naturalWidth", 300)


# Records 64 x 48 pixels in the browser until the video can be played for a while, in base64.
FILM = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  const pen = canvas.getContext("2d");
  const mimeType = "video/webm;codecs=vp8";
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType });
  const parts = [];
  const plays = (film) => new Promise((tell) => {
    const video = document.createElement("video");
    video.onloadeddata = () => tell(video.videoWidth === 64);
    video.onerror = () => tell(false);
    video.src = URL.createObjectURL(film);
  });
  const paint = setInterval(() => pen.fillRect(Math.random() * 64, 0, 9, 48), 20);
  recorder.start();
  let film;
  do {
    parts.push(await new Promise((done) => {
      recorder.ondataavailable = (event) => done(event.data);
      recorder.requestData();
    }));
    film = new Blob(parts, { type: mimeType });
  } while (!await plays(film) || parts.length < 30);
  clearInterval(paint);
  recorder.ondataavailable = null;
  recorder.stop();
  return btoa(String.fromCharCode(...new Uint8Array(await film.arrayBuffer())));
}"""


async def film_of(page: Page) -> bytes:
    """Return a video that the page's browser plays.

    It is recorded on a blank page, as the console's policy allows only the console's own media.
    """
    studio = await page.context.new_page()
    film = base64.b64decode(await studio.evaluate(FILM))
    await studio.close()
    return film


async def test_an_animation_becomes_a_film_that_plays_on_top_of_its_page(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    """The form asks for the video, and the gateway orders it once the frames are complete."""
    scene, films = tmp_path / "moving.blend", list[bytes]()
    scene.write_bytes(b"BLENDER-v405 moves" + bytes(9000))

    async def deliver(node: FakeNode, dispatch: JobDispatch) -> None:
        await completes(films[0])(node, dispatch)

    token, can = stage.people["otto"].token, ("video",)
    async with (
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
        FakeNode(stage.url, name="cutter", capabilities=can, user_token=token, behave=deliver),
    ):
        page = visit.page
        films.append(await film_of(page))
        await page.locator("#file").set_input_files(scene)
        await page.get_by_label("Frames", exact=True).fill("1-3")
        await page.locator("#more > summary").click()
        await page.get_by_label("Video of the frames").select_option("WEBM")
        await expect(page.locator("#cost")).to_have_text(re.compile("^3 frames and a video"))
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(re.compile(r"/console/jobs/[0-9a-f-]{36}$"))
        film = page.locator("#video video")
        await expect(film).to_have_js_property("videoWidth", 64)
        over, under = await film.bounding_box(), await page.locator("#stage").bounding_box()
        assert over is not None
        assert under is not None
        assert over["y"] + over["height"] <= under["y"]
        await visit.check_page("job-film")
        await film.evaluate("film => { film.muted = true; return film.play(); }")

        async def is_playing() -> bool:
            return bool(await film.evaluate("film => film.readyState >= 2 && film.currentTime > 0"))

        await until(is_playing)
        await visit.check_no_faults()


async def test_a_video_is_played_on_the_page_of_its_job(browser: Browser, stage: Stage) -> None:
    """For a video that this browser cannot play, the page says so beside the link."""
    films = [b"no video at all"]

    async def deliver(node: FakeNode, dispatch: JobDispatch) -> None:
        await completes(films[-1])(node, dispatch)

    async with (
        visiting(browser, stage, "jane") as visit,
        FakeNode(
            stage.url,
            name="cutter",
            capabilities=("video",),
            user_token=stage.people["otto"].token,
            behave=deliver,
        ),
    ):
        page = visit.page
        films.append(await film_of(page))
        job = await stage.job(job_type="video")
        assert await stage.ended(job) == "COMPLETED"
        await visit.go(f"/console/jobs/{job}")
        film = page.locator("video.result")
        await expect(film).to_have_attribute("controls", "")
        await expect(film).to_have_attribute("preload", "metadata")
        await expect(film).to_have_js_property("videoWidth", 64)
        there = f"/console/pictures/{job}"
        await expect(page.locator("#picture a", has_text="Open")).to_have_attribute("href", there)
        await visit.check_page("job-video")
        films.append(films[0])
        job = await stage.job(job_type="video")
        assert await stage.ended(job) == "COMPLETED"
        await visit.go(f"/console/jobs/{job}")
        await expect(page.locator("#picture")).to_contain_text("A browser cannot display")
        await expect(page.locator("#picture a", has_text="Open")).to_be_visible()
