"""A scene that shows what a check works on, by its name, makes no liar of an honest node."""

from pathlib import Path

import attrs
import pytest

from rendertrust.node.plugins.render import Render
from tests.integration.node.checks import Files, Stage
from tests.integration.node.scenes import build

pytestmark = [pytest.mark.render, pytest.mark.heavy]
# Missing when a node renders; each is black where it is there, and pink where it is not.
SHOWN = """
from bpy import data, ops
ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
plane, tree = bpy.context.object, None
paths = (
    "//check/picture", "//check/evidence.exr", "/job/in/check/picture",
    "/job/delivered/picture", "/job/out/their-evidence.exr", "/job/out/their-picture.png",
    "/job/out/coarse.exr", "/job/out/crop-0.exr", "/job/out/other.exr",
)
made = data.materials.new("shown")
made.use_nodes = True
plane.data.materials.append(made)
tree = made.node_tree
last = tree.nodes["Principled BSDF"].inputs["Base Color"]
for path in paths:
    image = data.images.new("shown", 8, 8)
    image.source, image.filepath = "FILE", path
    texture, mix = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeMix")
    texture.image, mix.data_type = image, "RGBA"
    tree.links.new(texture.outputs["Color"], mix.inputs[6])
    tree.links.new(mix.outputs[2], last)
    last = mix.inputs[7]
"""


async def test_no_scene_shows_what_a_check_works_on(tmp_path: Path) -> None:
    render = Render(scratch=tmp_path / "scratch")
    assert await render.why_not() is None
    scene = build(tmp_path / "scene.blend", SHOWN)
    stage = Stage(tmp_path, render, scene, Files(b"", None))
    stage = attrs.evolve(stage, honest=await stage.delivered("honest", scene))
    assert await stage.verdict("shown", stage.honest) == "exact"
