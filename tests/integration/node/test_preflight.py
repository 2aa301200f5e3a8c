"""Findings of preflight: a scene for each finding, made by Blender and inspected in the sandbox."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from PIL import Image

from rendertrust.frame_range import canonical, parse
from rendertrust.node import blender, scene_inspection
from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.preflight import PreflightPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.scene_inspection import SceneFolder
from rendertrust.preflight.findings import Finding, NodeClass, findings, stops
from rendertrust.preflight.frame_probe import spread_of
from rendertrust.preflight.layout import laid_out
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import INSTALLED, build, make, task, unit
from tests.support import programs
from web.jobs.preflight_report import SceneFacts, facts_in

pytestmark = pytest.mark.render

CPU = NodeClass(blenders=(INSTALLED,), ram_bytes=8 * 2**30)
# Make all scenes with one Blender; the argument is their folder.
SCENES = """
import bpy, os, sys
folder = sys.argv[1]
def fresh():
    bpy.ops.wm.read_factory_settings()
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples = "CYCLES", 16
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    return scene
def save(name, compress=True):
    path = os.path.join(folder, name + ".blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, compress=compress, relative_remap=False)
def picture(path, number=1.0):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    image = bpy.data.images.new("made", 4, 4)
    image.pixels = [number] * 64
    image.filepath_raw, image.file_format = path, "PNG"
    image.save()
    bpy.data.images.remove(image)
def textured(image, **user):
    nodes = bpy.data.materials["Material"].node_tree
    node = nodes.nodes.new("ShaderNodeTexImage")
    node.image = image
    for name, value in user.items():
        setattr(node.image_user, name, value)
    nodes.links.new(node.outputs[0], nodes.nodes["Principled BSDF"].inputs[0])
def image(path, source="FILE"):
    made = bpy.data.images.new("texture", 4, 4)
    made.source, made.filepath = source, path
    return made

fresh(); save("clean")
fresh(); save("newer", compress=False)
scene = fresh(); scene.render.engine = "BLENDER_EEVEE"; scene.eevee.taa_render_samples = 8
save("eevee")
scene = fresh(); scene.render.engine = "BLENDER_WORKBENCH"; save("workbench")
scene = fresh(); scene.camera = None; save("camera")
scene = fresh(); scene.render.image_settings.media_type = "VIDEO"; save("movie")
scene = fresh(); scene.cycles.samples = 4096; scene.cycles.time_limit = 5; save("samples")
scene = fresh(); scene.render.resolution_x = 20000; save("large")
scene = fresh(); scene.render.use_border = scene.render.use_stamp = True; save("region")
fresh(); textured(image("/artist/wood.png")); save("missing")
fresh(); textured(image("/artist/\\u202egnp.doow")); save("turned")
fresh()
picture(f"{folder}/maps/plain.png")
textured(image("//maps/plain.png"))
image("//old/nowhere.png").use_fake_user = True
lost = bpy.data.materials.new("Old"); lost.use_fake_user = True
old = lost.node_tree.nodes.new("ShaderNodeTexImage"); old.image = image("//old/gone.png")
save("orphans")
fresh()
for tile in (1001, 1002):
    picture(f"{folder}/maps/skin.{tile}.png")
udim = image("//maps/skin.<UDIM>.png", "TILED")
for tile in (1002, 1011):
    udim.tiles.new(tile)
textured(udim); save("udim")
fresh()
for number in (5, 6, 8):
    picture(f"{folder}/maps/fire_{number:04d}.png")
textured(image("//maps/fire_0005.png", "SEQUENCE"), frame_duration=4, frame_offset=4)
save("sequence")
fresh()
number = dict(frame_duration=2, frame_offset=4, frame_start=3, use_cyclic=True)
textured(image("//maps/fire_0005.png", "SEQUENCE"), **number)
save("cyclic")
fresh()
textured(image("//maps/fire_0005.png", "SEQUENCE"), frame_duration=4, frame_offset=4)
nodes = bpy.data.materials["Material"].node_tree
next(n for n in nodes.nodes if n.type == "TEX_IMAGE").image_user.keyframe_insert("frame_offset")
save("animated")
scene = fresh()
strip = scene.sequence_editor_create().strips.new_image(
    "fire", f"{folder}/maps/fire_0005.png", 1, 10, fit_method="ORIGINAL"
)
for number in (6, 7, 8):
    strip.elements.append(f"fire_{number:04d}.png")
setattr(strip, "duration" if hasattr(strip, "duration") else "frame_final_duration", 4)
save("strip")
fresh()
import wave
scene = fresh()
gone = [os.path.join(folder, name) for name in ("rig.py", "sketch.png", "song.wav")]
with open(gone[0], "w") as file:
    file.write("pass")
picture(gone[1])
with wave.open(gone[2], "wb") as sound:
    sound.setnchannels(1); sound.setsampwidth(2); sound.setframerate(8000)
    sound.writeframes(bytes(1600))
bpy.data.texts.load(gone[0])
sketch = bpy.data.objects.new("Sketch", None)
sketch.empty_display_type, sketch.data = "IMAGE", bpy.data.images.load(gone[1])
scene.collection.objects.link(sketch)
bpy.data.cameras["Camera"].background_images.new().image = bpy.data.images.load(gone[1])
strips = scene.sequence_editor_create().strips
strips.new_sound("song", gone[2], 1, 1)
title = "//maps/plain.png"
strips.new_image("quiet", title, 2, 1, fit_method="ORIGINAL").mute = True
strips.new_image("off", title, 3, 1, fit_method="ORIGINAL")
scene.sequence_editor.channels[3].mute = True
save("unseen")
for name in gone:
    os.remove(name)
scene.camera = None; save("unfilmed")
fresh()
evil = bpy.data.texts.new("rig_ui.py"); evil.use_module = True
driver = bpy.data.objects["Cube"].driver_add("location", 0).driver
driver.expression = "__import__('math').sin(frame)"
plain = bpy.data.objects["Cube"].driver_add("location", 1).driver
plain.expression = "frame * 2"
save("scripts")
fresh()
bpy.data.objects["Cube"].modifiers.new("Fine", "SUBSURF").render_levels = 11; save("memory")
fresh()
both = bpy.data.objects["Cube"].modifiers.new("Fine", "SUBSURF")
both.levels = both.render_levels = 11; save("shown")
fresh()
first = bpy.data.objects["Cube"]
first.modifiers.new("Fine", "SUBSURF").render_levels = 1
second = bpy.data.objects.new("Second", first.data)
bpy.context.collection.objects.link(second)
second.modifiers.new("Fine", "SUBSURF").render_levels = 11; save("twice")
fresh()
for number in range(4):
    rows = bpy.data.objects["Cube"].modifiers.new("Rows", "ARRAY")
    rows.show_viewport, rows.count = False, 60
save("array")
fresh()
for number in range(2):
    bpy.data.objects["Cube"].modifiers.new("Rows", "ARRAY").count = 60
save("rows")
fresh()
tree = bpy.data.node_groups.new("Finer", "GeometryNodeTree")
tree.interface.new_socket("Mesh", in_out="INPUT", socket_type="NodeSocketGeometry")
level = tree.interface.new_socket("Level", in_out="INPUT", socket_type="NodeSocketInt")
tree.interface.new_socket("Mesh", in_out="OUTPUT", socket_type="NodeSocketGeometry")
come, go = tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
fine = tree.nodes.new("GeometryNodeSubdivideMesh")
tree.links.new(come.outputs[0], fine.inputs["Mesh"])
tree.links.new(come.outputs[1], fine.inputs["Level"])
tree.links.new(fine.outputs[0], go.inputs[0])
finer = bpy.data.objects["Cube"].modifiers.new("Finer", "NODES")
finer.show_viewport, finer.node_group = False, tree
if hasattr(finer, "properties"):  # since 5.2
    getattr(finer.properties.inputs, level.identifier).value = 11
else:
    finer[level.identifier] = 11
save("nodes")
fresh()
tree = bpy.data.node_groups.new("Reader", "GeometryNodeTree")
words, read = tree.nodes.new("FunctionNodeInputString"), tree.nodes.new("GeometryNodeImportText")
tree.links.new(words.outputs[0], read.inputs["Path"])
bpy.data.objects["Cube"].modifiers.new("Reader", "NODES").node_group = tree
save("computed")
scene = fresh()
inner = bpy.data.collections.new("Inner")
cube = bpy.data.objects["Cube"]
cube.modifiers.new("Fine", "SUBSURF").render_levels = 11
scene.collection.children[0].objects.unlink(cube)
inner.objects.link(cube)
empty = bpy.data.objects.new("Shown", None)
empty.instance_type, empty.instance_collection = "COLLECTION", inner
scene.collection.objects.link(empty); save("collected")
fresh()
hair = bpy.data.objects["Cube"].modifiers.new("Hair", "PARTICLE_SYSTEM")
hair.show_viewport = False
hairs = hair.particle_system.settings
hairs.type, hairs.count, hairs.child_type = "HAIR", 100_000, "INTERPOLATED"
hairs.rendered_child_count, hairs.render_step = 100, 4
save("hairy")
scene = bpy.context.scene
hair.show_render = False
curves = bpy.data.objects.new("Curves", bpy.data.hair_curves.new("Curves"))
scene.collection.objects.link(curves)
scene.cycles.shading_system = True
cube = bpy.data.objects["Cube"]
for name, turn, place in (("Turned", 1.5707963, 0), ("Moved", 0, 0.1), ("Hidden", 0, 0)):
    other = cube.copy()
    other.name, other.rotation_euler[2], other.location[0] = name, turn, place
    other.hide_render = name == "Hidden"
    scene.collection.objects.link(other)
save("dependent")
scene = fresh()
bpy.data.objects["Cube"].modifiers.new("Cloth", "CLOTH"); save("cloth")
scene = fresh()
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
tree.links.new(layers.outputs[0], out.inputs[0])
tree.nodes.new("CompositorNodeOutputFile"); save("output")
class Foreign(bpy.types.ShaderNode):
    bl_idname, bl_label = "ForeignNode", "Foreign"
bpy.utils.register_class(Foreign)
fresh()
bpy.data.materials["Material"].node_tree.nodes.new("ForeignNode"); save("addon")
class Engine(bpy.types.RenderEngine):
    bl_idname, bl_label = "FOREIGN_RENDER", "Foreign"
bpy.utils.register_class(Engine)
scene = fresh(); scene.render.engine = "FOREIGN_RENDER"; save("engine")
fresh()
bpy.data.objects["Cube"].name = "Chair"; save("library")
fresh(); save("linking")
with bpy.data.libraries.load(f"{folder}/library.blend", link=True, relative=True) as (have, take):
    take.objects = ["Chair"]
bpy.context.collection.objects.link(take.objects[0]); save("linking")
scene = fresh(); scene.cycles.use_guiding = True; save("guided")
scene = fresh(); scene.render.use_multiview = True; save("stereo")
scene = fresh(); scene.view_layers[0].use = False; save("layers")
scene = fresh(); scene.render.image_settings.file_format = "DPX"; save("film")
scene = fresh()
scene.compositing_node_group = bpy.data.node_groups.new("Empty", "CompositorNodeTree")
save("composed")
for kind in (Foreign, Engine):
    bpy.utils.unregister_class(kind)
"""


@attrs.frozen
class Case:
    """A scene, and the finding that preflight must report for it."""

    scene: str
    code: str
    level: str
    setting: str
    object: str | None = None
    path: str | None = None


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    make(SCENES, str(folder))
    newer = folder / "newer.blend"
    newer.write_bytes(newer.read_bytes().replace(b"BLENDER17-01v0502", b"BLENDER17-01v0503", 1))
    (folder / "nothing.blend").write_bytes(b"not a scene at all")
    return folder


async def facts_of(found: Blender, folder: Path, scene: Path, *more: str) -> Mapping[str, Any]:
    (folder / "in").mkdir(parents=True)
    shutil.copyfile(scene, folder / "in" / scene.name)
    for name in more:
        target = folder / "in" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(scene.parent / name, target)
    told = await scene_inspection.inspect(found, SceneFolder(folder=folder, scene=scene.name))
    assert not isinstance(told, Failed | scene_inspection.TimedOut), told
    return told


# Inspect as on the user's own machine (``inspection.look``), with the Blender that makes the
# scenes.
LOOK = """
import json, sys
import bpy
from rendertrust.node.worker.scene.inspector import inspect
inspect(bpy, json.loads(sys.argv[1]), lambda event, **told: None)
"""


def look_here(scene: Path, frames: Sequence[int] | None = None) -> Mapping[str, Any]:
    """Return the facts of a scene, inspected on this machine."""
    with tempfile.TemporaryDirectory() as out:
        order: dict[str, Any] = {"scene": str(scene), "out": out}
        if frames is not None:
            order["frames"] = canonical(frames)
        make(LOOK, json.dumps(order))
        found: Mapping[str, Any] = json.loads(Path(out, "facts.json").read_bytes())
        return found


def by_code(found: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.code: finding for finding in found}


CASES = [
    Case("nothing", "not_a_scene", "error", "Save As"),
    Case("newer", "newer_version", "error", "save the scene in Blender 5.2"),
    Case("eevee", "eevee_on_cpu", "note", "Render Engine: Cycles"),
    Case("engine", "unknown_engine", "error", "Render Engine: Cycles"),
    Case("camera", "no_camera", "error", "Scene > Camera", "Object 'Camera'"),
    Case("movie", "movie_output", "error", "File Format"),
    Case("film", "format_not_delivered", "error", "File Format: PNG"),
    Case("stereo", "stereoscopy", "error", "Output Properties > Stereoscopy"),
    Case("layers", "no_view_layer", "error", "Use for Rendering"),
    Case("composed", "no_compositor_output", "error", "Group Output"),
    Case("large", "too_large", "error", "Resolution"),
    Case("missing", "missing_file", "error", "Data", "Image 'texture'", "/artist/wood.png"),
    Case("linking", "missing_file", "error", "Data", "Library 'library.blend'", "//library.blend"),
    Case("addon", "addon_node", "error", "own nodes", "Material 'Material' > Foreign"),
    Case("computed", "computed_path", "error", "itself", "GeometryNodeTree 'Reader' > Import Text"),
    Case("memory", "too_much_memory", "error", "Max Subdivision", "Object 'Cube'"),
    Case("shown", "too_much_memory", "error", "Levels Render", "Object 'Cube'"),
    Case("twice", "too_much_memory", "error", "Levels Render", "Object 'Second'"),
    Case("array", "too_much_memory", "error", "Count", "Object 'Cube'"),
    Case("nodes", "too_much_memory", "error", "Max Subdivision", "Object 'Cube'"),
    Case("collected", "too_much_memory", "error", "Max Subdivision", "Object 'Cube'"),
    Case("hairy", "too_much_memory", "error", "Max Subdivision", "Object 'Cube'"),
    Case("samples", "many_samples", "warning", "Max Samples"),
    Case("samples", "time_limit", "note", "Time Limit"),
    Case("region", "region", "warning", "Render Region"),
    Case("region", "stamp", "note", "Burn Into Image"),
    Case("scripts", "auto_run_script", "warning", "Register", "Text 'rig_ui.py'"),
    Case("scripts", "driver_script", "warning", "Drivers", "Object 'Cube' location[0]"),
    Case("cloth", "unbaked_simulation", "warning", "Bake", "Object 'Cube' > Cloth"),
    Case("output", "output_node", "warning", "MultiLayer", "Node 'File Output'"),
    Case("guided", "no_tiles", "note", "Path Guiding"),
    Case("guided", "device_dependent", "note", "requirements: device"),
]


@pytest.mark.heavy
@pytest.mark.parametrize("case", CASES, ids=[f"{case.scene}-{case.code}" for case in CASES])
async def test_finding_says_where_it_is_and_what_mends_it(
    resident_blender: Resident, scenes: Path, tmp_path: Path, case: Case
) -> None:
    told = await facts_of(resident_blender, tmp_path, scenes / f"{case.scene}.blend")
    found = findings(told, CPU)
    finding = by_code(found)[case.code]
    assert (finding.level, finding.object, finding.path) == (case.level, case.object, case.path)
    assert case.setting in finding.setting
    assert finding.message
    assert stops(found) == (case.level == "error")


async def test_a_scene_that_is_too_large_to_be_shown_is_not_opened(
    resident_blender: Resident, scenes: Path, tmp_path: Path
) -> None:
    whole = await facts_of(resident_blender, tmp_path / "a", scenes / "rows.blend")
    assert (whole["opened"], whole["memory"]["most"][0]["object"]) == (True, "Object 'Cube'")
    folder = tmp_path / "b"
    (folder / "in").mkdir(parents=True)
    shutil.copyfile(scenes / "rows.blend", folder / "in" / "rows.blend")
    where = SceneFolder(folder=folder, scene="rows.blend")
    told = await scene_inspection.inspect(resident_blender, where, memory_bytes=2**20)
    assert isinstance(told, Mapping)
    assert not told["opened"]
    (finding,) = findings(told, CPU)
    assert (finding.code, finding.object) == ("too_much_memory", "Object 'Cube'")
    assert "not opened" in finding.message


async def test_what_devices_render_differently_is_told_with_its_reason(scenes: Path) -> None:
    assert look_here(scenes / "dependent.blend")["device_dependent"] == [
        "Render Properties > Open Shading Language",
        "hair of Object 'Curves'",
        "overlapping surfaces of Object 'Cube' and Object 'Turned'",
    ]
    facts = look_here(scenes / "hairy.blend")
    assert facts["device_dependent"] == ["hair of Object 'Cube' > Hair"]
    said = by_code(findings(facts, CPU))["device_dependent"].message
    assert "hair of Object 'Cube'" in said
    assert "All frames are rendered on processors" in said


async def test_a_view_transform_that_blender_lacks_is_an_error(
    resident_blender: Resident, scenes: Path, tmp_path: Path
) -> None:
    """Blender would silently use another one, as for a scene with a configuration of its own."""
    content = (scenes / "clean.blend").read_bytes()
    if not content.startswith(b"BLENDER"):
        zstandard = pytest.importorskip("zstandard", reason="comes with Blender")
        unpack = zstandard.ZstdDecompressor().stream_reader
        content = unpack(content, read_across_frames=True).read()
    scene = tmp_path / "views.blend"
    scene.write_bytes(content.replace(b"AgX\0", b"XgX\0"))
    told = await facts_of(resident_blender, tmp_path, scene)
    assert told["lost_views"] == ["XgX"]
    (finding,) = findings(told, CPU)
    assert (finding.code, finding.level) == ("unknown_view_transform", "error")
    assert "no view transform XgX" in finding.message
    (finding,) = findings(told, CPU, picture_format="OPEN_EXR")
    assert finding.level == "warning"


async def test_clean_scene_has_no_finding(
    resident_blender: Resident, scenes: Path, tmp_path: Path
) -> None:
    told = await facts_of(resident_blender, tmp_path, scenes / "clean.blend")
    assert findings(told, CPU) == ()
    assert (told["frame_start"], told["frame_end"], told["fps"]) == (1, 250, 24)
    (outside,) = findings(told, CPU, frames=[250, 251, 300])
    assert (outside.code, outside.level) == ("frames_outside", "warning")
    assert "2 of the frames, such as 251" in outside.message


async def test_what_no_picture_shows_may_be_gone(
    resident_blender: Resident, scenes: Path, tmp_path: Path
) -> None:
    title = "maps/plain.png"
    told = await facts_of(resident_blender, tmp_path / "a", scenes / "unseen.blend", title)
    assert findings(told, CPU) == ()
    assert {Path(file["file"]).name for file in told["files"]} == {"plain.png"}
    assert told["tile_obstacles"] == []
    told = await facts_of(resident_blender, tmp_path / "b", scenes / "unfilmed.blend", title)
    assert {finding.code for finding in findings(told, CPU)} == {"no_camera"}


async def test_scene_of_another_engine_is_not_rendered_by_one_that_is_here(
    render: RenderPlugin, scenes: Path, tmp_path: Path
) -> None:
    result = await render.run(task(tmp_path / "unit", scenes / "engine.blend", {}))
    assert isinstance(result, Failed)
    assert (result.failure, "FOREIGN_RENDER" in result.error) == ("scene", True)


async def test_a_missing_file_that_nothing_uses_is_no_finding(scenes: Path) -> None:
    told = look_here(scenes / "orphans.blend")
    assert [Path(file["file"]).name for file in told["files"]] == ["plain.png"]
    assert not stops(findings(told, CPU))


async def test_plain_driver_is_no_finding(
    resident_blender: Resident, scenes: Path, tmp_path: Path
) -> None:
    told = await facts_of(resident_blender, tmp_path, scenes / "scripts.blend")
    assert [script["object"] for script in told["scripts"] if script["kind"] == "driver"] == [
        "Object 'Cube' location[0]"
    ]


async def test_missing_tile_and_number_of_a_texture_are_named(
    resident_blender: Resident, scenes: Path, tmp_path: Path
) -> None:
    skin = ("maps/skin.1001.png", "maps/skin.1002.png")
    udim = await facts_of(resident_blender, tmp_path / "a", scenes / "udim.blend", *skin)
    assert by_code(findings(udim, CPU))["missing_file"].path == "/job/in/maps/skin.1011.png"
    fire = tuple(f"maps/fire_000{number}.png" for number in (5, 6, 8))
    told = await facts_of(resident_blender, tmp_path / "b", scenes / "sequence.blend", *fire)
    assert by_code(findings(told, CPU))["missing_file"].path == "/job/in/maps/fire_0007.png"
    assert {Path(file["file"]).name for file in told["files"]} == {
        f"fire_000{number}.png" for number in (5, 6, 7, 8)
    }


@pytest.mark.parametrize(
    ("frames", "files"),
    [
        ("1-2", {"fire_0005.png", "fire_0006.png"}),
        # after the last picture, the sequence keeps showing it
        ("1,4-9", {"fire_0005.png", "fire_0008.png"}),
        ("-3-0", set[str]()),  # before the first picture, Blender shows nothing either
        ("3", {"fire_0007.png"}),
    ],
)
async def test_of_a_sequence_the_frames_need_what_they_show(
    scenes: Path, frames: str, files: set[str]
) -> None:
    told = look_here(scenes / "sequence.blend", parse(frames))
    assert {Path(file["file"]).name for file in told["files"]} == files
    assert stops(findings(told, CPU, parse(frames))) == (frames == "3")
    missing = laid_out(scenes / "sequence.blend", told["files"]).missing
    assert [one.source.name for one in missing] == (["fire_0007.png"] if frames == "3" else [])


async def test_start_offset_and_cycles_of_a_sequence_are_as_in_blender(scenes: Path) -> None:
    told = look_here(scenes / "cyclic.blend", parse("3,8-9"))
    assert [Path(file["file"]).name for file in told["files"]] == ["fire_0005.png", "fire_0006.png"]
    assert told["parts"] == [
        {"owner": "Image 'texture'", "path": "//maps/fire_0005.png", "needed": 2, "there": 3}
    ]
    (part,) = [one for one in findings(told, CPU) if one.code == "part_of_sequence"]
    assert "2 of the 3 files" in part.message


async def test_a_sequence_whose_numbers_are_animated_is_sent_whole(scenes: Path) -> None:
    told = look_here(scenes / "animated.blend", (1,))
    assert {Path(file["file"]).name for file in told["files"]} == {
        *("fire_0005.png", "fire_0006.png", "fire_0008.png")
    }


async def test_of_an_image_strip_the_frames_need_what_they_show(scenes: Path) -> None:
    told = look_here(scenes / "strip.blend", parse("11,12,40"))
    assert [(Path(file["file"]).name, file["bytes"] is None) for file in told["files"]] == [
        ("fire_0006.png", False),
        ("fire_0007.png", True),
    ]


async def test_what_a_node_misses_of_a_sequence_is_told_with_its_frames(
    render: RenderPlugin, scenes: Path, tmp_path: Path
) -> None:
    plugin = PreflightPlugin(render=render)
    inputs = {
        "scene.blend": scenes / "sequence.blend",
        "maps/fire_0006.png": scenes / "maps" / "fire_0006.png",
    }
    result = await plugin.run(unit(tmp_path / "unit", inputs, {"scene": "scene.blend"}))
    assert isinstance(result, Completed), result
    assert result.file is not None
    heard = facts_in(result.file.read_bytes())
    assert isinstance(heard, SceneFacts), heard
    facts = attrs.asdict(heard)
    (missing,) = facts["files"]
    assert (missing["file"], missing["frames"]) == ("fire_0005.png", "1,3-250")
    assert not stops(findings(facts, CPU, [2]))
    assert stops(findings(facts, CPU, [2, 3]))
    assert [one["frame"] for one in facts["probe"]["frames"]] == [2]
    assert facts["probe"]["peak_bytes"] >= 2**20


def test_files_of_blenders_own_folder_are_sent(tmp_path: Path) -> None:
    """Nodes have Blender in another folder. What is packed in the scene needs no file."""
    bundled = """
import os
own = os.path.join(bpy.utils.resource_path("LOCAL"), "datafiles", "assets")
nodes = os.path.join(own, "nodes", "geometry_nodes_essentials.blend")
hair = os.path.join(own, "nodes", "procedural_hair_node_assets.blend")
brushes = os.path.join(own, "brushes", "essentials_brushes-mesh_sculpt.blend")
with bpy.data.libraries.load(nodes, link=True) as (have, take):
    take.node_groups = ["Scatter on Surface"]
with bpy.data.libraries.load(hair, link=True, pack=True) as (have, packed):
    packed.node_groups = ["Trim Hair Curves"]
with bpy.data.libraries.load(brushes, link=True) as (have, brush):
    brush.brushes = have.brushes[:1]
scene["brush"] = brush.brushes[0]
for group in (*take.node_groups, *packed.node_groups):
    bpy.data.objects["Cube"].modifiers.new("A", "NODES").node_group = group
"""
    found = look_here(build(tmp_path / "s.blend", bundled))["files"]
    names = {Path(file["file"]).name for file in found}
    assert names == {"geometry_nodes_essentials.blend"}


async def test_what_a_linked_library_lost_is_named(
    resident_blender: Resident, scenes: Path, tmp_path: Path
) -> None:
    shutil.copyfile(scenes / "clean.blend", tmp_path / "library.blend")  # this library has no chair
    shutil.copyfile(scenes / "linking.blend", tmp_path / "linking.blend")
    told = await facts_of(
        resident_blender, tmp_path / "w", tmp_path / "linking.blend", "library.blend"
    )
    lost = by_code(findings(told, CPU))["missing_link"]
    assert (lost.level, lost.object) == ("error", "Object 'Chair'")


async def test_own_machine_lists_what_a_scene_links(scenes: Path) -> None:
    told = await scene_inspection.look(scenes / "udim.blend")
    assert isinstance(told, Mapping)
    layout = laid_out(scenes / "udim.blend", told["files"])
    assert [file.path for file in layout.files] == ["maps/skin.1001.png", "maps/skin.1002.png"]
    assert all(file.size == file_size(scenes / file.path) for file in layout.files)
    assert [missing.source.name for missing in layout.missing] == ["skin.1011.png"]
    linking = look_here(scenes / "linking.blend")
    (library,) = laid_out(scenes / "linking.blend", linking["files"]).files
    assert (library.kind, library.path) == ("library", "library.blend")


@pytest.mark.heavy
async def test_baked_simulation_beside_the_scene_is_sent_with_it(
    scenes: Path, tmp_path: Path
) -> None:
    scene = tmp_path / "clean.blend"
    shutil.copyfile(scenes / "clean.blend", scene)
    baked = tmp_path / "blendcache_clean" / "cloth_000001_00.bphys"
    baked.parent.mkdir()
    baked.write_bytes(b"a baked frame")
    told = look_here(scene)
    layout = laid_out(scene, told["files"])
    (file,) = layout.files
    assert (file.kind, file.path) == ("cache", "blendcache_clean/cloth_000001_00.bphys")
    assert (file.size, layout.paths) == (13, {})


def file_size(path: Path) -> int:
    return path.stat().st_size


async def rendertrust(*words: str) -> tuple[int, str]:
    """Run a command; return its exit code and its output."""
    code, out, err = await programs.call(*words, env=os.environ)
    return code, out + err


@pytest.mark.heavy
async def test_command_lists_files_and_says_what_to_mend(scenes: Path) -> None:
    udim = str(scenes / "udim.blend"), "--frames", "1-3"
    code, said = await rendertrust("--json", "preflight", *udim)
    document = json.loads(said.splitlines()[0])
    assert code == 1
    assert [file["path"] for file in document["files"]] == [
        "maps/skin.1001.png",
        "maps/skin.1002.png",
    ]
    assert [finding["code"] for finding in document["findings"]] == ["missing_file"]
    code, said = await rendertrust("preflight", *udim)
    assert (code, "skin.1011.png" in said, "External Data" in said) == (1, True, True)
    clean = str(scenes / "clean.blend")
    assert await rendertrust("preflight", clean) == (0, "No problems found.\n")
    code, said = await rendertrust("preflight", clean, "--frames", "9-1")
    assert (code, "write 1-9" in said) == (2, True)


async def test_own_machine_without_blender_says_what_to_install(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rendertrust.node.blender_discovery.find", lambda: None)
    told = await scene_inspection.look(scenes / "clean.blend")
    assert isinstance(told, blender.NoBlender)
    assert "pip install 'rendertrust[render]'" in told.reason


async def test_probe_measures_small_renders_of_three_frames(
    resident_blender: Resident, scenes: Path, tmp_path: Path
) -> None:
    told = await facts_of(resident_blender, tmp_path, scenes / "clean.blend")
    where = SceneFolder(folder=tmp_path, scene="clean.blend")
    lines = list[Mapping[str, Any]]()
    probed = await scene_inspection.probe(
        resident_blender, where, range(1, 251), threads=2, hear=lines.append
    )
    assert not isinstance(probed, Failed | scene_inspection.TimedOut), probed
    (shown,) = [line for line in lines if line["event"] == "frame"]
    assert shown["frame"] == told["frame_current"]
    with Image.open(tmp_path / "out" / shown["thumbnail"]) as image:
        assert (image.format, image.size) == ("JPEG", (16, 9))  # a quarter of the frame's sides
    assert [frame.frame for frame in probed.frames] == [1, 126, 250]
    assert (probed.width, probed.height, probed.samples) == (64, 36, 16)
    assert 0 < spread_of(probed, [77]).likely < 60


async def test_frames_outside_the_scenes_range_are_measured_themselves(
    render: RenderPlugin, scenes: Path, tmp_path: Path
) -> None:
    plugin = PreflightPlugin(render=render)
    params = {"scene": "scene.blend", "for_frames": "300-302"}
    task = unit(tmp_path / "unit", {"scene.blend": scenes / "clean.blend"}, params)
    result = await plugin.run(task)
    assert isinstance(result, Completed), result
    assert result.file is not None
    heard = facts_in(result.file.read_bytes())
    assert isinstance(heard, SceneFacts), heard
    assert heard.probe is not None, heard.unprobed
    assert [frame.frame for frame in heard.probe.frames] == [300, 301, 302]
    assert (heard.measured, heard.counts_for((302,))) == ((300, 302), True)


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        pytest.param("workbench", 1, id="workbench"),
        # Without a graphics card, a driver compiles shaders for most of a minute.
        pytest.param("eevee", 8, id="eevee", marks=[pytest.mark.nightly, pytest.mark.heavy]),
    ],
)
@pytest.mark.timeout(1_200)
async def test_drawn_frames_are_measured(
    resident_blender: Resident, scenes: Path, tmp_path: Path, name: str, samples: int
) -> None:
    facts = await facts_of(resident_blender, tmp_path, scenes / f"{name}.blend")
    where = SceneFolder(folder=tmp_path, scene=f"{name}.blend")
    probed = await scene_inspection.probe(resident_blender, where, [1], threads=2)
    assert not isinstance(probed, Failed | scene_inspection.TimedOut), probed
    assert (facts["samples"] or 1, probed.samples) == (samples, samples)
    [frame] = probed.frames
    assert frame.base > 0
    assert (frame.sample > 0) == (name == "eevee"), "shadows are drawn anew for each sample"
    few, many = (spread_of(probed, [1], samples=of).likely for of in (1, 64))
    assert (few < many) == (name == "eevee"), "Workbench has no samples that a job could set"


async def test_with_little_time_the_middle_frame_stands_for_all(
    resident_blender: Resident, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await facts_of(resident_blender, tmp_path, scenes / "clean.blend")
    monkeypatch.setattr(scene_inspection, "PROBE_SHARE", 0.0)
    where = SceneFolder(folder=tmp_path, scene="clean.blend")
    probed = await scene_inspection.probe(resident_blender, where, range(1, 251))
    assert not isinstance(probed, Failed | scene_inspection.TimedOut), probed
    assert [frame.frame for frame in probed.frames] == [126]


async def test_a_check_that_runs_out_of_time_does_not_blame_the_scene(
    render: RenderPlugin, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rendertrust.node.plugins.preflight.PROBE_SECONDS", 0.01)
    plugin = PreflightPlugin(render=render)
    inputs = {"scene.blend": scenes / "clean.blend"}
    result = await plugin.run(unit(tmp_path / "unit", inputs, {"scene": "scene.blend"}))
    assert isinstance(result, Completed), result
    assert result.file is not None
    heard = facts_in(result.file.read_bytes())
    assert isinstance(heard, SceneFacts), heard
    (finding,) = findings(attrs.asdict(heard), CPU)
    assert (finding.code, finding.level) == ("not_measured", "warning")
    assert "within 0.01 s, the time limit of a check" in finding.message
    monkeypatch.setattr("rendertrust.node.plugins.preflight.INSPECT_SECONDS", 0.01)
    result = await plugin.run(unit(tmp_path / "next", inputs, {"scene": "scene.blend"}))
    assert isinstance(result, Completed), result
    assert result.file is not None
    heard = facts_in(result.file.read_bytes())
    assert isinstance(heard, SceneFacts), heard
    assert (heard.opened, heard.timed_out) == (False, True)
    assert heard.error.startswith("Blender did not open the scene and list its files within 0.01 s")
