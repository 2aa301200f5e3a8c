"""Tests of ``rendertrust uploads``, and of preflights before a submission."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rendertrust.cli import exit_codes
from rendertrust.cli.submit import hint_of
from rendertrust.client import AsyncClient, Tokens
from rendertrust.client.job_uploads import TooManyFiles
from tests.integration.client.conftest import Program
from tests.integration.client.double import NOW, Answer, GatewayDouble, quote, refuse
from tests.integration.node.scenes import build, make
from tests.integration.node.test_render import MOVIE

UPLOAD = "b1a7c0de-1f2e-4d3c-8b9a-0123456789ab"
JOB = "3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52"
QUOTE = "POST /api/v1/jobs/quote"
DISPATCH = "POST /api/v1/jobs/dispatch"
LOOK = "POST /api/v1/jobs/preflight"
KEPT = {
    "id": UPLOAD,
    "filename": "scene.blend",
    "size": 1_400_000,
    "sha256": "00" * 32,
    "created_at": NOW,
    "expires_at": NOW,
    "jobs": 2,
}
LOOKED: dict[str, Any] = {
    "status": "DONE",
    "job_id": JOB,
    "waiting": None,
    "error": None,
    "nodes": 2,
    "stops": True,
    "findings": [
        {
            "code": "no_camera",
            "level": "error",
            "message": "the scene has no active camera",
            "setting": "Scene Properties > Scene > Camera",
            "object": "Object '\x1b[31mCamera'",
            "path": None,
        }
    ],
    "scene": None,
    "estimate": {
        "frames": 48,
        "least": 1200.0,
        "likely": 1640.5,
        "most": 2340.0,
        "slots": 2,
        "elapsed": 820.3,
        "how": "Small pieces were rendered.",
    },
    "not_estimated": None,
    "thumbnail": None,
}


def says(body: dict[str, Any], status: int = 200) -> Answer:
    return lambda _: web.json_response(body, status=status)


NAMES = """
import bpy, os, sys
image = bpy.data.images.new("wood", 4, 4)
image.filepath_raw = os.path.join(os.path.dirname(sys.argv[-1]), "a:wood.png")
image.file_format = "PNG"
image.save()
image.use_fake_user = False
bpy.data.textures.new("used", "IMAGE").image = image
bpy.context.scene.world.use_nodes = True
tree = bpy.context.scene.world.node_tree
node = tree.nodes.new("ShaderNodeTexEnvironment")
node.image = image
tree.links.new(node.outputs[0], tree.nodes["Background"].inputs[0])
bpy.context.scene.render.engine = "CYCLES"
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
"""


@pytest.mark.render
async def test_a_name_that_cannot_be_sent_is_a_finding(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    scene = tmp_path / "scene.blend"
    await asyncio.to_thread(make, NAMES, str(scene))
    for words in (("preflight",), ("submit", "--yes")):
        told = await jane.run(*words, str(scene))
        assert told.code == exit_codes.FAILURE, told
        said = told.out + told.err
        assert "error: a linked file's name cannot be sent" in said
        assert "a:wood.png" in said
        assert "Find Missing Files" in said
    assert gateway.seen["POST /api/v1/uploads"] == 0


@pytest.mark.heavy
@pytest.mark.render
async def test_a_format_for_the_job_cures_a_scene_that_writes_a_movie(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    scene = await asyncio.to_thread(build, tmp_path / "clip.blend", MOVIE)
    told = await jane.run("submit", str(scene), "--frames", "1-2", "--yes")
    assert told.code == exit_codes.FAILURE, told
    assert "error: the scene writes a movie (FFMPEG)" in told.err
    assert "Choose the job's format, such as PNG" in told.err
    assert gateway.seen["POST /api/v1/uploads"] == 0
    told = await jane.run("submit", str(scene), "--frames", "1-2", "--yes", "--format", "png")
    assert told.code == 0, told
    assert "the job renders its frames as PNG pictures" in told.err
    (body,) = [body for body in gateway.bodies if body.get("payload_ref") and "frames" in body][-1:]
    assert body["params"] == {"format": "PNG"}


async def test_more_files_than_a_job_has_are_not_to_be_renamed(
    gateway: GatewayDouble, blend: Path
) -> None:
    many = {f"t/{number}.png": blend for number in range(5_001)}
    with pytest.raises(TooManyFiles, match="5002 files; a job has at most 5000"):
        async with AsyncClient(gateway.url, tokens=Tokens("access-1", "refresh-1")) as client:
            await client.upload_all("scene.blend", {"scene.blend": blend, **many})
    assert "Rename" not in hint_of(TooManyFiles("5002 files"))
    assert "Rename" in hint_of(ValueError("a: a path must not contain control characters"))


async def test_uploads_are_listed_with_who_needs_them(
    jane: Program, gateway: GatewayDouble
) -> None:
    page = {"uploads": [KEPT], "count": 1, "used": 1_400_000, "quota": 10**11}
    gateway.script("GET /api/v1/uploads", says(page))
    told = await jane.run("uploads", "list")
    assert told.code == 0, told
    assert f"{UPLOAD}\t1400000\tscene.blend\t{NOW}\t{NOW}\t2" in told.out
    assert "1.4 MB of 100.0 GB used." in told.err


async def test_an_upload_that_is_needed_stays(jane: Program, gateway: GatewayDouble) -> None:
    path = f"DELETE /api/v1/uploads/{UPLOAD}"
    gateway.script(path, refuse(409, "An open job or a dispute needs the upload"))
    gateway.script(path, says({"message": "The upload was removed"}))
    told = await jane.run("uploads", "delete", UPLOAD)
    assert told.code == exit_codes.FAILURE
    assert f"{UPLOAD} is kept: an open job or a dispute needs the upload" in told.err
    told = await jane.run("uploads", "delete", UPLOAD)
    assert (told.code, told.out) == (0, f"Deleted {UPLOAD}.\n")


async def test_an_estimate_is_said_before_a_job_is_submitted(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.script(LOOK, says(LOOKED))
    told = await jane.run("submit", str(blend), "--estimate", "--no-preflight", "--yes")
    assert told.code == 0, told
    assert "About 27 min 20 s of one node for 48 frames (20 min to 39 min)" in told.err
    assert "13 min 40 s if all 2 slots that are online help." in told.err
    assert "Scene Properties > Scene > Camera" in told.err
    assert "\x1b" not in told.err, "no text of a node controls the terminal"
    assert gateway.bodies[-1]["as_is"] is True


TABLE: dict[str, Any] = quote(
    {
        "units": 48,
        "frames": 48,
        "frame_price": "10.0000",
        "price": "480.0000",
        "held": "480.0000",
        "available": "990.0000",
        "enough": True,
        "priced_by": "table",
        "priced_how": "Until it is measured, each frame costs the fixed price in the price table.",
        "measurable": True,
        "money": {"amount": "33.60", "currency": "usd", "text": "≈ 33.60 USD"},
    }
)
WORK: dict[str, Any] = {
    **TABLE,
    "frame_price": "1.5000",
    "frame_price_least": "0.5000",
    "price": "48.0000",
    "held": "48.0000",
    "priced_by": "work",
    "priced_how": "By the work\x1b that was measured.",
    "reference_seconds": 288.0,
    "measurable": False,
}


async def test_where_frames_are_priced_by_their_work_it_is_measured_first(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.script(QUOTE, says(TABLE))
    gateway.script(LOOK, says({**LOOKED, "stops": False, "findings": []}))
    gateway.script(QUOTE, says(WORK))
    told = await jane.run("submit", str(blend), "--frames", "1-48", "--no-preflight", "--yes")
    assert told.code == 0, told
    assert "48 credits, ≈ 33.60 USD (0.5 to 1.5 a frame)" in told.err
    assert "By the work" in told.err
    assert "reference machine" not in told.err, "that is told by --quote"
    assert "\x1b" not in told.err
    assert gateway.bodies[-1]["quoted"] == "48.0000"
    assert gateway.seen[LOOK] == 1


SCENE = {
    "engine": "CYCLES",
    "samples": 128,
    "width": 1920,
    "height": 1080,
    "format": "PNG",
    "frame": 7,
    "frame_start": 1,
    "frame_end": 48,
    "fps": 24,
    "fps_base": 1.0,
}
CLEAN: dict[str, Any] = {**LOOKED, "stops": False, "findings": [], "scene": SCENE}
ONE_FRAME = {"units": 1, "frames": 0, "frame_price": "10.0000", "price": "10.0000"}
BARE: dict[str, Any] = {**TABLE, **ONE_FRAME, "held": "10.0000", "credits": "10.0000"}
PICTURE: dict[str, Any] = {
    **WORK,
    **ONE_FRAME,
    **dict.fromkeys(("frame_price", "frame_price_least", "price", "held", "credits"), "0.7500"),
    "measured": True,
}


@pytest.mark.parametrize("named", [True, False], ids=["frame", "bare"])
async def test_one_picture_is_measured_before_it_is_submitted(
    jane: Program, gateway: GatewayDouble, blend: Path, named: bool
) -> None:
    """Without --frame, the command names the scene's current frame."""
    gateway.script(QUOTE, says(BARE))
    gateway.script(LOOK, says(CLEAN))
    if not named:
        gateway.script(QUOTE, says({**BARE, "measurable": False, "preflight": CLEAN}))
    gateway.script(QUOTE, says(PICTURE))
    options = ("--frame", "7") if named else ()
    told = await jane.run("submit", str(blend), *options, "--no-preflight", "--yes")
    assert told.code == 0, told
    assert "One picture: 0.75 credits" in told.err
    assert gateway.bodies[-1]["params"] == {"frame": 7}
    assert (gateway.seen[LOOK], gateway.bodies[-1]["quoted"]) == (1, "0.7500")


async def test_a_picture_that_no_node_measures_keeps_the_price_of_the_table(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    looked_by_another = {**BARE, "measurable": False, "preflight": CLEAN}
    by_size = {**looked_by_another, "priced_by": "size", "price": "38.5000"}
    for answer in (BARE, looked_by_another, by_size):
        gateway.script(QUOTE, says(answer))
    gateway.script(LOOK, says(CLEAN))
    told = await jane.run("submit", str(blend), "--no-preflight", "--yes")
    assert told.code == 0, told
    assert not gateway.bodies[-1].get("params")


async def test_a_quote_with_an_estimate_is_by_measured_work_and_submits_nothing(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.script(LOOK, says(CLEAN))
    gateway.script(QUOTE, says(PICTURE))
    asked = ("--frame", "7", "--quote", "--estimate", "--no-preflight")
    told = await jane.run("submit", str(blend), *asked)
    assert told.code == 0, told
    assert "One picture: 0.75 credits" in told.out
    assert "No job was submitted; no credits are held." in told.err
    assert (gateway.seen[LOOK], gateway.seen[DISPATCH]) == (1, 0)


async def test_a_scene_that_a_stranger_looked_into_is_measured_again(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    clean = {**LOOKED, "stops": False, "findings": []}
    for answer in (TABLE, {**TABLE, "preflight": clean}, {**WORK, "preflight": clean}):
        gateway.script(QUOTE, says(answer))
    for _ in range(2):
        gateway.script(LOOK, says(clean))
    told = await jane.run("submit", str(blend), "--frames", "1-48", "--no-preflight", "--yes")
    assert told.code == 0, told
    assert (gateway.seen[LOOK], gateway.bodies[-1]["quoted"]) == (2, "48.0000")


async def test_a_quote_says_what_its_price_follows(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.script(QUOTE, says(TABLE))
    told = await jane.run("submit", str(blend), "--frames", "1-48", "--quote")
    assert told.code == 0, told
    assert (
        "48 frames: 480 credits, ≈ 33.60 USD (10 a frame) until the scene is measured; 990"
        in told.out
    )
    assert "each frame costs the fixed price in the price table" in told.err
    assert "rendertrust submit --estimate --quote" in told.err


async def test_the_price_of_the_video_is_part_of_the_quote(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    both = {**WORK, "credits": "49.0000", "video_price": "1.0000"}
    gateway.script(
        QUOTE, says({**both, "money": {"amount": "3.43", "currency": "usd", "text": "≈ 3.43 USD"}})
    )
    told = await jane.run("submit", str(blend), "--frames", "1-48", "--video", "MP4", "--quote")
    assert told.code == 0, told
    assert "48 frames: 49 credits, ≈ 3.43 USD" in told.out
    assert ", of which the video 1 at the end; 990 are available." in told.out


async def test_what_costs_more_by_now_is_not_submitted(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.script(QUOTE, says(WORK))
    gateway.script(DISPATCH, refuse(409, "It costs 96.0000 now, and 48.0000 were quoted"))
    told = await jane.run("submit", str(blend), "--frames", "1-48", "--no-preflight", "--yes")
    assert told.code != 0
    assert "96.0000 now" in told.err


async def test_without_a_node_to_look_it_goes_on_and_says_so(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    waiting = {"code": "no_node", "words": "No node that does it was ever connected."}
    nobody = {**LOOKED, "status": "PENDING", "stops": False, "findings": [], "estimate": None}
    gateway.script(LOOK, says({**nobody, "waiting": waiting}, 202))
    told = await jane.run("submit", str(blend), "--estimate", "--no-preflight", "--yes")
    assert told.code == 0, told
    assert "No node that does it was ever connected. Continuing without a check." in told.err


async def test_what_a_node_must_have_is_told_to_the_gateway(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    asked = ("--needs", "vram=8G, blender=5.2", "--needs", "alike")
    told = await jane.run("submit", str(blend), "--no-preflight", "--yes", *asked)
    assert told.code == 0, told
    wanted = {"device": "gpu", "vram": 8 << 30, "blender": "5.2", "alike": True}
    assert gateway.bodies[-1]["needs"] == wanted


@pytest.mark.parametrize("words", ["device=tpu", "memory=lots", "alike=yes", "blender=new", "x"])
async def test_needs_that_are_none_are_refused_with_those_that_are(
    program: Program, gateway: GatewayDouble, blend: Path, words: str
) -> None:
    told = await program.run("submit", str(blend), "--no-preflight", "--needs", words)
    assert told.code == exit_codes.USAGE
    assert "vram=8G" in told.err or "write a size like 20G" in told.err
    assert not gateway.requests


async def test_where_no_node_has_what_is_needed_that_is_said(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.script(DISPATCH, refuse(400, "No healthy nodes with matching capability"))
    asked = ("--needs", "vram=8G,alike,class=gpu/x", "--no-preflight", "--yes")
    told = await jane.run("submit", str(blend), *asked)
    assert told.code == exit_codes.UNAVAILABLE
    assert "The node must have: device gpu, class gpu/x, alike, vram 8.6 GB." in told.err, told
