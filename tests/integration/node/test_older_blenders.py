"""Units in older versions of Blender, whose scenes have paths that the worker replaces."""

import subprocess
from pathlib import Path

import numpy as np
import orjson
import pytest
from PIL import Image

from rendertrust.node import blender, scene_inspection
from rendertrust.node.blender import Blender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.plugin import Completed, Failed, Task
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.scene_inspection import SceneFolder, TimedOut
from rendertrust.preflight.layout import PATHS
from tests.acceptance.extension.blenders import found
from tests.integration.node.scenes import END, unit

pytestmark = pytest.mark.render

# Arguments: the saved scene, and a picture that fills the view.
SCENE = """
import bpy, sys
path, picture = sys.argv[1:]
scene = bpy.context.scene
scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 1
scene.render.resolution_x, scene.render.resolution_y = 64, 36
scene.view_settings.view_transform = "Standard"
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


async def colour_of(render: RenderPlugin, task: Task) -> tuple[int, ...]:
    """Return the colour of a frame that has only one."""
    result = await render.run(task)
    assert isinstance(result, Completed), result
    assert result.file is not None
    colours = np.asarray(Image.open(result.file).convert("RGB")).reshape(-1, 3)
    (colour,) = np.unique(colours, axis=0)
    return tuple(map(int, colour))
