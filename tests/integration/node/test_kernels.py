"""Kernels for graphics cards: compiled once by the node, and given to each job as a copy.

The cards are those of the fake layer of devices; the renderer is a program that compiles like a
driver.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import attrs
import platformdirs
import pytest

from rendertrust.node import blender, devices
from rendertrust.node.blender import Blender
from rendertrust.node.card_probe import state_of
from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.sandbox import NoSandbox
from tests.integration.node.scenes import task
from tests.support.fake_cards import GIB, file, machine

MAKERS = ("nvidia", "amd", "intel")
# The folder of each backend's kernels, as its driver or Cycles takes it.
FOLDERS = {
    "cuda:0": "$CUDA_CACHE_PATH",
    "optix:0": "$OPTIX_CACHE_PATH",
    "hip:0": "$HOME/.cache/cycles/kernels",
    "oneapi:0": "$SYCL_CACHE_DIR/1/2/3/4",
}
# Each operation needs another kernel, which is compiled unless it is stored.
DRIVER = """\
import json, os, sys

def say(**told):
    print(json.dumps(told), flush=True)

def obey(order):
    if "do" not in order:
        return
    if order["do"] == "compile" and os.path.exists(sys.argv[2] + ".broken"):
        sys.exit(1)
    folder = os.path.expandvars(sys.argv[1])
    os.makedirs(folder, exist_ok=True)
    kernel = os.path.join(folder, order["do"])
    if not os.path.exists(kernel):
        open(kernel, "w").write("kernel")
        open(sys.argv[2], "a").write(order["do"] + "\\n")
    open(os.path.join(order["out"], "frame.png"), "w").close()
    if order["do"] == "render":
        open(sys.argv[3], "rb", buffering=0).read(1)
    say(event="done", file="frame.png", seconds=1.0)

order = json.loads(sys.argv[-1])
say(event="ready", blender="5.2.0", build="b1")
obey(order)
if order["stays"]:
    say(event="resting")
    for line in sys.stdin:
        obey(json.loads(line))
        say(event="resting")
"""


@attrs.frozen
class Renderer:
    """A renderer whose driver keeps kernels in ``kernels``, and notes what it compiles.

    A unit ends once it can read a byte of the pipe ``begins``.
    """

    kernels: str
    script: Path
    noted: Path
    begins: Path
    readable: tuple[Path, ...] = ()
    kind: str = "bpy"

    def program(self, worker: str, order: str) -> list[str]:
        places = map(str, (self.noted, self.begins))
        return [sys.executable, str(self.script), self.kernels, *places, order]

    def compiled(self) -> list[str]:
        """Return the operations for which the driver has compiled."""
        return self.noted.read_text().split() if self.noted.exists() else []


@attrs.frozen
class Measuring:
    """Reader of cards that finds some memory in use. It lets a unit end when it was asked."""

    pipe: int
    used: int

    def cards(self) -> Sequence[devices.Card]:
        return ()

    def used_bytes(self, card: devices.Card, pids: Collection[int]) -> int:
        os.write(self.pipe, b".")
        return self.used


Start = Callable[[str], tuple[RenderPlugin, Renderer]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Yield a function that makes a node on a card; all nodes are of one user."""
    cards = machine(tmp_path / "machine", *MAKERS)
    stored = tmp_path / "user"

    def user_cache_path(_: str) -> Path:
        return stored

    monkeypatch.setattr(platformdirs, "user_cache_path", user_cache_path)
    script, pipe = file(tmp_path / "driver.py", DRIVER), tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = Measuring(os.open(pipe, os.O_RDWR | os.O_NONBLOCK), 3 * GIB)
    monkeypatch.setattr(devices, "installed", lambda: reader)

    def started(name: str) -> tuple[RenderPlugin, Renderer]:
        device = devices.find(name, cards)
        assert isinstance(device, devices.Device)
        renderer = Renderer(FOLDERS[name], script, tmp_path / "noted", pipe)
        found = Blender(
            renderer=renderer,  # type: ignore[arg-type]
            box=NoSandbox(),
            device=device,
            version="5.2.0",
            build="b1",
        )

        async def find(*_: object, **__: object) -> Blender:
            return found

        monkeypatch.setattr(blender, "find", find)
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return RenderPlugin(scratch=scratch, device=device), renderer

    yield started
    os.close(reader.pipe)


def kernels(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("name", FOLDERS, ids=str)
async def test_a_node_has_kernels_compiled_once_and_each_job_keeps_its_own(
    start: Start, tmp_path: Path, name: str
) -> None:
    scene = file(tmp_path / "scene.blend")
    first, renderer = start(name)
    assert await first.why_not() is None
    assert renderer.compiled() == ["try", "compile"]
    render, _ = start(name)
    assert await render.why_not() is None
    assert renderer.compiled() == ["try", "compile"], "the second start finds them stored"
    assert render.found is not None
    assert render.found.compiled is not None
    for number, job in enumerate(("a", "a", "b")):
        unit = attrs.evolve(task(tmp_path / f"unit-{number}", scene, {}), job_id=job)
        result = await render.run(unit)
        assert isinstance(result, Completed)
        assert result.vram == 3 * GIB, "the most that was measured"
        await render.residents.end()
    assert renderer.compiled() == ["try", "compile", "render", "render"], "once for each job"
    assert kernels(render.found.compiled) == {"try", "compile"}, "processes have only a copy"


async def test_a_driver_that_fails_to_compile_more_leaves_that_to_the_jobs(start: Start) -> None:
    render, renderer = start("cuda:0")
    renderer.noted.with_name("noted.broken").touch()
    assert await render.why_not() is None, "the small picture was rendered"
    assert render.found is not None
    assert render.found.compiled is not None
    assert kernels(render.found.compiled) == {"try"}


async def test_a_new_driver_compiles_again(start: Start, tmp_path: Path) -> None:
    render, _ = start("optix:0")
    assert await render.why_not() is None
    found = render.found
    assert found is not None
    assert found.device is not None
    newer = attrs.evolve(found.device, card=attrs.evolve(found.device.card, driver="560.1"))
    assert state_of(found, newer) != state_of(found, found.device)


@pytest.mark.render
async def test_the_scene_that_needs_kernels_is_rendered_by_a_real_blender(
    found_blender: Blender, tmp_path: Path
) -> None:
    """On the processor, which compiles nothing."""
    found_blender.box.prepare(tmp_path)
    ending = await found_blender.obey({"do": "compile"}, tmp_path, within=300, hear=lambda _: None)
    assert ending.last.get("event") == "done", ending
