"""Scenes of which crops cannot be rendered: a check skips the comparison but still looks at the
frames.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from actors.verifier.report import Report, answer
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.checks import DRAWS, FRAME, Files, Stage
from tests.integration.node.scenes import build, unit
from tests.unit.proof import receipts

pytestmark = [pytest.mark.render, pytest.mark.heavy]
BY_REGION = """
cube = bpy.data.objects["Cube"]
curve = cube.driver_add("rotation_euler", 2)
curve.driver.type = "SUM"
variable = curve.driver.variables.new()
variable.targets[0].id_type, variable.targets[0].id = "SCENE", scene
variable.targets[0].data_path = "render.border_max_x"
"""
GUIDED = "\nscene.cycles.use_guiding = True\n"
REGION = """
render = scene.render
render.use_border = render.use_crop_to_border = True
render.resolution_x = render.resolution_y = 10
render.border_min_x, render.border_max_x = 0.1, 0.7
"""
LAYERS = """
settings = scene.render.image_settings
if hasattr(settings, "media_type"):
    settings.media_type = "MULTI_LAYER_IMAGE"
settings.file_format = "OPEN_EXR_MULTILAYER"
scene.view_layers[0].use_pass_cryptomatte_object = True
"""
TIFF = GUIDED + 'scene.render.image_settings.file_format = "TIFF"\n'
EEVEE = """
for engine in ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"):
    try:
        scene.render.engine = engine
    except TypeError:
        pass
"""
ATTRIBUTE = """
made = bpy.data.materials.new("machine")
made.use_nodes = True
group = bpy.data.node_groups.new("within", "ShaderNodeTree")
group.interface.new_socket("Value", in_out="OUTPUT", socket_type="NodeSocketFloat")
read, out = group.nodes.new("ShaderNodeAttribute"), group.nodes.new("NodeGroupOutput")
read.attribute_type, read.attribute_name = "VIEW_LAYER", "render.threads"
group.links.new(read.outputs["Fac"], out.inputs[0])
used = made.node_tree.nodes.new("ShaderNodeGroup")
used.node_tree = group
shader = made.node_tree.nodes["Principled BSDF"]
made.node_tree.links.new(used.outputs[0], shader.inputs["Metallic"])
bpy.data.objects["Cube"].data.materials[0] = made
"""
SCRIPT = """
scene.cycles.shading_system = True
made = bpy.data.materials.new("program")
made.use_nodes = True
made.node_tree.nodes.new("ShaderNodeScript")
bpy.data.objects["Cube"].data.materials[0] = made
"""
DENOISED = """
cycles = scene.cycles
for frame, is_on in ((1, False), (FRAME, True)):
    cycles.use_denoising = is_on
    cycles.keyframe_insert("use_denoising", frame=frame)
scene.frame_set(1)
""".replace("FRAME", str(FRAME))
TIMED = "\nscene.view_layers[0].cycles.pass_render_time = True\n"
COMPOSED = (
    TIMED
    + """
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
tree.links.new(layers.outputs["Image"], out.inputs[0])
"""
)
PENCIL = """
scene.render.resolution_x = scene.render.resolution_y = 32
bpy.ops.object.grease_pencil_add(type="MONKEY", location=(0, 0, 1.2), radius=2.5)
"""
# A pass that only machines with three threads write.
PASS = """
settings = scene.render.image_settings
settings.media_type, settings.file_format = "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER"
curve = scene.view_layers[0].driver_add("use_pass_mist")
curve.driver.type = "SCRIPTED"
variable = curve.driver.variables.new()
variable.name = "threads"
variable.targets[0].id_type, variable.targets[0].id = "SCENE", scene
variable.targets[0].data_path = "render.threads"
curve.driver.expression = "threads == 3"
"""
MANY_PASSES = """
for number in range(130):
    aov = scene.view_layers[0].aovs.add()
    aov.name, aov.type = f"a{number}", "COLOR"
"""
MANY_LAYERS = """
scene.cycles.samples = 1
for number in range(45):
    for of in scene.view_layers.new(f"layer {number}").layer_collection.children:
        of.exclude = True
"""
LOOSE = ("attribute", "driven", "script", "timed", "pencil")
UNCUT = {
    "denoised later": DENOISED,
    "guided": GUIDED,
    "region": REGION,
    "layers": LAYERS,
    "tiff": TIFF,
    "driven": BY_REGION,
    "attribute": ATTRIBUTE,
    "script": SCRIPT,
    "timed": TIMED,
    "pencil": PENCIL,
    "passes": MANY_PASSES,
    "many layers": MANY_LAYERS,
}


EQUAL = {"equal": True, "off": None}


def staged(folder: Path, render: RenderPlugin, change: str) -> Stage:
    return Stage(folder, render, build(folder / "scene.blend", change), Files(b"", None))


async def delivered(stage: Stage, **params: Any) -> Files:
    """Return the node's frame of this scene, which has no evidence."""
    given = {"frame": FRAME, "evidence": True, **params}
    folder = stage.folder / f"made{len(params)}"
    made = await stage.render.run(unit(folder, {"s.blend": stage.scene}, given))
    assert isinstance(made, Completed), made
    assert made.file is not None
    assert made.evidence is None
    return Files(made.file.read_bytes(), None)


async def seen(stage: Stage, files: Files, draws: list[Any]) -> Mapping[str, Any]:
    told = await stage.told(f"seen-{len(draws)}", files, draws=draws)
    assert not isinstance(told, Failed), told
    return told


@pytest.mark.parametrize("kind", UNCUT)
async def test_an_honest_frame_is_not_checked(
    tmp_path: Path, render: RenderPlugin, kind: str
) -> None:
    """A scene that cannot be cropped looks different in parts, so even an honest node's crops
    differ.
    """
    stage = staged(tmp_path, render, UNCUT[kind])
    told = await seen(stage, await delivered(stage), DRAWS)
    assert told["unable"]
    assert "fault" not in told
    assert "suspect" not in told
    assert told.get("loose", False) is (kind in LOOSE)


@pytest.mark.parametrize(
    ("change", "draws"), [(GUIDED, DRAWS), (GUIDED, []), (EEVEE, DRAWS), (TIFF, DRAWS)]
)
async def test_what_is_no_picture_is_found(
    tmp_path: Path, render: RenderPlugin, change: str, draws: list[Any]
) -> None:
    stage = staged(tmp_path, render, change)
    told = await seen(stage, Files(b"this is no picture", b"nor this evidence"), draws)
    assert "unable" not in told or "fault" in told
    assert "picture" in told["fault"]
    assert "loose" not in told, "no honest node delivers such a file"


async def test_another_size_is_found(tmp_path: Path, render: RenderPlugin) -> None:
    stage = staged(tmp_path, render, GUIDED)
    picture = receipts.png([bytes(65 * 3)] * 36, 65)
    told = await seen(stage, Files(picture, None), DRAWS)
    assert told["fault"] == "the picture is 65 by 36, not 64 by 36"


async def test_a_head_that_breaks_off_is_found(tmp_path: Path, render: RenderPlugin) -> None:
    stage = staged(tmp_path, render, LAYERS)
    honest = await delivered(stage)
    told = await seen(stage, Files(honest.picture[:400], None), DRAWS)
    assert "truncated" in told["fault"]


@pytest.mark.parametrize(("change", "why"), [(GUIDED, "Path Guiding"), (COMPOSED, "Render Time")])
async def test_one_colour_is_suspect(
    tmp_path: Path, render: RenderPlugin, change: str, why: str
) -> None:
    stage = staged(tmp_path, render, change)
    told = await seen(stage, Files(receipts.png([bytes(64 * 3)] * 36, 64), None), DRAWS)
    assert why in told["unable"]
    assert "one colour" in told["suspect"]


async def check_whole(stage: Stage, name: str, files: Files) -> Mapping[str, Any]:
    """Return the report of a check that renders the whole frame and answers for each region."""
    told = await stage.told(name, files, whole=True)
    assert not isinstance(told, Failed), told
    assert isinstance(answer(told, len(DRAWS)), Report), "one whole frame answers for all regions"
    return told


@pytest.mark.parametrize(
    "kind",
    [
        *("guided", "layers", "attribute"),
        *(pytest.param(kind, marks=pytest.mark.nightly) for kind in ("region", "tiff")),
    ],
)
async def test_a_frame_that_cannot_be_cut_is_rendered_whole(
    tmp_path: Path, render: RenderPlugin, kind: str
) -> None:
    stage = staged(tmp_path, render, UNCUT[kind])
    honest, lie = await delivered(stage), await delivered(stage, samples=1)
    told = await check_whole(stage, "honest", honest)
    assert ("unable" in told, told["whole"], told["crops"]) == (False, True, [EQUAL])
    assert bool(told.get("loose")) == (kind == "attribute")
    assert ("seen" in told) == (kind != "tiff")
    [found] = (await check_whole(stage, "lie", lie))["crops"]
    assert found["off"] > 0.5


async def test_other_passes_by_the_machine_are_a_fault_that_honest_nodes_may_have(
    tmp_path: Path, render: RenderPlugin
) -> None:
    stage = staged(tmp_path, render, PASS)
    task = unit(tmp_path / "made", {"s.blend": stage.scene}, {"frame": FRAME, "evidence": True})
    made = await render.run(attrs.evolve(task, threads=3))
    assert isinstance(made, Completed), made
    assert made.file is not None
    told = await check_whole(stage, "whole", Files(made.file.read_bytes(), None))
    assert "other layers or passes" in told["fault"]
    assert told["loose"]


async def test_the_noisy_pass_makes_no_zip_of_a_checked_frame(
    tmp_path: Path, render: RenderPlugin
) -> None:
    """A check expects a picture. Of a scene that can be cut, the evidence has the noisy pass."""
    stage = staged(tmp_path, render, GUIDED)
    told = await check_whole(stage, "whole", await delivered(stage, noisy=True))
    assert told["crops"] == [EQUAL]


@pytest.mark.parametrize("percent", [29, 57, 58])
async def test_the_size_is_rounded_as_blender_does(
    tmp_path: Path, render: RenderPlugin, percent: int
) -> None:
    size = "scene.render.resolution_x = scene.render.resolution_y = 100\n"
    size += f"scene.render.resolution_percentage = {percent}\n"
    stage = staged(tmp_path, render, GUIDED + size)
    told = await check_whole(stage, "whole", await delivered(stage))
    assert told["crops"] == [EQUAL]


@pytest.mark.parametrize("many", [MANY_PASSES, MANY_LAYERS])
async def test_a_picture_of_more_passes_than_a_check_reads_is_the_scenes_fault(
    tmp_path: Path, render: RenderPlugin, many: str
) -> None:
    """A check would call the file of an honest node broken."""
    stage = staged(tmp_path, render, many + LAYERS)
    given = {"frame": FRAME, "evidence": True}
    made = await render.run(unit(tmp_path / "made", {"s.blend": stage.scene}, given))
    assert isinstance(made, Failed)
    assert made.failure == "scene"
    assert "channels can be checked" in made.error


async def test_a_frame_of_many_passes_is_rendered_whole(
    tmp_path: Path, render: RenderPlugin
) -> None:
    stage = staged(tmp_path, render, MANY_PASSES)
    told = await check_whole(stage, "whole", await delivered(stage))
    assert told["crops"] == [EQUAL]
