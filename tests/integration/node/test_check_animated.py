"""Checks of a scene with animated seed and samples, rendered with another instruction set."""

from pathlib import Path

import attrs
import pytest

from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.checks import FRAME, Files, Stage
from tests.integration.node.scenes import build, unit

pytestmark = [pytest.mark.render, pytest.mark.heavy]
OTHER_SET = "CYCLES_CPU_NO_AVX2"
HAIR = """
scene.render.resolution_x, scene.render.resolution_y = 96, 54
scene.cycles.samples, scene.cycles.use_denoising = 16, False
bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
bpy.data.objects["Cube"].hide_render = True
bpy.ops.mesh.primitive_uv_sphere_add(radius=1.2)
ball = bpy.context.object
ball.modifiers.new("fur", "PARTICLE_SYSTEM")
fur = ball.particle_systems[0].settings
fur.type, fur.count, fur.hair_length, fur.hair_step = "HAIR", 800, 0.5, 4
"""
DRIVEN = """
scene.cycles.use_animated_seed = False
scene.driver_add("cycles.seed").driver.expression = "frame"
"""
KEYED = """
scene.cycles.use_animated_seed = False
for name, least, most in (("seed", 0, 900), ("samples", 8, 24)):
    for frame, value in ((1, least), (9, most)):
        setattr(scene.cycles, name, value)
        scene.keyframe_insert(f"cycles.{name}", frame=frame)
"""


@pytest.mark.parametrize("animated", [pytest.param(DRIVEN, marks=pytest.mark.nightly), KEYED])
async def test_its_noise_is_found_all_the_same(
    found_blender: Blender,
    render: RenderPlugin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    animated: str,
) -> None:
    """Differences by rounding must be small beside the scene's noise, so the check must measure
    that noise.
    """
    scene = build(tmp_path / "scene.blend", HAIR, animated)
    stage = Stage(tmp_path, render, scene, Files(b"", None))
    monkeypatch.setenv(OTHER_SET, "1")  # for a new process of the renderer
    other = RenderPlugin(scratch=tmp_path / "other", found=found_blender)
    honest = await attrs.evolve(stage, render=other).delivered("honest", scene)
    monkeypatch.delenv(OTHER_SET)
    told = await stage.told("honest", honest)
    assert not isinstance(told, Failed), told
    assert max(crop["off"] or 0.0 for crop in told["crops"]) < 0.1, told["crops"]


# Settings that nodes choose, animated so that each frame would change them again. All of them
# depend on the machine or the time.
STAMPED = """
scene.render.resolution_x, scene.render.resolution_y, scene.cycles.samples = 256, 144, 1
scene.render.use_stamp = scene.render.use_stamp_date = True
scene.render.keyframe_insert("use_stamp_date", frame=1)
"""
LIMITED = """
scene.cycles.samples, scene.cycles.use_adaptive_sampling = 1024, False
scene.cycles.use_denoising, scene.cycles.time_limit = False, 0.05
scene.cycles.keyframe_insert("time_limit", frame=1)
"""
# The compositor shows a second scene, whose own time limit would end its render early.
BEHIND = """
other = scene.copy()
other.cycles.samples, other.cycles.use_adaptive_sampling = 1024, False
other.cycles.use_denoising, other.cycles.time_limit = False, 0.05
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
layers.scene = other
tree.links.new(layers.outputs["Image"], out.inputs[0])
"""


@pytest.mark.parametrize("kind", [STAMPED, LIMITED, BEHIND], ids=["stamped", "limited", "behind"])
async def test_frames_do_not_depend_on_the_time(
    render: RenderPlugin, tmp_path: Path, kind: str
) -> None:
    """A creator could otherwise use such a scene to give honest nodes strikes."""
    scene = build(tmp_path / "scene.blend", kind)
    stage = Stage(tmp_path, render, scene, Files(b"", None))
    task = unit(tmp_path / "made", {"s.blend": scene}, {"frame": FRAME, "evidence": True})
    made = await render.run(task)
    assert isinstance(made, Completed), made
    assert made.file is not None
    evidence = None if made.evidence is None else made.evidence.read_bytes()
    files = Files(made.file.read_bytes(), evidence)
    told = await stage.told("honest", files, whole=kind == BEHIND)
    assert not isinstance(told, Failed), told
    assert all(one["equal"] for one in (*told["crops"], told["finish"])), told


async def test_the_samples_of_the_job_count_although_the_scene_animates_them(
    render: RenderPlugin, tmp_path: Path
) -> None:
    """The price follows the number of samples that the job names."""
    scene = build(tmp_path / "scene.blend", KEYED)
    made = await render.run(unit(tmp_path / "made", {"s.blend": scene}, {"frame": 9, "samples": 2}))
    assert isinstance(made, Completed), made
    assert made.work is not None
    assert made.work["samples"] == 2


LOUD = """
curve = bpy.data.lights[0].driver_add("energy")
curve.driver.type = "SCRIPTED"
variable = curve.driver.variables.new()
variable.name = "seed"
variable.targets[0].id_type, variable.targets[0].id = "SCENE", scene
variable.targets[0].data_path = "cycles.seed"
curve.driver.expression = "1000.0 if seed == 0 else 1e12"
"""


async def test_a_scene_that_follows_the_seed_is_not_rendered(
    render: RenderPlugin, tmp_path: Path
) -> None:
    """Beside its difference by the seed, any other difference would look small."""
    scene = build(tmp_path / "scene.blend", LOUD)
    made = await render.run(unit(tmp_path / "made", {"s.blend": scene}, {"frame": FRAME}))
    assert isinstance(made, Failed)
    assert (made.failure, "reads the seed" in made.error) == ("scene", True)
