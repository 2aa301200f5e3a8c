"""Units in older versions of Blender, whose scenes have paths that the worker replaces."""

import subprocess
from pathlib import Path

import attrs
import numpy as np
import orjson
import pytest
from PIL import Image

from rendertrust.blender_version import parse
from rendertrust.node import blender, scene_inspection
from rendertrust.node.blender import Blender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.plugin import Completed, Failed, Task
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.renderer_store import RendererStore
from rendertrust.node.scene_inspection import SceneFolder, TimedOut
from rendertrust.preflight.layout import PATHS
from tests.acceptance.extension.blenders import found
from tests.integration.node.scenes import END, unit
from web.downloads.renderers import listed_renderers

pytestmark = pytest.mark.render

# Arguments: the saved scene, and a picture that fills the view.
SCENE = """
import bpy, sys
path, picture = sys.argv[1:]
scene = bpy.context.scene
scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 1
scene.render.resolution_x, scene.render.resolution_y = 64, 36
scene.view_settings.view_transform, scene.render.dither_intensity = "Standard", 0.0
scene.cycles.use_denoising = False  # it would leave several reds
bpy.data.objects.remove(bpy.data.objects["Cube"])
surface = scene.world.node_tree
light = surface.nodes.new("ShaderNodeTexEnvironment")
light.image = bpy.data.images.load(picture)
surface.links.new(light.outputs["Color"], surface.nodes["Background"].inputs["Color"])
bpy.ops.wm.save_as_mainfile(filepath=path, compress=True)
"""


def renderer(python: str, packages: Path) -> Renderer:
    """Return a Blender as a module of another Python."""
    place = Path(python)
    base = subprocess.run(
        [python, "-c", "import sys; print(sys.base_prefix)"],
        capture_output=True,
        text=True,
        check=True,
    )
    readable = (place.parent.parent, Path(base.stdout.strip()).resolve(), packages)
    return Renderer(kind="bpy", before=(python, "-I", "-B"), after=(), readable=readable)


def save_scene(python: str, scene: Path, picture: Path) -> None:
    """Save a scene that shows a picture, with the Blender of another Python."""
    subprocess.run([python, "-c", SCENE + END, str(scene), str(picture)], check=True, timeout=120)


@pytest.mark.nightly
@pytest.mark.parametrize("version", ["4.2", "4.5", "5.0"])
async def test_a_scene_is_rendered_by_the_version_that_saved_it(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = found(version)
    program = renderer(older.python, older.packages)
    monkeypatch.setattr("rendertrust.node.blender_discovery.find", lambda: program)
    node = await blender.find(tmp_path / "scratch")
    assert isinstance(node, Blender), node
    assert node.version.startswith(f"{version}.")
    scene, red, paths = (tmp_path / name for name in ("s.blend", "red.png", PATHS))
    Image.new("RGB", (8, 4), (255, 0, 0)).save(red)
    save_scene(older.python, scene, red)
    paths.write_bytes(orjson.dumps({"//red.png": "linked/0/red.png"}))
    inputs = {"s.blend": scene, "linked/0/red.png": red, PATHS: paths}
    task = unit(tmp_path / "sent", inputs, {})
    facts = await scene_inspection.inspect(
        node, SceneFolder(folder=task.folder, scene="s.blend", paths=PATHS)
    )
    assert not isinstance(facts, Failed | TimedOut), facts
    assert ".".join(map(str, facts["saved_by"][:2])) == version
    assert [Path(file["file"]).name for file in facts["files"]] == ["red.png"]
    assert all(file["bytes"] for file in facts["files"])
    render = RenderPlugin(scratch=tmp_path / "scratch", found=node)
    assert (await colour_of(render, unit(tmp_path / "a", inputs, {}))) == (255, 0, 0)
    alone = unit(tmp_path / "b", {"s.blend": scene}, {})
    missing = (255, 0, 255)
    assert await colour_of(render, alone) == missing, "a file of this machine was not sent"


@pytest.mark.nightly
@pytest.mark.parametrize("version", ["4.2", "4.5", "5.0", "5.1", "5.3"])
async def test_the_store_installs_the_version_of_a_unit_and_renders_in_it(
    version: str, tmp_path: Path
) -> None:
    own = await blender.find(tmp_path / "scratch")
    assert isinstance(own, Blender), own
    render = RenderPlugin(scratch=tmp_path / "scratch", found=own)
    store = render.store = RendererStore(tmp_path / "renderers", 2**31, render.try_out)
    await store.clean()
    await store.take(listed_renderers())
    release = store.find(parse(version))
    if release is None:
        pytest.skip(store.faults[parse(version)])
    async with store.lent(release) as found:
        assert isinstance(found, Blender), found
        scene, red = tmp_path / "s.blend", tmp_path / "red.png"
        Image.new("RGB", (8, 4), (255, 0, 0)).save(red)
        save_scene(found.renderer.before[0], scene, red)
    paths = tmp_path / PATHS
    paths.write_bytes(orjson.dumps({"//red.png": "linked/0/red.png"}))
    inputs = {"s.blend": scene, "linked/0/red.png": red, PATHS: paths}
    task = attrs.evolve(unit(tmp_path / "a", inputs, {}), blender=version)
    result = await render.run(task)
    assert isinstance(result, Completed), result
    assert str(result.work["blender"]).startswith(f"{version}.")
    assert result.file is not None
    assert only_colour(result.file) == (255, 0, 0)


async def colour_of(render: RenderPlugin, task: Task) -> tuple[int, ...]:
    """Return the colour of a frame that has only one."""
    result = await render.run(task)
    assert isinstance(result, Completed), result
    assert result.file is not None
    return only_colour(result.file)


def only_colour(picture: Path) -> tuple[int, ...]:
    """Return the colour of a picture that has only one."""
    colours = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    (colour, *others) = np.unique(colours, axis=0)
    assert not others, np.unique(colours, axis=0, return_counts=True)
    return tuple(map(int, colour))
