"""A new job in the browser: files that are dropped anywhere, folders and zips with linked files,
uploads that go on after an interruption, and credits that are bought on the way.
"""

import base64
import io
import json
import re
import struct
import zipfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from playwright.async_api import Browser, Dialog, FilePayload, Page, Request, Route, expect

from rendertrust.testing import FakeNode, FakeTask, works
from tests.browser.console.stage import Stage, person, picture
from tests.browser.console.test_preflight import FILE, UNPROBED
from tests.browser.console.visits import LOOKS, NARROW, WIDE, visiting
from tests.support.lent_engines import StartGateway
from web.console.assets import assets

JOB_PAGE = re.compile(r"/console/jobs/[0-9a-f-]{36}$")
PATHS = "rendertrust-paths.json"
PART_BYTES = 64 << 20
# Drops files, given as [name, content in base64], on the page's main part.
DROP = """
(files) => {
  const transfer = new DataTransfer();
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
  document.getElementById("main").dispatchEvent(new DragEvent("dragover", options));
  document.getElementById("main").dispatchEvent(new DragEvent("drop", options));
}
"""
# Returns the paths of a zip's files, or why the zip is refused.
GATHERED = """
async ([url, content]) => {
  const { gathered } = await import(url);
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dropped = [{ path: "project.zip", file: new File([bytes], "project.zip") }];
  const found = await gathered(dropped).catch((error) => error.message);
  return typeof found === "string" ? found : [found.files.map(({ path }) => path), found.scenes];
}
"""
MATCHED = """
async ([url, findings, paths]) => {
  const { matched } = await import(url);
  const files = paths.map((path) => ({ path }));
  return matched(findings.map((finding) => ({ code: "missing_file", ...finding })), files);
}
"""


def blend(first: int, last: int, mark: bytes = b"", *, new: bool = True, side: int = 4) -> bytes:
    """Return the beginning of a .blend file, with the frames and a small picture of its scene."""
    frames = struct.pack("<ii", first, last) + b"Scene".ljust(64, b"\0")
    small = struct.pack("<ii", side, side) + b"\x30\x80\xc0\xff" * side * side
    blocks = ((b"REND", frames), (b"TEST", small), (b"GLOB", mark.ljust(64, b" ")))
    if new:
        body = (code + struct.pack("<IQqq", 0, 0, len(data), 1) + data for code, data in blocks)
        return b"BLENDER17-01v0500" + b"".join(body)
    body = (code + struct.pack("<IQII", len(data), 0, 0, 1) + data for code, data in blocks)
    return b"BLENDER-v405" + b"".join(body)


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def file_of(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def missing(path: str) -> dict[str, Any]:
    """Return a node's report on a scene that lacks an image."""
    return {**UNPROBED, "files": [{**FILE, "path": path, "file": Path(path).name}]}


@asynccontextmanager
async def scout(
    stage: Stage, report: Callable[[Mapping[str, bytes]], dict[str, Any]]
) -> AsyncGenerator[None]:
    """Run a node that answers preflights with what ``report`` returns for a scene's inputs."""
    token, can = stage.people["otto"].token, ("preflight",)

    def answer(task: FakeTask) -> bytes:
        return orjson.dumps(report(task.inputs))

    behave = works(answer, progress=())
    async with FakeNode(stage.url, name="scout", capabilities=can, user_token=token, behave=behave):
        yield


async def test_a_folder_brings_the_textures_that_its_scene_links(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    """A texture that lies elsewhere than the scene says is matched by the end of its path.

    The configuration of colours is sent, too, although no scene names it.
    """
    wood, seen = b"a wooden texture", list[Mapping[str, bytes]]()
    files = {
        "shots/main.blend": blend(1, 10, b"a folder"),
        "shots/config.ocio": b"ocio_profile_version: 2",
        "shots/main.blend1": b"BLENDER a backup",
        "textures/wood.png": wood,
        "textures/.DS_Store": b"junk",
    }
    for path, content in files.items():
        place = tmp_path / "project" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def report(inputs: Mapping[str, bytes]) -> dict[str, Any]:
        seen.append(inputs)
        return UNPROBED if PATHS in inputs else missing("//../maps/wood.png")

    async with (
        scout(stage, report),
        visiting(browser, stage, "jane", "/console/jobs/new") as visit,
    ):
        page = visit.page
        await page.locator("#folder").set_input_files(tmp_path / "project")
        await expect(page.locator("#look-said")).to_contain_text("No problems found")
        await expect(page.locator("#sent-said")).to_have_text("3 files are uploaded.")
        first, *_, last = [inputs for inputs in seen if "textures/wood.png" in inputs]
        sent = ("shots/main.blend", "shots/config.ocio", "textures/wood.png")
        assert first == {path: files[path] for path in sent}
        assert json.loads(last[PATHS]) == {"//../maps/wood.png": "textures/wood.png"}
        assert last["textures/wood.png"] == wood
        await visit.check_page("new-job-folder", LOOKS)
        await page.reload()
        await expect(page.locator("#scene-title")).to_have_text("main.blend")
        await expect(page.locator("#look-said")).to_contain_text("No problems found")
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(JOB_PAGE)
        await expect(page.locator("#frames li.completed")).to_have_count(10)
        await visit.check_no_faults()


async def test_a_scene_is_dropped_on_any_page_and_what_it_lacks_afterwards(
    browser: Browser, stage: Stage
) -> None:
    scene = blend(7, 7, b"dropped", new=False)

    def report(inputs: Mapping[str, bytes]) -> dict[str, Any]:
        found = UNPROBED if PATHS in inputs else missing("C:\\art\\wood.png")
        return {**found, "frame_start": 7, "frame_end": 7, "frame_current": 7}

    async with (
        scout(stage, report),
        visiting(browser, stage, "jane", "/console/jobs") as visit,
    ):
        page = visit.page
        await page.wait_for_load_state()  # the scripts run
        await page.evaluate(DROP, [["dropped.blend", coded(scene)]])
        await page.wait_for_url("**/console/jobs/new**")
        await expect(page.locator("#scene-title")).to_have_text("dropped.blend")
        await expect(page.locator("#own-picture")).to_have_js_property("width", 4)
        await expect(page.locator("#plan")).to_have_text(re.compile("^One picture: frame 7, "))
        await expect(page.locator("#findings li")).to_contain_text("C:\\art\\wood.png")
        await page.evaluate(DROP, [["WOOD.PNG", coded(b"wood")]])
        await expect(page.locator("#look-said")).to_contain_text("No problems found")
        await expect(page.locator("#sent-said")).to_have_text("2 files are uploaded.")
        await expect(page.locator("#findings li")).to_have_count(0)
        await page.evaluate(DROP, [["notes.txt", coded(b"not a scene")]])
        await expect(page.locator("#problem")).to_contain_text("none of them is a .blend file")
        await visit.check_no_faults()
        await visit.go("/console/jobs/new")
        await expect(page.locator("#scene-title")).to_have_text("No scene yet")


async def test_a_folder_that_is_dropped_is_read_with_its_folders(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    for path in ("deep/shots/main.blend", "deep/textures/wood/oak.png"):
        place = tmp_path / path
        place.parent.mkdir(parents=True)
        place.write_bytes(blend(1, 2, path.encode()))
    async with visiting(browser, stage, "jane", "/console/webhooks") as visit:
        page = visit.page
        await page.wait_for_load_state()  # the scripts run
        session = await page.context.new_cdp_session(page)
        data = {"items": [], "files": [str(tmp_path / "deep")], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": 640, "y": 400, "data": data}
            await session.send("Input.dispatchDragEvent", event)
        await page.wait_for_url("**/console/jobs/new**")
        await expect(page.locator("#scene-title")).to_have_text("main.blend")
        await expect(page.locator("#sent-said")).to_have_text("2 files are uploaded.")
        await visit.check_no_faults()


def zipped(files: Mapping[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as packed:
        for path, data in files.items():
            packed.writestr(path, data)
    return content.getvalue()


def bomb_that_lies() -> bytes:
    """Return a zip whose file unpacks to more than the zip says."""
    honest = zipped({"a.blend": b"x" * 5000})
    return honest.replace(struct.pack("<I", 5000), struct.pack("<I", 50))


def bomb_that_overlaps() -> bytes:
    """Return a zip whose two files have the same content at the same place."""
    content = bytearray(zipped({"a.blend": b"x" * 500, "b.blend": b"x" * 500}))
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = struct.pack("<I", 0)
    return bytes(content)


def with_password() -> bytes:
    content = bytearray(zipped({"a.blend": b"x"}))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


ZIPS: dict[str, tuple[bytes, str | list[list[str]]]] = {
    "whole": (
        zipped({"p/a/main.blend": b"x", "p/t/wood.png": b"y", "__MACOSX/p/._a": b"z", "p/e/": b""}),
        [["a/main.blend", "t/wood.png"], ["a/main.blend"]],
    ),
    "stored": (zipped({"a.blend": b"x"}, zipfile.ZIP_STORED), [["a.blend"], ["a.blend"]]),
    "ratio": (zipped({"a.blend": bytes(70 << 20)}), "more than 200 times its size"),
    "lie": (bomb_that_lies(), "unpacks to more than the zip says"),
    "overlap": (bomb_that_overlaps(), "its files overlap"),
    "many": (zipped({f"{n}.png": b"" for n in range(5001)}), "has 5001 files"),
    "password": (with_password(), "has a password"),
    "packing": (zipped({"a.blend": b"x" * 99}, zipfile.ZIP_BZIP2), "Zip it with Deflate"),
    "no zip": (b"BLENDER" * 99, "is no zip"),
    "half": (zipped({"a.blend": b"x" * 999})[:60], "is no zip"),
}


@pytest.mark.parametrize("name", ZIPS)
async def test_a_zip_is_read_within_limits(browser: Browser, stage: Stage, name: str) -> None:
    content, expected = ZIPS[name]
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        found = await visit.page.evaluate(GATHERED, [assets().url("folder.js"), coded(content)])
        if isinstance(expected, str):
            assert expected in found
        else:
            assert found == expected


MATCHES: list[tuple[dict[str, str], list[str], str]] = [
    ({"written": "//tex/wood.png"}, ["a/tex/wood.png", "b/wood.png"], "a/tex/wood.png"),
    ({"written": "C:\\art\\TEX\\Wood.PNG"}, ["tex/wood.png"], "tex/wood.png"),
    ({"written": "/home/ann/../tex/wood.png"}, ["x/stone.png"], ""),
    ({"written": "//wood.png"}, ["a/wood.png", "b/wood.png"], ""),  # either could be meant
    ({"written": "//m/skin.<UDIM>.png"}, ["m/skin.1001.png"], "m/skin.<UDIM>.png"),
    ({"written": "//fire/f_01.png", "path": "f_07.png"}, ["c/fire/f_07.png"], "c/fire/f_01.png"),
]


async def test_missing_files_are_matched_by_the_ends_of_their_paths(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        for finding, paths, place in MATCHES:
            given = [assets().url("folder.js"), [finding], paths]
            found = await visit.page.evaluate(MATCHED, given)
            assert found == ({finding["written"]: place} if place else {}), finding


async def test_an_upload_in_parts_goes_on_after_the_page_was_reloaded(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    scene, sent = tmp_path / "large.blend", list[str]()
    scene.write_bytes(blend(1, 1, b"large") + bytes(PART_BYTES))

    def note(request: Request) -> None:
        if request.method == "PUT":
            sent.append(re.findall(r"partNumber=(\d+)", request.url)[0])

    async def lose(route: Route) -> None:
        await route.abort()

    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        page.on("request", note)
        await page.route(re.compile("partNumber=2"), lose)
        async with page.expect_event("requestfailed"):
            await page.locator("#file").set_input_files(scene)
        await page.unroute(re.compile("partNumber=2"))
        assert sent == ["1", "2"]
        await page.reload()
        await expect(page.locator("#scene-title")).to_have_text("large.blend")
        await expect(page.locator("#sent-said")).to_contain_text("Choose the same files again")
        await page.locator("#file").set_input_files(scene)
        await expect(page.locator("#sent-said")).to_have_text("The scene is uploaded.")
        assert sent == ["1", "2", "2"]
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(JOB_PAGE)


async def test_an_interrupted_upload_goes_on_when_the_browser_goes_back(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    """The browser still has the file, so nobody must choose it again."""
    scene = tmp_path / "left.blend"
    scene.write_bytes(blend(1, 1, b"left") + bytes(PART_BYTES))

    async def leave(dialog: Dialog) -> None:
        await dialog.accept()

    async def lose(route: Route) -> None:
        await route.abort()

    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        page.on("dialog", leave)
        await page.route(re.compile("partNumber=2"), lose)
        async with page.expect_event("requestfailed"):
            await page.locator("#file").set_input_files(scene)
        await page.unroute(re.compile("partNumber=2"))
        await page.get_by_role("link", name="Jobs", exact=True).first.click()
        await page.wait_for_url("**/console/jobs")
        await page.go_back()
        await expect(page.locator("#sent-said")).to_have_text("The scene is uploaded.")
        await expect(page.locator("#scene-title")).to_have_text("left.blend")
        await page.get_by_role("button", name="Submit").click()
        await page.wait_for_url(JOB_PAGE)


# What the form gets from a dropped folder without files.
EMPTY_FOLDER = """
() => {
  const form = document.getElementById("new-job");
  form.files = [];
  form.dispatchEvent(new Event("files"));
}
"""


class Clicks:
    """An artist who clicks on what is visible, a limited number of times."""

    def __init__(self, page: Page, most: int) -> None:
        self.page, self.left = page, most

    async def click(self, role: Any, name: str) -> None:
        self.left -= 1
        assert self.left >= 0, f"too many clicks, at {name}"
        await self.page.get_by_role(role, name=name).first.click()


async def test_six_clicks_from_the_file_to_a_verified_picture(
    browser: Browser, stage: Stage
) -> None:
    async with (
        scout(stage, lambda _: {**UNPROBED, "frame_start": 1, "frame_end": 1, "frame_current": 1}),
        visiting(browser, stage, "jane", "/") as visit,
    ):
        page = visit.page
        await visit.go("/")
        await page.get_by_role("link", name="Render a scene").click()
        await page.locator("#file").set_input_files(file_of("six.blend", blend(1, 1, b"six")))
        artist = Clicks(page, 6)
        await expect(page.locator("#look-said")).to_contain_text("No problems found")
        await expect(page.locator("#cost")).to_contain_text("1 picture · 10 credits")
        await page.get_by_label("Name").fill("Six clicks")
        await artist.click("button", "Submit")
        await page.wait_for_url(JOB_PAGE)
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Six clicks")
        await expect(page.locator("#state")).to_contain_text("Completed")
        await artist.click("link", "How verified")
        await page.wait_for_url("**/page")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.go_back()
        async with page.expect_download() as found:
            await artist.click("link", "Download")
        download = await found.value
        assert download.suggested_filename == "Six clicks-0001.png"
        assert Path(await download.path()).read_bytes().startswith(b"\x89PNG")
        await artist.click("link", "Open")
        await visit.check_no_faults()


async def test_a_file_that_blender_did_not_save_is_refused_before_it_is_uploaded(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        await page.locator("#file").set_input_files(file_of("notes.blend", b"a text"))
        said = "notes.blend was not saved by Blender. Choose a .blend file."
        await expect(page.locator("#problem")).to_have_text(said)
        await expect(page.locator("#scene-title")).to_have_text("No scene yet")
        for start in (b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"BLENDER17-01v0502"):
            scene = file_of("saved.blend", start + b" is how a scene begins")
            await page.locator("#file").set_input_files(scene)
            await expect(page.locator("#problem")).to_be_hidden()
            await expect(page.locator("#sent-said")).to_have_text("The scene is uploaded.")


async def test_files_that_cannot_become_a_job_are_refused_at_once(
    browser: Browser, stage: Stage
) -> None:
    """Nothing is uploaded, and the card still says that there is no scene."""
    scene = blend(1, 3, b"refused")
    cases = (
        ([("a.zip", zipped({}))], "There are no files in it"),
        ([("a.blend", b"")], "was not saved by Blender"),
        ([("a.blend", scene), ("a.blend", scene + b"2")], "Two of these files are a.blend."),
        ([("n" * 250 + ".blend", scene)], "has a name of more than 255 bytes."),
    )
    async with visiting(browser, stage, "jane", "/console/jobs/new") as visit:
        page = visit.page
        await page.wait_for_load_state()  # the scripts run
        for files, said in cases:
            await page.evaluate(DROP, [[name, coded(content)] for name, content in files])
            await expect(page.locator("#problem")).to_contain_text(said)
            await expect(page.locator("#scene-title")).to_have_text("No scene yet")
        await page.evaluate(EMPTY_FOLDER)
        await expect(page.locator("#problem")).to_contain_text("There are no files in it")
        await page.evaluate(DROP, [["a.blend", coded(scene)]])
        await page.get_by_label("Two test frames first").check()
        said = "Two test frames: 1 and 2. The other frame afterwards, on a click."
        await expect(page.locator("#plan")).to_have_text(said)
        await page.locator("#frames").fill("1e3")
        await expect(page.locator("#plan")).to_have_text("Only frames 1e3.")
        await visit.check_no_faults()


async def test_too_few_credits_are_bought_on_the_way_to_a_finished_job(
    browser: Browser, start_gateway: StartGateway
) -> None:
    """After the payment, the buyer is back at the draft, which waits for the credits."""
    async with (
        start_gateway(RENDERTRUST_CREDITS_STARTER="15") as gateway,
        aiohttp.ClientSession() as http,
    ):
        people = {"jane": await person(gateway, http, "jane")}
        stage = Stage(gateway, http, people, [])
        paint = works(lambda task: picture(shade=int(task.params["frame"])))
        async with (
            FakeNode(gateway.url, name="studio", slots=4, behave=paint),
            visiting(browser, stage, "jane", "/console/jobs/new") as visit,
        ):
            page = visit.page
            scene = file_of("poor.blend", blend(1, 4, b"poor"))
            await page.locator("#file").set_input_files(scene)
            await expect(page.locator("#sent-said")).to_have_text("The scene is uploaded.")
            await page.get_by_label("Width").fill("96")
            await page.get_by_label("Height").fill("72")
            few = page.locator("#too-few")
            await expect(few).to_contain_text("You need 25 more credits.")
            await expect(page.get_by_role("button", name="Submit")).to_be_hidden()
            await visit.check_page("new-job-poor", LOOKS)
            await page.set_viewport_size(NARROW)
            await expect(page.get_by_role("link", name="Buy credits")).to_be_in_viewport(ratio=1)
            await page.set_viewport_size(WIDE)
            await page.get_by_role("link", name="Buy credits").click()
            await page.wait_for_url("**/console/credits?**")
            need = page.locator("#buy-need")
            await expect(need).to_contain_text("Your job needs 25 more credits. This is enough:")
            await visit.check_page("credits-back")
            await need.get_by_role("button", name="Buy 100 credits for 10.00 USD").click()
            await page.get_by_role("button", name="Pay", exact=True).click()
            await page.wait_for_url("**/console/jobs/new?**bought=1**")
            await expect(page.get_by_label("Width")).to_have_value("96")
            await expect(page.locator("#scene-title")).to_have_text("poor.blend")
            await expect(page.get_by_label("Address of the upload")).to_be_hidden()
            await expect(page.locator("#plan")).to_have_text("The whole animation: frames 1 to 4.")
            await page.get_by_role("button", name="Submit").click()
            await page.wait_for_url(JOB_PAGE)
            await expect(page.locator("#frames li.completed")).to_have_count(4)
            await expect(page.locator("#state")).to_contain_text("Completed")


async def test_a_preset_changes_the_settings_and_keeps_the_scene_and_its_frames(
    browser: Browser, stage: Stage
) -> None:
    """The settings of an earlier preset do not stay, and the draft in the address has the scene."""
    jane, long = stage.people["jane"], f"Dailies{'x' * 50}"
    terms = {"queue": True, "pool": "trusted", "notify": "none"}
    body = {"job_type": "render", "payload_ref": "s3://elsewhere/scene.blend", **terms}
    body |= {"params": {"frame": 1, "width": 640, "height": 360, "samples": 12}}
    status, job = await jane.call("POST", "/jobs/dispatch", body)
    assert status in (200, 202), job
    async with visiting(browser, stage, "jane", f"/console/jobs/{job['job_id']}") as visit:
        page = visit.page
        await page.locator("#request > summary").click()
        await page.get_by_label("Save as preset").fill(long)
        await page.locator("#request").get_by_role("button", name="Save").click()
        await expect(
            page.get_by_text("640 \N{MULTIPLICATION SIGN} 360, 12 samples")
        ).to_be_visible()
        await visit.check_page("presets", LOOKS)
        await visit.go("/console/jobs/new")
        await page.locator("#file").set_input_files(file_of("kept.blend", blend(1, 10)))
        await expect(page.locator("#payload_ref")).to_have_value(re.compile("^s3://"))
        await page.get_by_label("Frames", exact=True).fill("3-5")
        await page.locator("#more > summary").click()
        await page.get_by_label("Cap", exact=True).fill("7")
        await page.get_by_role("link", name=long).click()
        await expect(page.get_by_label("Width")).to_have_value("640")
        await expect(page.get_by_label("Pool")).to_have_value("trusted")
        await expect(page.get_by_label("Mails")).to_have_value("none")
        await expect(page.get_by_label("Cap", exact=True)).to_have_value("")
        await expect(page.get_by_label("Frames", exact=True)).to_have_value("3-5")
        await expect(page.locator("#scene-title")).to_have_text("kept.blend")
        await page.reload()
        await expect(page.get_by_label("Width")).to_have_value("640")
        await expect(page.locator("#scene-title")).to_have_text("kept.blend")
        await visit.check_page("new-job-preset", LOOKS)
