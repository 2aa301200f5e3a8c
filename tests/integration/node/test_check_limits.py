"""Checks of dark scenes and of many samples: differences are measured against the noise, and in
every pass that may make the picture.
"""

from pathlib import Path

import attrs
import pytest

from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.checks import Files, Stage
from tests.integration.node.scenes import build

pytestmark = [pytest.mark.render, pytest.mark.heavy]
PLAIN = """
scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
"""
# Few pixels, because a pixel takes long at so many samples.
MANY = """
scene.cycles.samples = 4096
scene.render.resolution_x, scene.render.resolution_y = 32, 18
"""
DARK = (
    PLAIN
    + """
for light in bpy.data.lights:
    light.energy *= 0.001
scene.world.node_tree.nodes["Background"].inputs[1].default_value = 0.001
scene.view_settings.exposure = 9
"""
)
UNLIT = """
for light in list(bpy.data.lights):
    bpy.data.lights.remove(light)
scene.world.node_tree.nodes["Background"].inputs[1].default_value = 0
"""
BURNT_IN = "\nscene.render.use_stamp = True\n"
VOLUME = """
tree = scene.world.node_tree
scatter = tree.nodes.new("ShaderNodeVolumeScatter")
scatter.inputs["Density"].default_value = 0.05
tree.links.new(scatter.outputs[0], tree.nodes["World Output"].inputs["Volume"])
"""
# The picture shows only the mist pass; the false result has another mist.
MIST = """
scene.view_layers[0].use_pass_mist = True
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
tree.links.new(layers.outputs["Mist"], out.inputs[0])
"""
OTHER_MIST = "\nscene.world.mist_settings.start = 500\n"
TIFF = "\nscene.render.image_settings.file_format = 'TIFF'\n"


@pytest.fixture
def stage(render: RenderPlugin, tmp_path: Path) -> Stage:
    """Return a stage without a scene yet."""
    return Stage(tmp_path, render, tmp_path / "scene.blend", Files(b"", None))


async def staged(stage: Stage, *lines: str) -> Stage:
    build(stage.scene, *lines)
    return attrs.evolve(stage, honest=await stage.delivered("honest", stage.scene))


@pytest.mark.parametrize("lines", [(DARK,), (PLAIN, VOLUME), (PLAIN, BURNT_IN)])
async def test_an_honest_one_is_exact(stage: Stage, lines: tuple[str, ...]) -> None:
    stage = await staged(stage, *lines)
    assert await stage.verdict("honest", stage.honest) == "exact"


async def test_a_dark_scene_is_not_black(stage: Stage, tmp_path: Path) -> None:
    stage = await staged(stage, DARK)
    black = await stage.delivered("black", build(tmp_path / "black.blend", DARK, UNLIT))
    fewer = await stage.delivered("fewer", stage.scene, samples=4)
    assert await stage.verdict("dark-black", black) == "mismatch"
    assert await stage.verdict("dark-fewer", fewer) == "mismatch"


async def test_three_quarters_of_many_samples_are_not_all_of_them(stage: Stage) -> None:
    stage = await staged(stage, PLAIN, MANY)
    fewer = await stage.delivered("fewer", stage.scene, samples=3072)
    assert await stage.verdict("3072 of 4096 samples", fewer) == "mismatch"


async def test_every_pass_counts_that_may_make_the_picture(stage: Stage, tmp_path: Path) -> None:
    stage = await staged(stage, PLAIN, MIST)
    lie = await stage.delivered("mist", build(tmp_path / "mist.blend", PLAIN, MIST, OTHER_MIST))
    assert await stage.verdict("other mist", lie) == "mismatch"


async def test_a_picture_that_no_head_is_read_of_is_looked_at(stage: Stage) -> None:
    stage = await staged(stage, PLAIN, TIFF)
    assert await stage.verdict("honest TIFF", stage.honest) == "exact"
    for number, lie in enumerate((b"this is no picture at all", b"II*\0" + bytes(400))):
        files = attrs.evolve(stage.honest, picture=lie)
        assert await stage.verdict(f"no TIFF {number}", files) == "mismatch"
    other = await stage.delivered("seed", stage.scene, samples=1)
    mixed = attrs.evolve(stage.honest, picture=other.picture)
    assert await stage.verdict("another TIFF", mixed) == "mismatch"
