"""Tests of the render plugin with the real Blender in its sandbox."""

import asyncio
import io
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import attrs
import numpy as np
import pytest
from PIL import Image

from rendertrust.node import blender
from rendertrust.node.blender import Blender, with_box
from rendertrust.node.devices import Card, Device
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.sandbox import Sandbox
from rendertrust.protocol import Hello, JobCancel, JobStatus, Log
from tests.integration.node.conftest import QUICK, Start
from tests.integration.node.gateway import Gateway
from tests.integration.node.processes import innermost, is_alive, sandboxed
from tests.integration.node.scenes import SLOW, build, pixels, task
from tests.support.listening import listening
from tests.support.until import until

pytestmark = pytest.mark.render

NO_CAMERA = "\nscene.camera = None\n"
MOVIE = """
if hasattr(scene.render.image_settings, "media_type"):
    scene.render.image_settings.media_type = "VIDEO"
scene.render.image_settings.file_format = "FFMPEG"
"""
STEREO = "\nscene.render.use_multiview = True\n"
NO_LAYER = "\nscene.view_layers[0].use = False\n"
EMPTY_COMPOSITOR = """
tree = bpy.data.node_groups.new("Empty", "CompositorNodeTree")
scene.compositing_node_group = tree
"""
# Blender writes a picture of this scene, but has no picture that could be written a second time.
NOTHING_PUT_OUT = EMPTY_COMPOSITOR + 'tree.nodes.new("NodeGroupOutput")\n'
DPX = "\nscene.render.image_settings.file_format = 'DPX'\n"
# A driver, a text block that registers itself, and a handler: the three ways to run a script on
# load.
HOSTILE = """
import pathlib
code = "import pathlib; pathlib.Path('/job/out/owned').write_text('x')"
text = bpy.data.texts.new("evil.py")
text.write(code)
text.use_module = True
bpy.app.driver_namespace["x"] = 1
cube = bpy.data.objects["Cube"]
driver = cube.driver_add("location", 0).driver
driver.type = "SCRIPTED"
driver.expression = "__import__('pathlib').Path('/job/out/owned').write_text('x')"
"""


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def picture(result: object) -> Image.Image:
    assert isinstance(result, Completed), result
    assert result.file is not None
    return Image.open(io.BytesIO(result.file.read_bytes()))


async def test_a_frame_is_rendered_and_progress_is_told(
    render: RenderPlugin, small: Path, tmp_path: Path
) -> None:
    told, lines = list[float](), list[str]()
    unit = attrs.evolve(task(tmp_path, small, {"samples": 16}, told), on_log=lines.append)
    result = await render.run(unit)
    image = picture(result)
    assert (image.format, image.size) == ("PNG", (64, 36))
    assert "mounted" not in "".join(lines), "the log is about the scene"
    assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 100
    assert told
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert isinstance(result, Completed)
    assert result.work["samples"] == 16


async def test_parameters_change_what_they_name_alone(
    render: RenderPlugin, small: Path, tmp_path: Path
) -> None:
    params = {"resolution": [80, 40], "format": "JPEG", "frame": 7, "samples": 4}
    result = await render.run(task(tmp_path, small, params, []))
    assert picture(result).format == "JPEG"
    assert picture(result).size == (80, 40)
    assert isinstance(result, Completed)
    assert (result.work["frame"], result.work["engine"]) == (7, "CYCLES")


SCRIPT_SHADER = """
scene.cycles.shading_system = True
material = bpy.data.objects["Cube"].data.materials[0]
material.node_tree.nodes.new("ShaderNodeScript")
"""


async def test_without_its_card_a_unit_fails_in_words(
    found_blender: Blender, small: Path, tmp_path: Path
) -> None:
    """Cycles itself would render on the processor, and not say so."""
    card = Card(maker="nvidia", number=0, name="", pci="00ff:01:00.0", architecture="", driver="")
    device = Device("cuda", card)
    why = await RenderPlugin(scratch=tmp_path / "start", device=device).why_not() or ""
    assert "could not be rendered on the card" in why, "such a node offers no renders"
    assert "CUDA" in why
    lost = with_box(attrs.evolve(found_blender, device=device), found_blender.box)
    render = RenderPlugin(scratch=tmp_path / "scratch", found=lost)
    result = await render.run(task(tmp_path, small, {"samples": 1}, []))
    assert isinstance(result, Failed), result
    assert result.failure == "node"
    assert "CUDA" in result.error
    script = build(tmp_path / "script.blend", SCRIPT_SHADER)
    result = await render.run(task(tmp_path / "2", script, {"samples": 1}, []))
    assert isinstance(result, Failed), result
    assert (result.failure, result.lacks) == ("node", "scripts")
    assert "script shader runs on processors only" in result.error


SQUARE = "\nscene.render.resolution_x = scene.render.resolution_y = 32\n"
# A file of this machine's Blender, or a copy of it in a folder that is gone when the scene renders.
COPIED = """
import os, shutil, tempfile
bundled = os.path.join(bpy.utils.resource_path("LOCAL"), "datafiles", {name!r})
gone = tempfile.TemporaryDirectory()
copy = shutil.copy(bundled, gone.name)
path = copy if {is_gone} else bundled
"""
SKY = "studiolights/world/forest.exr"
LIGHT = """
image = bpy.data.images.load(path)
surface = scene.world.node_tree
light = surface.nodes.new("ShaderNodeTexEnvironment")
light.image = image
surface.links.new(light.outputs["Color"], surface.nodes["Background"].inputs["Color"])
"""
NODES = "assets/nodes/geometry_nodes_essentials.blend"
CUT = """
with bpy.data.libraries.load(path, link=True) as (have, take):
    take.node_groups = ["Sphere Selection"]
selected = bpy.data.node_groups.new("Cut", "GeometryNodeTree")
for way in ("INPUT", "OUTPUT"):
    selected.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
come, go, cut, group = (
    selected.nodes.new(kind)
    for kind in (
        *("NodeGroupInput", "NodeGroupOutput"),
        *("GeometryNodeDeleteGeometry", "GeometryNodeGroup"),
    )
)
group.node_tree = take.node_groups[0]
selected.links.new(come.outputs[0], cut.inputs["Geometry"])
selected.links.new(group.outputs[0], cut.inputs["Selection"])
selected.links.new(cut.outputs[0], go.inputs[0])
bpy.data.objects["Cube"].modifiers.new("Cut", "NODES").node_group = selected
"""


@pytest.mark.parametrize(("name", "uses"), [(SKY, LIGHT), (NODES, CUT)])
async def test_files_of_blenders_own_folder_are_missing_like_all_that_were_not_sent(
    render: RenderPlugin, tmp_path: Path, name: str, uses: str
) -> None:
    """The folder is another one on other machines, whose frames would differ."""
    shown = list[bytes]()
    for is_gone in (False, True):
        made = COPIED.format(name=name, is_gone=is_gone) + uses
        scene = build(tmp_path / f"{is_gone}.blend", SQUARE, made)
        result = await render.run(task(tmp_path / f"work-{is_gone}", scene, {}))
        assert isinstance(result, Completed), result
        assert result.file is not None
        shown.append(pixels(result.file).tobytes())
    assert shown[0] == shown[1]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("part", "words"),
    [
        pytest.param(NO_CAMERA, "no camera", id="no camera"),
        *(
            pytest.param(part, words, id=name, marks=pytest.mark.nightly)
            for name, part, words in (
                ("a movie", MOVIE, "FFMPEG, a movie"),
                ("a format", DPX, "DPX, which no node delivers"),
                ("stereo", STEREO, "Stereoscopy"),
                ("no view layer", NO_LAYER, "view layer"),
                ("an empty compositor", EMPTY_COMPOSITOR, "Group Output"),
            )
        ),
    ],
)
async def test_what_is_wrong_with_the_scene_is_said(
    render: RenderPlugin, tmp_path: Path, part: str, words: str
) -> None:
    broken = build(tmp_path / "broken.blend", part)
    result = await render.run(task(tmp_path, broken, {}, []))
    assert isinstance(result, Failed)
    assert result.failure == "scene"
    assert words in result.error


@pytest.mark.heavy
async def test_a_thumbnail_that_cannot_be_written_does_not_fail_the_frame(
    render: RenderPlugin, tmp_path: Path
) -> None:
    scene = build(tmp_path / "scene.blend", NOTHING_PUT_OUT)
    shown: list[int | None] = []

    def show(_: bytes, frame: int | None) -> None:
        shown.append(frame)

    given = attrs.evolve(task(tmp_path, scene, {}), on_preview=show)
    assert picture(await render.run(given)).size == (64, 36)
    assert shown == []


async def test_a_file_that_is_no_scene_is_said(render: RenderPlugin, tmp_path: Path) -> None:
    (tmp_path / "no.blend").write_bytes(b"not a scene at all")
    result = await render.run(task(tmp_path, tmp_path / "no.blend", {}, []))
    assert isinstance(result, Failed)
    assert result.failure == "scene"
    assert "cannot open" in result.error


async def test_a_file_of_a_newer_blender_is_for_another_node(
    render: RenderPlugin, tmp_path: Path
) -> None:
    (tmp_path / "new.blend").write_bytes(b"BLENDER18-02v0999" + bytes(64))
    result = await render.run(task(tmp_path, tmp_path / "new.blend", {}, []))
    assert isinstance(result, Failed)
    assert result.failure == "node"
    assert "cannot open" in result.error


async def test_scripts_in_a_scene_do_not_run(render: RenderPlugin, tmp_path: Path) -> None:
    hostile = build(tmp_path / "hostile.blend", HOSTILE)
    result = await render.run(task(tmp_path, hostile, {}, []))
    assert isinstance(result, Completed)
    assert not (tmp_path / "out" / "owned").exists()


# What a scene's scripts could do if they ran: the same command line, with this script in place of
# Blender.
ESCAPE = """
import json, os, socket, subprocess, sys
caps = [line for line in open("/proc/self/status") if line.startswith("CapEff")]
found = {"uid": os.getuid(), "caps": caps}
def tries(name, action):
    try:
        action()
        found[name] = "worked"
    except OSError as fault:
        found[name] = type(fault).__name__
tries("secret", lambda: open(SECRET).read())
tries("shadow", lambda: open("/etc/shadow").read())
tries("write_usr", lambda: open("/usr/x", "w"))
tries("write_root", lambda: open("/x", "w"))
tries("write_input", lambda: open("/job/in/x", "w"))
tries("write_renderer", lambda: open(sys.prefix + "/x", "w"))
tries("write_out", lambda: open("/job/out/x", "w"))
tries("network", lambda: socket.create_connection(("1.1.1.1", 53), timeout=2))
tries("loopback", lambda: socket.create_connection(("127.0.0.1", PORT), timeout=2))
remount = "mount -o remount,bind,rw /job/in && touch /job/in/y"
found["remount"] = subprocess.run(
    ["unshare", "-Urm", "sh", "-c", remount], capture_output=True
).returncode
found["processes"] = len([name for name in os.listdir("/proc") if name.isdigit()])
found["environment"] = sorted(os.environ)
print(json.dumps(found))
"""


async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")


async def test_code_in_the_sandbox_reaches_nothing(
    found_blender: Blender, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o666)
    worker = tmp_path / "escape" / "entry_point.py"
    worker.parent.mkdir()
    monkeypatch.setattr(blender, "WORKER", worker.parent)
    task(tmp_path, small, {}, [])
    found_blender.box.prepare(tmp_path)
    async with listening(greet) as port:
        worker.write_text(f"SECRET, PORT = {str(secret)!r}, {port}\n{ESCAPE}")
        ending = await found_blender.obey({}, tmp_path, within=60, hear=lambda _: None)
    found = dict(ending.last)
    assert found, ending
    assert found["uid"] not in (0, os.getuid())
    assert found["caps"] == ["CapEff:\t0000000000000000\n"]
    assert found["write_out"] == "worked"
    reached = {name for name, how in found.items() if how == "worked"}
    assert reached == {"write_out"}
    assert found["remount"] != 0
    assert found["processes"] <= 6
    assert not any("SECRET" in name for name in found["environment"])


def test_sandbox_of_an_ordinary_user_reaches_nothing() -> None:
    """Tests as root do not use the user namespace in which the sandbox of an ordinary user runs."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        work.chmod(0o755)
        (work / "worker.py").write_text("")
        (work / "secret").write_text("secret")
        box = Sandbox(bwrap=shutil.which("bwrap") or "", readable=(), as_root=False)
        box.prepare(work)
        script = (
            f"cat {work}/secret; ls /root; touch /job/in/x; touch /usr/x; touch /job/out/yes;"
            "unshare -U true && echo namespaces; id -u; ls /sys/class/net; ls /proc | grep -c '^1'"
        )
        command = box.command(["/bin/sh", "-c", script], work, work / "worker.py")
        if os.getuid() == 0:
            os.chown(work / "out", 65534, 65534)
            drop = ("--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all")
            command = ["setpriv", *drop, *command]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ran.stdout.split()[0] == "65534", ran
        assert "namespaces" not in ran.stdout
        assert "secret" not in ran.stdout
        assert sorted(path.name for path in (work / "out").iterdir()) == ["yes"]
        assert not list((work / "in").iterdir())


@pytest.mark.usefixtures("known_blender")
async def test_cancel_kills_blender(peer: Gateway, start: Start, tmp_path: Path) -> None:
    slow = build(tmp_path / "slow.blend", SLOW).read_bytes()
    given = attrs.evolve(QUICK, nice=3)
    async with start(given) as node:
        await peer.next(Hello)
        others = sandboxed(os.getpid())  # processes that earlier tests started
        await peer.send(peer.dispatch("render", inputs=(peer.input("slow.blend", slow),)))
        await until(lambda: _progress(peer) > 0)
        pids = sandboxed(os.getpid()) - others
        assert max(map(niceness, pids)) == min(niceness(0) + given.nice, 19)
        await peer.send(JobCancel(job_id="j1", unit=0, attempt=1))
        assert (await peer.result("j1")).status == "cancelled"
        said = [frame for frame in peer.frames if isinstance(frame, Log)]
        assert said, "what Blender says is told while it renders"
        assert (said[0].job_id, said[0].sequence, said[0].offset) == ("j1", 0, 0)
        await until(lambda: not any(is_alive(pid) for pid in pids))
        await until(lambda: {path.name for path in node.folder.work.iterdir()} <= {"compiled"})


@pytest.mark.heavy
@pytest.mark.usefixtures("known_blender")
async def test_crash_of_blender_fails_the_unit_and_nothing_else(
    peer: Gateway, start: Start, tmp_path: Path, small: Path
) -> None:
    slow = build(tmp_path / "slow.blend", SLOW).read_bytes()
    given = peer.input("s.blend", _content(small))
    async with start():
        await peer.next(Hello)
        others = innermost(os.getpid())  # processes that earlier tests started
        await peer.send(peer.dispatch("render", inputs=(peer.input("slow.blend", slow),)))
        await until(lambda: _progress(peer) > 0)
        (worker,) = innermost(os.getpid()) - others
        os.kill(worker, signal.SIGSEGV)
        result = await peer.result("j1")
        assert (result.status, result.failure) == ("failed", "node")
        assert "SIG" in (result.error or ""), result
        await peer.send(peer.dispatch("render", "j2", inputs=(given,), output=peer.output("p")))
        assert (await peer.result("j2")).status == "completed"
        assert Image.open(io.BytesIO(peer.objects["p"])).size == (64, 36)


@pytest.mark.heavy
async def test_a_frame_that_takes_too_long_is_stopped(render: RenderPlugin, tmp_path: Path) -> None:
    slow = build(tmp_path / "slow.blend", SLOW)
    hasty = attrs.evolve(render, runtime_seconds_max=0.5)
    result = await hasty.run(task(tmp_path, slow, {}, []))
    assert isinstance(result, Failed)
    assert "longer than this node allows" in result.error


async def test_hello_tells_which_blender_renders(peer: Gateway, start: Start) -> None:
    async with start(QUICK):
        hello = await peer.next(Hello)
    assert "render" in hello.capabilities
    assert hello.blender
    assert hello.build
    assert hello.device_class == f"cpu/{hello.isa}/{hello.build}"


def _content(path: Path) -> bytes:
    return path.read_bytes()


def _progress(peer: Gateway) -> float:
    shares = [frame.progress or 0 for frame in peer.frames if isinstance(frame, JobStatus)]
    return max(shares, default=0)
