"""Checks of chunks with simulations that are not baked, so each frame depends on earlier frames."""

from pathlib import Path

import attrs
import pytest

from actors.verifier.thresholds import of_all
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.scenes import build
from tests.integration.node.test_pieces import Stage

pytestmark = [pytest.mark.render, pytest.mark.heavy]
FRAMES = [8, 9, 10, 11]
PLAIN = """
scene.cycles.samples, scene.cycles.use_denoising = 8, False
cube = bpy.data.objects["Cube"]
"""
ZONE = """
tree = bpy.data.node_groups.new("sim", "GeometryNodeTree")
tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
first, last = tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
begin, end = (tree.nodes.new(f"GeometryNodeSimulation{of}") for of in ("Input", "Output"))
begin.pair_with_output(end)
move = tree.nodes.new("GeometryNodeSetPosition")
move.inputs["Offset"].default_value = (0, 0, 0.25)
for one, other in (
    (first.outputs[0], begin.inputs["Geometry"]),
    (begin.outputs["Geometry"], move.inputs["Geometry"]),
    (move.outputs["Geometry"], end.inputs["Geometry"]),
    (end.outputs["Geometry"], last.inputs[0]),
):
    tree.links.new(one, other)
cube.modifiers.new("sim", "NODES").node_group = tree
"""
CLOTH = """
bpy.ops.mesh.primitive_grid_add(x_subdivisions=20, y_subdivisions=20, size=4, location=(0, 0, 2))
sheet = bpy.context.object
sheet.modifiers.new("Cloth", "CLOTH")
cube.modifiers.new("collision", "COLLISION")
"""
INSTANCED = """
asset = bpy.data.collections.new("asset")
for thing in (sheet, cube):
    for of in list(thing.users_collection):
        of.objects.unlink(thing)
    asset.objects.link(thing)
empty = bpy.data.objects.new("instance", None)
empty.instance_type, empty.instance_collection = "COLLECTION", asset
scene.collection.objects.link(empty)
"""
HAIR = """
cube.modifiers.new("fur", "PARTICLE_SYSTEM")
fur = cube.particle_systems[0]
fur.settings.type, fur.settings.count, fur.settings.hair_length = "HAIR", 300, 1.5
fur.use_hair_dynamics = True
"""
PARTICLES = """
cube.modifiers.new("dust", "PARTICLE_SYSTEM")
dust = cube.particle_systems[0].settings
dust.count, dust.frame_start, dust.frame_end = 500, 1, 20
dust.render_type, dust.instance_object, dust.particle_size = "OBJECT", bpy.data.objects["Cube"], 0.1
"""
SOFT = """
cube.modifiers.new("soft", "SOFT_BODY")
"""
RIGID = """
bpy.context.view_layer.objects.active = cube
bpy.ops.rigidbody.object_add()
"""
PAINT = """
bpy.ops.mesh.primitive_grid_add(x_subdivisions=20, y_subdivisions=20, size=4)
water = bpy.context.object
water.modifiers.new("paint", "DYNAMIC_PAINT").ui_type = "CANVAS"
bpy.ops.dpaint.type_toggle(type="CANVAS")
water.modifiers[0].canvas_settings.canvas_surfaces[0].surface_type = "WAVE"
cube.keyframe_insert("location", frame=1)
cube.location[2] = -1.0
cube.keyframe_insert("location", frame=14)
bpy.context.view_layer.objects.active = cube
cube.modifiers.new("paint", "DYNAMIC_PAINT").ui_type = "BRUSH"
bpy.ops.dpaint.type_toggle(type="BRUSH")
cube.hide_render = True
"""
OTHERS = {
    "cloth": CLOTH,
    "instanced": CLOTH + INSTANCED,
    "hair": HAIR,
    "particles": PARTICLES,
    "soft": SOFT,
    "rigid": RIGID,
    "paint": PAINT,
}


async def compared(stage: Stage, name: str, picture: Path, shown: float) -> str:
    report = await stage.told(f"{name}-{shown}", picture, frames=FRAMES, shown=[shown])
    assert report.fault is report.unable is None, report
    return of_all(report.compared)


@pytest.fixture
def stage(render: RenderPlugin, tmp_path: Path) -> Stage:
    return Stage(tmp_path, render, build(tmp_path / "scene.blend", PLAIN, ZONE))


async def test_a_frame_is_rendered_after_those_before_it(stage: Stage, tmp_path: Path) -> None:
    honest = await stage.made("honest", frames=FRAMES)
    for shown in (0.1, 0.9):
        assert await compared(stage, "honest", honest, shown) == "exact"
    scene = build(tmp_path / "still.blend", PLAIN)
    lie = await attrs.evolve(stage, scene=scene).made("lie", frames=FRAMES)
    fewer = await stage.made("fewer", frames=FRAMES, samples=2)
    for name, picture in (("lie", lie), ("fewer", fewer)):
        assert await compared(stage, name, picture, 0.9) == "mismatch"


@pytest.mark.nightly
@pytest.mark.parametrize("name", OTHERS)
async def test_so_it_is_with_other_simulations(
    render: RenderPlugin, tmp_path: Path, name: str
) -> None:
    stage = Stage(tmp_path, render, build(tmp_path / "scene.blend", PLAIN, OTHERS[name]))
    honest = await stage.made("honest", frames=FRAMES)
    assert await compared(stage, name, honest, 0.9) == "exact"
    told = await stage.told("loose", honest, frames=FRAMES, shown=[0.9])
    assert told.is_loose, "another machine may compute such a simulation otherwise"
