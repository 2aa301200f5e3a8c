"""Checks of a scene with animated seed and samples, rendered with another instruction set."""

from pathlib import Path

import attrs
import pytest

from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Failed
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.checks import Files, Stage
from tests.integration.node.scenes import build

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
