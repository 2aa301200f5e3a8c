"""Screenshots for docs/CONSOLE.md: ``python -m tests.browser.console.pictures FRAMES FOLDER``.

The screenshots show a farm of five nodes with an hour of work behind it. ``FRAMES`` is a folder of
renders, PNG files of any size; without it, simple drawings replace the renders, for trials only.
Look at each picture before you commit it.
"""

import argparse
import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import attrs
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, FilePayload, Page, expect

from rendertrust.protocol import JobDispatch, JobStatus, Log, Preview
from rendertrust.testing import Behaviour, FakeNode, completes, fails
from supervisors.engines.offline_postgres import kept_endpoint
from tests.browser.conftest import WITHIN_MS, chromium
from tests.browser.console.stage import PASSWORD, Stage, keep_connected, person, picture
from tests.browser.console.visits import NARROW
from tests.support.api_clients import Creator
from tests.support.attempts import attempt_of
from tests.support.databases import execute
from tests.support.engines import LoopThread
from tests.support.gateway_process import Gateway, running_gateway
from tests.support.until import until

SETTINGS = {
    "RENDERTRUST_CREDITS_STARTER": "2500",
    "RENDERTRUST_AUDIT_EVERY_SECONDS": "2",
    "RENDERTRUST_CHAIN_URL": "embedded",
    "RENDERTRUST_CHAIN_ANCHOR_SECONDS": "5",
    "RENDERTRUST_PROOF_CHECKPOINT_SECONDS": "0.5",
}
# Images that are folded or out of sight are loaded later.
LOADED = """
() => [...document.images].every((each) => {
  const { left, top } = each.getBoundingClientRect();
  return each.complete || !each.checkVisibility() || left > innerWidth || top > innerHeight;
})
"""
CREATORS = {"jane": "Jane Okafor", "tomas": "Tomás Rey", "lin": "Lin Wei", "sofia": "Sofia Brandt"}
STAFF = {"ann": "Ann Castillo", "otto": "Otto Berg"}
NODES = (("atelier-1", 4), ("atelier-2", 4), ("garage-4090", 2), ("attic", 1), ("lab-07", 2))
JOBS, SHOWN, FAILING, SLOW = 90, 120, 404, 415
FILM = "400-419"  # frame 404 fails, and the frames from 415 on keep running
# Spread the ended jobs over the hour, more jobs towards its end; leave the two newest jobs as they
# are.
HOUR = """
UPDATE jobs SET created_at = o.begun, dispatched_at = o.begun + interval '1 second',
                completed_at = o.begun + make_interval(secs => 12 + 70 * o.other)
FROM (SELECT id, other, now() - make_interval(secs => 90 + 3400 * power(chance, 1.3)) AS begun
      FROM (SELECT id, ('x' || left(md5(id::text), 6))::bit(24)::int / 16777216.0 AS chance,
                   ('x' || right(md5(id::text), 6))::bit(24)::int / 16777216.0 AS other
            FROM jobs WHERE completed_at IS NOT NULL ORDER BY created_at DESC OFFSET 2) drawn) o
WHERE jobs.id = o.id
"""
# Move every other ended job back by some days, and give units and earnings the times of their
# jobs; all but the two newest.
DAYS = """
UPDATE jobs SET created_at = created_at - back, dispatched_at = dispatched_at - back,
                completed_at = completed_at - back
FROM (SELECT id AS old, make_interval(days => (1 + nth % 19)::int) AS back
      FROM (SELECT id, row_number() OVER (ORDER BY md5(id::text)) AS nth FROM jobs
            WHERE completed_at < now() - interval '100 seconds') ended WHERE nth % 2 = 0) o
WHERE id = old;
UPDATE units u SET assigned_at = j.dispatched_at, ended_at = j.completed_at,
                   started_at = j.dispatched_at + interval '0.4 seconds'
FROM (SELECT id, dispatched_at, completed_at FROM jobs WHERE completed_at IS NOT NULL
      ORDER BY created_at DESC OFFSET 2) j
WHERE u.job_id = j.id AND u.ended_at IS NOT NULL;
UPDATE earnings e SET earned_at = u.ended_at, payable_at = e.payable_at - (e.earned_at - u.ended_at)
FROM units u WHERE u.job_id = e.job_id AND u.number = e.unit
"""
# The screenshots show that this job took 9.4 seconds longer than its node, which only draws.
LONGER = """
WITH job AS (
    UPDATE jobs SET created_at = created_at - interval '9.4 seconds',
                    dispatched_at = dispatched_at - interval '9.4 seconds'
    WHERE id = $1 RETURNING id)
UPDATE units SET assigned_at = assigned_at - interval '9.4 seconds',
                 started_at = started_at - interval '9.4 seconds'
FROM job WHERE job_id = job.id
"""
# Checks as a verifying gateway would record them: no verifier runs here, as it would need Blender.
CHECKS = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
                    window_seconds, opened_at, state, verdict, said, verifier_id, decided_at,
                    strike, reason)
SELECT u.job_id, u.number, u.attempt + (CASE WHEN u.state = 'FAILED' THEN 9 ELSE 0 END), n.id,
       'cpu/avx2/5.2', true, 70, 60, u.ended_at, 'DECIDED',
       CASE WHEN u.state = 'FAILED' AND alike > 2 THEN 'unverifiable'
            WHEN u.state = 'FAILED' THEN 'invalid'
            WHEN nth % 7 = 3 THEN 'sampled-out' WHEN nth % 5 = 2 THEN 'consistent' ELSE 'exact' END,
       CASE WHEN u.state = 'FAILED' AND alike > 2 THEN 'no verifier has its build of Blender'
            WHEN u.state = 'FAILED' THEN '2.31 times the noise; of the whole frame 2.31'
            WHEN nth % 7 <> 3 AND nth % 5 = 2 THEN '0.0582 times the noise' ELSE '' END,
       CASE WHEN u.state = 'FAILED' AND alike <= 2 OR u.state <> 'FAILED' AND nth % 7 <> 3 THEN
           (SELECT v.id FROM nodes v WHERE v.id <> n.id ORDER BY v.name LIMIT 1) END,
       u.ended_at + interval '4 seconds', u.state = 'FAILED' AND alike <= 2,
       CASE WHEN u.state = 'FAILED' AND alike > 2 THEN 'no-build' END
FROM (SELECT u.*, row_number() OVER (ORDER BY u.ended_at DESC) AS nth,
             row_number() OVER (PARTITION BY u.state ORDER BY u.ended_at DESC) AS alike FROM units u
      WHERE u.ended_at IS NOT NULL AND u.node_id IS NOT NULL) u
JOIN nodes n ON n.id = u.node_id WHERE nth <= 40
"""
HOOK = "https://hooks.okafor.example/rendertrust"
ABOUT = {
    "metadata": {
        "blender": "5.2.0 LTS",
        "cores": 32,
        "graphics": "NVIDIA GeForce RTX 4090, 24 GiB",
        "memory": "128 GiB",
        "system": "Debian 13",
    }
}


# A scene's facts as a node with Blender would report them.
LOOKED: dict[str, Any] = {
    "opened": True,
    "saved_by": [5, 2, 0],
    "blender": [5, 2, 0],
    "engine": "CYCLES",
    "samples": 128,
    "is_adaptive": True,
    "time_limit": 30.0,
    "width": 1920,
    "height": 1080,
    "format": "PNG",
    "has_camera": True,
    "frame_start": 1,
    "frame_end": 240,
    "frame_current": 120,
    "fps": 24,
    "unbaked": ["Object 'Curtain' > Cloth"],
    "memory": {"bytes": 3 * 2**30, "most": []},
    "probe": {
        "width": 1920,
        "height": 1080,
        "samples": 128,
        "threads": 8,
        "frames": [
            {"frame": 1, "base": 1.2, "pixel": 1.6e-5, "least": 0.9e-5, "most": 2.4e-5},
            {"frame": 121, "base": 1.2, "pixel": 1.8e-5, "least": 1.1e-5, "most": 2.9e-5},
            {"frame": 240, "base": 1.2, "pixel": 1.7e-5, "least": 1.0e-5, "most": 2.6e-5},
        ],
    },
}
# A preview as nodes send it: a JPEG of at most 256 pixels a side.
SHRINK = """
async (png) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const share = Math.min(256 / Math.max(image.width, image.height), 1);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width * share, image.height * share].map(Math.round);
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.85).split(",")[1];
}
"""


@attrs.frozen
class Painted:
    """A frame as PNG, and its preview as JPEG in base64."""

    png: bytes = attrs.field(repr=False)
    small: str = attrs.field(repr=False)


@attrs.frozen
class Shot:
    """A screenshot: its user and page, and the element that must appear before it is taken."""

    name: str
    who: str
    path: str
    ready: str
    high: int = 860
    theme: Any = "light"


def works(frames: Sequence[Painted]) -> Behaviour:
    """Return a node's behaviour that paints frames; some fail, and some keep running."""
    pictures = cycle(frames)

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        frame = int(dispatch.params.get("frame", 1))
        if dispatch.job_type == "preflight":
            await _shows(node, dispatch, next(pictures), LOOKED["frame_current"])
            await completes(orjson.dumps(LOOKED))(node, dispatch)
            return
        if frame == SHOWN:
            await _goes_on(node, dispatch, frame)
        if frame == FAILING:
            await fails("scene", "Frame 404: the scene has no camera at this frame")(node, dispatch)
        elif frame >= SLOW:
            await _goes_on(node, dispatch, frame)
            await asyncio.Event().wait()
        else:
            painted = next(pictures)
            await _shows(node, dispatch, painted, frame)
            await completes(painted.png)(node, dispatch)

    return behave


async def _shows(node: FakeNode, dispatch: JobDispatch, painted: Painted, frame: int) -> None:
    about = attempt_of(dispatch)
    await node.send(JobStatus(**about, progress=0.9))
    await node.send(Preview(**about, frame=frame, data=painted.small))


async def _goes_on(node: FakeNode, dispatch: JobDispatch, frame: int) -> None:
    about = attempt_of(dispatch)
    done = 40 + frame % 50
    detail = f"Sample {done}/128"
    await node.send(JobStatus(status="running", progress=done / 128, detail=detail, **about))
    lines = [
        f"Fra:{frame} Mem:412M | Scene, ViewLayer | Sample {n}/128" for n in range(done - 6, done)
    ]
    await node.send(Log(text="\n".join(lines), **about))


async def creator(gateway: Gateway, http: aiohttp.ClientSession, name: str) -> Creator:
    """Register or log in a creator with a name of their own."""
    who = Creator(http, gateway.url, f"{name}@example.org")
    body = {"email": who.email, "name": CREATORS[name], "password": PASSWORD}

    async def is_in() -> bool:
        status, answer = await who.call("POST", "/auth/register", body)
        if status == 409:
            status, answer = await who.call("POST", "/auth/login", body)
        who.token = answer.get("tokens", answer).get("access_token", "")
        return bool(who.token)

    await until(is_in)
    return who


async def submitted(who: Creator, frame: int) -> str:
    body = {"job_type": "render", "payload_ref": "s3://scenes/glass-at-dusk.blend"}
    params = {"frame": frame, "width": 1920, "height": 1080, "samples": 128}
    status, answer = await who.call(
        "POST", "/jobs/dispatch", {**body, "params": params, "queue": True}
    )
    assert status in (200, 202), answer
    return str(answer["job_id"])


@asynccontextmanager
async def farm(frames: Sequence[Painted]) -> AsyncGenerator[Stage]:
    """Run the whole farm.

    The stage's ``jobs`` are a completed, a failed and a running job, and an animation.
    """
    loop = LoopThread()
    async with running_gateway(**SETTINGS) as gateway, aiohttp.ClientSession() as http:
        people = {name: await creator(gateway, http, name) for name in CREATORS}
        endpoint = kept_endpoint(gateway.data)
        assert endpoint is not None
        dsn = endpoint.owner_dsn
        people |= {name: await person(gateway, http, name, dsn) for name in STAFF}
        for name, written in STAFF.items():
            await execute(dsn, f"UPDATE users SET name = '{written}' WHERE email LIKE '{name}@%'")
        stage = Stage(gateway, http, people, [], dsn)
        token, behave = people["otto"].token, works(frames)
        nodes = [
            FakeNode(
                stage.url,
                name=name,
                capabilities=("echo", "preflight", "render"),
                slots=slots,
                user_token=token,
                behave=behave,
            )
            for name, slots in NODES
        ]
        scout = FakeNode(
            stage.url,
            name="scout",
            capabilities=("preflight",),
            user_token=token,
            behave=behave,
        )
        async with run_endpoint(people["jane"]), keep_connected(loop, *nodes, scout):
            await history(stage, nodes)
            yield stage
    loop.close()


async def history(stage: Stage, nodes: Sequence[FakeNode]) -> None:
    """Make an hour of jobs, and jobs that are still running."""
    drained = next(node.node_id for node in nodes if node.name == "attic")
    everybody = cycle(name for name in CREATORS)
    old = [
        (who, await submitted(stage.people[who], FAILING if n % 17 == 11 else n))
        for n, who in zip(range(JOBS), everybody, strict=False)
    ]
    for who, job in old:
        await stage.ended(job, who)
    jane = stage.people["jane"]
    for frame in (FAILING, SHOWN):
        stage.jobs.insert(0, await submitted(jane, frame))
        await stage.ended(stage.jobs[0])
    await wait_for_anchor(jane)
    await execute(stage.dsn, HOUR)
    await execute(stage.dsn, DAYS)
    await execute(stage.dsn, LONGER, UUID(stage.jobs[0]))
    await execute(stage.dsn, CHECKS)
    await request_payout(stage.people["otto"])
    await make_organisation(stage, nodes)
    running = [await submitted(stage.people[who], SLOW + 11 * n) for n, who in enumerate(CREATORS)]
    running += [await submitted(jane, SLOW + 53)]
    stage.jobs.append(running[-1])
    stage.jobs.append(await submit_animation(jane))
    await stage.job(job_type="cpu_benchmark")
    said = {"reason": "a new graphics card on Thursday"}
    status, _ = await stage.people["ann"].call("POST", f"/nodes/{drained}/drain", said)
    assert status == 200
    for node, load in zip(nodes, (0.82, 0.64, 0.97, 0.31, 0.48), strict=True):
        itself = Creator(stage.http, stage.url, "", node.token)
        status, _ = await itself.call("POST", "/nodes/heartbeat", {"current_load": load, **ABOUT})
        assert status == 200


async def request_payout(who: Creator) -> None:
    """Give an operator a payout account, and request what is payable as money."""
    account = {"method": "SEPA", "account": "DE02 1203 0000 0000 2020 51", "currency": "eur"}
    status, answer = await who.call(
        "PUT", "/auth/payout-account", {**account, "password": PASSWORD}
    )
    assert status == 200, answer

    async def is_requested() -> bool:
        """Request it; return False while nothing is payable yet."""
        status, _ = await who.call("POST", "/operators/me/payouts", {"to": "money"})
        return status == 202

    await until(is_requested, within=120)


async def make_organisation(stage: Stage, nodes: Sequence[FakeNode]) -> None:
    """Make Jane's organisation with a node of Otto's, and the users whom she trusts."""
    jane, otto = stage.people["jane"], stage.people["otto"]
    _, made = await jane.call("POST", "/organisations", {"name": "Okafor & Brandt"})
    there = f"/organisations/{made['id']}"
    for name in ("otto", "sofia", "tomas"):
        await jane.call("POST", f"{there}/members", {"email": f"{name}@example.org"})
    for name in ("otto", "sofia"):
        await stage.people[name].call("POST", f"{there}/accept")
    for node in nodes[:2]:
        status, answer = await otto.call("PUT", f"{there}/nodes/{node.node_id}")
        assert status == 200, answer
    await jane.call("POST", "/trusted", {"email": "lin@example.org"})


@asynccontextmanager
async def run_endpoint(who: Creator) -> AsyncGenerator[None]:
    """Run a webhook endpoint for the jobs of ``who``."""

    async def hear(_: web.Request) -> web.Response:
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks", hear)
    async with TestServer(app) as server:
        body = {"url": str(server.make_url("/hooks")), "types": ["job.*", "unit.*"]}
        status, answer = await who.call("POST", "/webhooks/endpoints", body)
        assert status == 201, answer
        yield


async def submit_animation(who: Creator) -> str:
    """Submit an animation, and return its id."""
    body = {"job_type": "render", "payload_ref": "s3://scenes/glass-at-dusk.blend", "queue": True}
    params = {"width": 1920, "height": 1080, "samples": 128}
    more = {"params": params, "frames": FILM, "max_credits": "500"}
    status, answer = await who.call("POST", "/jobs/dispatch", {**body, **more})
    assert status in (200, 202), answer
    return str(answer["job_id"])


async def wait_for_anchor(who: Creator) -> None:
    """Wait until the newest entry of ``who`` is on the chain."""
    _, found = await who.call("GET", "/credits/history")

    async def is_there() -> bool:
        number = found["entries"][0]["entry_id"]
        status, answer = await who.call("GET", f"/ledger/{number}/verify")
        return status == 200 and bool(answer["verified"])

    await until(is_there, within=120)


def shots(stage: Stage) -> list[Shot]:
    done, failed, running, frames = stage.jobs
    return [
        Shot("overview", "ann", "/console", ".plot canvas", 800),
        Shot("dark", "ann", "/console", ".plot canvas", 800, "dark"),
        Shot("jobs", "ann", "/console/jobs", "#rows tbody tr", 900),
        Shot("job", "jane", f"/console/jobs/{done}", ".steps li:last-child.done", 1130),
        Shot("running", "jane", f"/console/jobs/{running}", "pre.log", 900),
        Shot("failed", "jane", f"/console/jobs/{failed}", "#why-failed", 700),
        Shot("frames", "jane", f"/console/jobs/{frames}", ".strip li.failed", 1130),
        Shot("fleet", "ann", "/console/fleet?sort=-load", "#rows tbody tr", 640),
        Shot("actors", "ann", "/console/actors?actor=ledger", ".plot canvas", 1000),
        Shot("ledger", "ann", "/console/ledger", "#rows tbody tr", 1200),
        Shot("users", "ann", "/console/users", "#rows tbody tr", 560),
        Shot("credits", "tomas", "/console/credits?need=2471", ".packs .pack", 1120),
        Shot("earnings", "otto", "/console/earnings", "#earned-by-day canvas", 1200),
        Shot("own-payouts", "otto", "/console/account/payout-account", "#rules-title", 1000),
        Shot("payouts", "ann", "/console/payouts", "tbody tr", 500),
        Shot("add-machine", "otto", "/console/fleet/add", "form.card", 760),
        Shot("organisations", "jane", "/console/organisations", "#trusted tbody tr", 700),
        Shot("dead-letters", "ann", "/console/dead-letters", "tbody tr", 700),
        Shot("settings", "ann", "/console/settings?q=server.", "tbody tr", 760),
        Shot("system", "ann", "/console/system", ".plot canvas", 760),
        Shot("account", "otto", "/console/account", "tbody tr", 900),
    ]


async def open_signed_in(browser: Browser, stage: Stage, who: str) -> Page:
    """Open a browser context with this user signed in, and return its page."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
    )
    page = await context.new_page()
    page.set_default_timeout(WITHIN_MS)
    await page.goto(f"{stage.url}/console")
    await page.get_by_label("E-mail").fill(f"{who}@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.locator("header.side").wait_for()
    return page


async def wait_until_ready(page: Page) -> None:
    """Wait until the images in sight are loaded and the page is live."""
    await page.wait_for_function(LOADED)
    if await page.locator("#live-state").count():
        await expect(page.locator("#live-state")).to_have_text("live")
    await page.mouse.move(1270, 5)


async def take(browser: Browser, stage: Stage, folder: Path) -> None:
    pages = {
        who: await open_signed_in(browser, stage, who) for who in ("ann", "jane", "tomas", "otto")
    }
    await take_front_page(browser, stage, folder)
    for shot in shots(stage):
        await take_shot(pages[shot.who], stage, shot, folder)
    ann, otto = pages["ann"], pages["otto"]
    await ann.emulate_media(color_scheme="light")
    await shoot_first_row(
        otto, Shot("node", "otto", "/console/fleet?q=atelier-1", "tbody th a", 1000), folder
    )
    await shoot_first_row(
        ann, Shot("user", "ann", "/console/users?q=jane", "tbody th a", 1000), folder
    )
    anchored = "#rows tbody tr:has(.badge.good) th a"
    await shoot_first_row(
        ann, Shot("proof", "ann", "/console/ledger?kind=USAGE", anchored, 1120), folder
    )
    jane = pages["jane"]
    await rename_endpoint(stage, HOOK)
    hooks = Shot("webhooks", "jane", "/console/webhooks", "tbody th a", 900)
    await shoot_first_row(jane, hooks, folder)
    circle = "#rows tbody th a"
    await shoot_first_row(
        jane, Shot("organisation", "jane", "/console/organisations", circle, 700), folder
    )
    await fill_in_job(jane, stage.url)
    await jane.screenshot(path=folder / "console-new-job.png")
    await check_scene(jane)
    await jane.screenshot(path=folder / "console-preflight.png")
    await jane.set_viewport_size(NARROW)
    phone = (("phone", "", ".plot canvas"), ("phone-job", f"/jobs/{stage.jobs[-1]}", ".strip"))
    for name, path, ready in phone:
        await jane.goto(f"{stage.url}/console{path}")
        await jane.locator(ready).wait_for()
        await wait_until_ready(jane)
        await jane.screenshot(path=folder / f"console-{name}.png")
    # Verification begins only now: results from here on would wait for a verifier.
    await stage.gateway.restart(
        RENDERTRUST_VERIFICATION_ENABLED="true", RENDERTRUST_VERIFICATION_EMBEDDED="false"
    )
    checks = Shot("checks", "ann", "/console/checks", "#rows tbody tr", 760)
    await take_shot(ann, stage, checks, folder)


async def take_front_page(browser: Browser, stage: Stage, folder: Path) -> None:
    """Take a screenshot of the first page, as strangers see it."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})

    async def is_anchored() -> bool:
        """Load the page, and return whether it shows an anchor; it is read every ten seconds."""
        await page.goto(f"{stage.url}/")
        return bool(await page.get_by_text("block").count())

    await until(is_anchored)
    await page.screenshot(path=folder / "front-page.png")
    await page.close()


async def take_shot(page: Page, stage: Stage, shot: Shot, folder: Path) -> None:
    """Take a screenshot of a page."""
    await page.set_viewport_size({"width": 1280, "height": shot.high})
    await page.emulate_media(color_scheme=shot.theme)
    await page.goto(stage.url + shot.path)
    await page.locator(shot.ready).first.wait_for()
    await wait_until_ready(page)
    await page.screenshot(path=folder / f"console-{shot.name}.png")


async def rename_endpoint(stage: Stage, url: str) -> None:
    """Give the endpoint a realistic URL for the screenshot, after its deliveries arrived here."""
    await execute(stage.dsn, f"UPDATE endpoints SET url = '{url}'")


async def shoot_first_row(page: Page, shot: Shot, folder: Path) -> None:
    """Take a screenshot of the page to which the first row of a table leads."""
    origin = page.url.split("/console")[0]
    await page.set_viewport_size({"width": 1280, "height": shot.high})
    await page.goto(origin + shot.path)
    await page.locator(shot.ready).first.click()
    await page.locator(".crumbs").wait_for()
    await wait_until_ready(page)
    await page.screenshot(path=folder / f"console-{shot.name}.png")


async def fill_in_job(page: Page, url: str) -> None:
    """Fill in a new job, without submitting it."""
    await page.set_viewport_size({"width": 1280, "height": 1000})
    await page.goto(f"{url}/console/jobs/new")
    await page.get_by_label("Frames", exact=True).fill("1-48")
    await page.get_by_label("Width").fill("1920")
    await page.get_by_label("Height").fill("1080")
    await page.locator("#more > summary").click()
    await page.get_by_label("Cap", exact=True).fill("400")
    await page.locator("#quote").wait_for()
    await expect(page.locator("#cap-said")).to_contain_text("pauses before")


async def check_scene(page: Page) -> None:
    """Choose the scene of the new job, and wait until a node has inspected it."""
    scene: FilePayload = {
        "name": "glass-at-dusk.blend",
        "mimeType": "application/octet-stream",
        "buffer": b"BLENDER-v502" + bytes(range(256)) * 40,
    }
    await page.locator("#file").set_input_files(scene)
    await expect(page.locator("#look-scene")).not_to_be_empty()
    await wait_until_ready(page)
    await page.set_viewport_size({"width": 1280, "height": 1480})


async def painted(browser: Browser, pictures: Sequence[bytes]) -> list[Painted]:
    page = await browser.new_page()
    coded = [base64.b64encode(each).decode() for each in pictures]
    small = [await page.evaluate(SHRINK, each) for each in coded]
    await page.close()
    return [Painted(*each) for each in zip(pictures, small, strict=True)]


async def run(frames: Path | None, folder: Path) -> None:
    paths = [] if frames is None else sorted(frames.glob("*.png"))
    pictures = [path.read_bytes() for path in paths] or [picture(shade=n) for n in range(8)]
    async with chromium() as browser, farm(await painted(browser, pictures)) as stage:
        await take(browser, stage, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path, nargs="?")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    asyncio.run(run(options.frames, options.folder))


if __name__ == "__main__":
    main()
