"""A scene that shows a check's own files by their paths does not make an honest node look
dishonest.
"""

from pathlib import Path

import attrs
import pytest

from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.checks import Files, Stage
from tests.integration.node.scenes import build

pytestmark = [pytest.mark.render, pytest.mark.heavy]
# Images in the scene whose files exist during a check only; otherwise Blender shows pink.
SHOWN = """
for number, path in enumerate((
    "//check/picture", "//check/evidence.exr", "/job/in/check/picture",
    "/job/delivered/picture", "/job/out/their-evidence.exr", "/job/out/their-picture.png",
    "/job/out/coarse.exr", "/job/out/crop-0.exr", "/job/out/other.exr",
)):
    place = (number % 3 * 3 - 3, number // 3 * 3 - 3, -1)
    bpy.ops.mesh.primitive_plane_add(size=3, location=place)
    made = bpy.data.materials.new("shown")
    made.use_nodes = True
    bpy.context.object.data.materials.append(made)
    image = bpy.data.images.new("shown", 8, 8)
    image.source, image.filepath = "FILE", path
    tree = made.node_tree
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    tree.links.new(texture.outputs[0], tree.nodes["Principled BSDF"].inputs["Base Color"])
"""


async def test_no_scene_shows_what_a_check_works_on(render: RenderPlugin, tmp_path: Path) -> None:
    scene = build(tmp_path / "scene.blend", SHOWN)
    stage = Stage(tmp_path, render, scene, Files(b"", None))
    stage = attrs.evolve(stage, honest=await stage.delivered("honest", scene))
    assert await stage.verdict("shown", stage.honest) == "exact"
