"""Attacks on checks by scenes and files. Each test states what should be."""

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import orjson
import pytest

from actors.verifier.case import Case
from actors.verifier.report import NoReport, Report, answer
from actors.verifier.thresholds import DEFAULTS
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.check import CheckPlugin, PICTURE
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.checks import DRAWS, FRAME, Files, OtherMachine, Stage
from tests.integration.node.resident import Resident, resident
from tests.integration.node.scenes import build, unit
from tests.unit.verifier.stage import pending

pytestmark = [pytest.mark.render, pytest.mark.heavy, pytest.mark.timeout(900)]
CLASS = "cpu/avx2/5.2"
GUIDED = "\nscene.cycles.use_guiding = True\n"
EEVEE = """
for engine in ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"):
    try:
        scene.render.engine = engine
    except TypeError:
        pass
"""
SIZED = """
for frame, side in ((1, 64), (FRAME, 96)):
    scene.render.resolution_x = side
    scene.render.keyframe_insert("resolution_x", frame=frame)
scene.frame_set(1)
""".replace("FRAME", str(FRAME))
FORMATS = """
settings = scene.render.image_settings
for frame, name in ((1, "PNG"), (FRAME, "JPEG")):
    settings.file_format = name
    settings.keyframe_insert("file_format", frame=frame)
scene.frame_set(1)
""".replace("FRAME", str(FRAME))
MODES = """
settings = scene.render.image_settings
for frame, name in ((1, "RGB"), (FRAME, "BW")):
    settings.color_mode = name
    settings.keyframe_insert("color_mode", frame=frame)
scene.frame_set(1)
""".replace("FRAME", str(FRAME))
PERCENT = """
scene.render.resolution_x, scene.render.resolution_y = 100, 100
scene.render.resolution_percentage = 29
"""
BY_THREADS = """
curve = {}.driver_add("{}")
curve.driver.type = "SCRIPTED"
variable = curve.driver.variables.new()
variable.name = "t"
variable.targets[0].id_type, variable.targets[0].id = "SCENE", scene
variable.targets[0].data_path = "render.threads"
curve.driver.expression = "{}"
"""
MODE_BY_THREADS = BY_THREADS.format("scene.render.image_settings", "color_mode", "8 if t == 3 else 16")
SIZE_BY_THREADS = BY_THREADS.format("scene.render", "resolution_x", "64 if t == 3 else 128")
PASSES_BY_THREADS = """
settings = scene.render.image_settings
settings.media_type = "MULTI_LAYER_IMAGE"
settings.file_format = "OPEN_EXR_MULTILAYER"
""" + BY_THREADS.format("scene.view_layers[0]", "use_pass_mist", "t == 3")
AOVS = """
for number in range(130):
    aov = scene.view_layers[0].aovs.add()
    aov.name, aov.type = f"a{number}", "COLOR"
"""
LAYERS = """
scene.cycles.samples = 1
for number in range(90):
    layer = scene.view_layers.new(f"layer {number}")
    for of in layer.layer_collection.children:
        of.exclude = True
"""
MULTILAYER_AOVS = AOVS + GUIDED + """
settings = scene.render.image_settings
settings.media_type = "MULTI_LAYER_IMAGE"
settings.file_format = "OPEN_EXR_MULTILAYER"
"""
LAYERED = GUIDED + LAYERS + """
settings = scene.render.image_settings
settings.media_type = "MULTI_LAYER_IMAGE"
settings.file_format = "OPEN_EXR_MULTILAYER"
"""

STAMPED = """
scene.render.resolution_x, scene.render.resolution_y = 256, 144
scene.render.use_stamp = True
scene.render.use_stamp_date = True
scene.render.keyframe_insert("use_stamp_date", frame=1)
"""
HOSTNAMED = STAMPED.replace("use_stamp_date", "use_stamp_render_time")
LIMITED = """
scene.cycles.samples, scene.cycles.use_adaptive_sampling = 4096, False
scene.render.resolution_x, scene.render.resolution_y = 160, 90
scene.cycles.use_denoising = False
bpy.ops.mesh.primitive_plane_add(size=60, location=(0, 0, -1))
scene.cycles.time_limit = 0.5
scene.cycles.keyframe_insert("time_limit", frame=1)
"""
OTHER_SCENE = """
import bpy as b
scene.cycles.samples = 4
scene.render.resolution_x, scene.render.resolution_y = 160, 90
other = scene.copy()
other.cycles.samples, other.cycles.use_adaptive_sampling = 4096, False
other.cycles.use_denoising = False
other.cycles.time_limit = 0.5
other.render.use_stamp = False
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
layers.scene = other
tree.links.new(layers.outputs["Image"], out.inputs[0])
"""

READS = """
cube = bpy.data.objects["Cube"]
curve = cube.driver_add("rotation_euler", 2)
curve.driver.type = "SCRIPTED"
variable = curve.driver.variables.new()
variable.name = "t"
variable.targets[0].id_type, variable.targets[0].id = "{}", {}
variable.targets[0].data_path = "{}"
curve.driver.expression = "{}"
"""
UID = READS.format("OBJECT", 'bpy.data.objects["Light"]', "session_uid", "t * 0.37")
UID_SHADER = """
made = bpy.data.materials.new("m")
made.use_nodes = True
nodes, links = made.node_tree.nodes, made.node_tree.links
read, times, part = (nodes.new(of) for of in ("ShaderNodeAttribute", "ShaderNodeMath", "ShaderNodeMath"))
read.attribute_type, read.attribute_name = "OBJECT", "session_uid"
times.operation, part.operation = "MULTIPLY", "FRACT"
times.inputs[1].default_value = 0.0137
links.new(read.outputs["Fac"], times.inputs[0])
links.new(times.outputs[0], part.inputs[0])
shine = nodes.new("ShaderNodeEmission")
links.new(part.outputs[0], shine.inputs["Strength"])
links.new(shine.outputs[0], nodes["Material Output"].inputs["Surface"])
bpy.data.objects["Cube"].data.materials[0] = made
"""
IMAGED = """
image = bpy.data.images.new("i", 8, 8)
image.pixels = [0.5] * 256
image.pack()
texture = bpy.data.materials.new("m")
texture.use_nodes = True
node = texture.node_tree.nodes.new("ShaderNodeTexImage")
node.image = image
texture.node_tree.links.new(node.outputs["Color"], texture.node_tree.nodes["Principled BSDF"].inputs["Base Color"])
bpy.data.objects["Cube"].data.materials[0] = texture
"""
HAS_DATA = IMAGED + READS.format("IMAGE", "image", "has_data", "t * 0.7")
USERS = READS.format("OBJECT", 'bpy.data.objects["Light"]', "users", "t * 0.37")


async def rendered(stage: Stage, name: str, threads: int = 2, **params: Any) -> Completed | Failed:
    given = {"frame": FRAME, "evidence": True, **params}
    task = unit(stage.folder / name, {"s.blend": stage.scene}, given)
    return await stage.render.run(attrs.evolve(task, threads=threads))


def files_of(made: Completed) -> Files:
    assert made.file is not None
    evidence = None if made.evidence is None else made.evidence.read_bytes()
    return Files(made.file.read_bytes(), evidence)


async def judged(stage: Stage, files: Files, device_class: str = CLASS, **params: Any) -> Case:
    """Return the case after all checks that the gateway would ask for."""
    given = pending(drawn=True)
    row = attrs.evolve(given.row, device_class=device_class)
    case, number = Case.opened(attrs.evolve(given, row=row)), 0
    while case.verdict is None and number < 8:
        number += 1
        order = case.order(UUID(int=1), b"secret", CLASS)
        places: dict[str, Any] = {"draws": [*map(list, order.draws)], **params}
        if order.across:
            places["across"] = [*map(list, order.across)]
        if order.whole:
            places["whole"] = True
        told = await stage.told(f"judged{number}{hash(files.picture)}", files, **places)
        if isinstance(told, Failed):
            print("CHECK FAILED", told.failure, told.error, told.detail[-300:])
            case.fail(UUID(int=2), is_scene=told.failure == "scene")
            if case.failed >= 3:
                case.give_up()
            continue
        print({n: of for n, of in told.items() if n in ("crops", "finish", "loose", "fault", "unable", "suspect", "whole", "across")})
        report = answer(told, order.count)
        if isinstance(report, NoReport):
            print("NO REPORT", report.reason)
            case.fail(UUID(int=2))
            if case.failed >= 3:
                case.give_up()
            continue
        case.hear(report, UUID(int=2), CLASS, DEFAULTS)
    print(case.verdict)
    return case


def staged(tmp_path: Path, blender: Resident, *parts: str) -> Stage:
    scene = build(tmp_path / "s.blend", *parts)
    return Stage(tmp_path, blender.render(tmp_path / "scratch"), scene, Files(b"", None))


SCENES: dict[str, tuple[str, dict[str, Any], int]] = {
    "noisy": (GUIDED, {"noisy": True}, 2),
    "noisy-eevee": (EEVEE, {"noisy": True}, 2),
    "noisy-plain": ("", {"noisy": True}, 2),
    "sized": (SIZED, {}, 2),
    "sized-eevee": (SIZED + EEVEE, {}, 2),
    "formats": (FORMATS, {}, 2),
    "formats-guided": (FORMATS + GUIDED, {}, 2),
    "modes": (MODES, {}, 2),
    "modes-guided": (MODES + GUIDED, {}, 2),
    "percent": (PERCENT, {}, 2),
    "percent-guided": (PERCENT + GUIDED, {}, 2),
    "mode-by-threads": (MODE_BY_THREADS, {}, 3),
    "size-by-threads": (SIZE_BY_THREADS, {}, 3),
    "passes-by-threads": (PASSES_BY_THREADS, {}, 3),
    "aovs": (AOVS, {}, 2),
    "aovs-multilayer": (MULTILAYER_AOVS, {}, 2),
    "layers": (LAYERS, {}, 2),
    "layers-multilayer": (LAYERED, {}, 2),
    "uid": (UID, {}, 2),
    "uid-shader": (UID_SHADER, {}, 2),
    "has-data": (HAS_DATA, {}, 2),
    "users": (USERS, {}, 2),
    "stamped": (STAMPED, {}, 2),
    "hostnamed": (HOSTNAMED, {}, 2),
    "limited": (LIMITED, {}, 2),
    "other-scene": (OTHER_SCENE, {}, 2),
}


@pytest.mark.parametrize("kind", SCENES)
async def test_an_honest_frame_is_valid(
    tmp_path: Path, resident_blender: Resident, kind: str
) -> None:
    change, params, threads = SCENES[kind]
    stage = staged(tmp_path, resident_blender, change)
    made = await rendered(stage, "made", threads, **params)
    if isinstance(made, Failed):
        print("NODE FAILED", made.failure, made.error, made.detail[-300:])
        pytest.skip("the node delivers nothing")
    case = await judged(stage, files_of(made), **params)
    assert case.verdict is not None
    assert not case.verdict.strike, case.verdict
    if "threads" not in kind:
        assert case.verdict.outcome in ("exact", "consistent"), case.verdict


KEYED = """
scene.cycles.samples = 64
scene.cycles.keyframe_insert("samples", frame=1)
scene.cycles.use_denoising = False
"""


async def test_a_job_renders_the_samples_that_it_pays_for(
    tmp_path: Path, resident_blender: Resident
) -> None:
    """The price is by the parameter, if the job gives it."""
    stage = staged(tmp_path, resident_blender, KEYED)
    made = await rendered(stage, "made", samples=1)
    assert isinstance(made, Completed), made
    assert made.work["samples"] == 1, made.work
    wide = staged(tmp_path / "w" if (tmp_path / "w").mkdir() is None else tmp_path, resident_blender, SIZED)
    made = await rendered(wide, "made", width=8, height=8)
    assert isinstance(made, Completed), made
    assert made.work["width"] == 8, made.work


# ── names that are no UTF-8 ───────────────────────────────────────────────────────────────────────

NAMED = """
made = bpy.data.materials.new("m")
curve = bpy.data.objects["Cube"].driver_add("rotation_euler", 2)
variable = curve.driver.variables.new()
variable.targets[0].id_type, variable.targets[0].id = "SCENE", scene
variable.targets[0].data_path = '["QWERTZUI"].render.threads'
"""


async def test_a_name_that_is_no_text_does_not_stop_the_check(
    tmp_path: Path, resident_blender: Resident
) -> None:
    scene = build(tmp_path / "s.blend", NAMED, "\nbpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1] + '.raw', compress=False)\n")
    raw = Path(f"{scene}.raw").read_bytes()
    assert b"QWERTZUI" in raw
    scene.write_bytes(raw.replace(b"QWERTZUI", b"QWERTZ\xff\xfe"))
    stage = Stage(tmp_path, resident_blender.render(tmp_path / "scratch"), scene, Files(b"", None))
    made = await stage.render.run(unit(tmp_path / "made", {"s.blend": scene}, {"frames": [3, 4]}))
    if isinstance(made, Failed):
        print(made.failure, made.error)
        assert made.failure == "scene"
        return
    path = tmp_path / "chunk"
    path.write_bytes(made.file.read_bytes())
    for shown in ([], [0.9]):
        given = {"frames": [3, 4], "draws": [], "shown": shown}
        task = unit(tmp_path / f"check{len(shown)}", {"s.blend": stage.scene, PICTURE: path}, given)
        found = await CheckPlugin(stage.render).run(attrs.evolve(task, job_type="check"))
        print(found if isinstance(found, Failed) else "checked")
        assert isinstance(found, Completed), found


# ── chunks ────────────────────────────────────────────────────────────────────────────────────────


def packed(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return written.getvalue()


@pytest.mark.parametrize("name", ["00003.png", "setup.exe", "0003.jpg", "0009.png"])
async def test_a_chunk_has_only_its_frames(
    tmp_path: Path, resident_blender: Resident, name: str
) -> None:
    """Clients store 00003.png as frame 3, in the place of 0003.png."""
    stage = staged(tmp_path, resident_blender)
    task = unit(tmp_path / "made", {"s.blend": stage.scene}, {"frames": [3, 4]})
    made = await stage.render.run(task)
    assert isinstance(made, Completed) and made.file is not None
    with zipfile.ZipFile(made.file) as zipped:
        files = {one: zipped.read(one) for one in zipped.namelist()}
    lie = packed({**files, name: files["0004.png"]})
    for draws, shown in (([], []), ([], [0.1])):
        path = tmp_path / f"lie{len(shown)}"
        path.write_bytes(lie)
        given = {"frames": [3, 4], "draws": draws, "shown": shown}
        task = unit(tmp_path / f"check{len(shown)}", {"s.blend": stage.scene, PICTURE: path}, given)
        found = await CheckPlugin(stage.render).run(attrs.evolve(task, job_type="check"))
        assert isinstance(found, Completed), found
        told = orjson.loads(found.file.read_bytes())
        print({n: told[n] for n in ("fault", "looked", "crops", "seen") if n in told})
        assert "fault" in told


# ── metadata ──────────────────────────────────────────────────────────────────────────────────────


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def swapped() -> bytes:
    """Return an ICC profile (matrix) that shows red as blue and blue as red."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    places = {}
    for number in range(count):
        at = 132 + 12 * number
        places[bytes(profile[at : at + 4])] = at
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    profile[red + 4 : red + 12], profile[blue + 4 : blue + 12] = (
        bytes(profile[blue + 4 : blue + 12]), bytes(profile[red + 4 : red + 12]))
    return bytes(profile)


EXIF = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"  # orientation: upside down


def png_with(honest: bytes, *chunks: bytes) -> bytes:
    first = honest.index(b"IDAT") - 4
    return honest[:33] + b"".join(chunks) + honest[33:first] + honest[first:]


def stripped(honest: bytes) -> list[bytes]:
    """Return the kinds of the file's chunks."""
    at, found = 8, []
    while at < len(honest):
        length = int.from_bytes(honest[at : at + 4], "big")
        found.append(honest[at + 4 : at + 8])
        at += 12 + length
    return found


METADATA = {
    "icc": lambda: chunk(b"iCCP", b"x\0\0" + zlib.compress(swapped())),
    "exif": lambda: chunk(b"eXIf", EXIF),
    "gamma": lambda: chunk(b"gAMA", struct.pack(">I", 1_000_000)),
    "chromaticities": lambda: chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 15000, 6000, 30000, 60000, 64000, 33000)),
    "cicp": lambda: chunk(b"cICP", bytes([9, 16, 0, 1])),
}


@pytest.mark.parametrize("kind", METADATA)
async def test_a_picture_with_other_colours_for_viewers_is_found(
    tmp_path: Path, resident_blender: Resident, kind: str
) -> None:
    stage = staged(tmp_path, resident_blender)
    made = await rendered(stage, "made")
    assert isinstance(made, Completed), made
    files = files_of(made)
    print(stripped(files.picture))
    lie = png_with(files.picture, METADATA[kind]())
    (Path("/work/brief/attack4") / f"{kind}.png").write_bytes(lie)
    case = await judged(stage, Files(lie, files.evidence))
    assert case.verdict is not None
    assert case.verdict.outcome == "invalid", case.verdict


async def test_a_jpeg_that_viewers_turn_is_found(
    tmp_path: Path, resident_blender: Resident
) -> None:
    stage = staged(tmp_path, resident_blender)
    made = await rendered(stage, "made", format="JPEG")
    assert isinstance(made, Completed), made
    files = files_of(made)
    print(files.picture[:200])
    body = b"Exif\0\0" + EXIF
    lie = files.picture[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body + files.picture[2:]
    (Path("/work/brief/attack4") / "turned.jpg").write_bytes(lie)
    case = await judged(stage, Files(lie, files.evidence), format="JPEG")
    assert case.verdict is not None
    assert case.verdict.outcome == "invalid", case.verdict


async def test_an_exr_that_viewers_crop_is_found(
    tmp_path: Path, resident_blender: Resident
) -> None:
    stage = staged(tmp_path, resident_blender)
    made = await rendered(stage, "made", format="OPEN_EXR")
    assert isinstance(made, Completed), made
    files = files_of(made)
    at = files.picture.index(b"displayWindow\0box2i\0") + 20 + 4
    print(struct.unpack("<iiii", files.picture[at : at + 16]))
    lie = files.picture[:at] + struct.pack("<iiii", 0, 0, 7, 7) + files.picture[at + 16 :]
    case = await judged(stage, Files(lie, files.evidence), format="OPEN_EXR")
    assert case.verdict is not None
    assert case.verdict.outcome == "invalid", case.verdict


# ── another instruction set ───────────────────────────────────────────────────────────────────────

STEPS = """
scene.render.resolution_x, scene.render.resolution_y = 160, 90
scene.cycles.samples, scene.cycles.use_denoising = 8, False
scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
scene.cycles.use_adaptive_sampling = False
bpy.ops.mesh.primitive_plane_add(size=60, location=(0, 0, -1))
made = bpy.data.materials.new("Steps")
made.use_nodes = True
nodes, links = made.node_tree.nodes, made.node_tree.links
place, snap = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeVectorMath")
snap.operation = "SNAP"
snap.inputs[1].default_value = (0.013, 0.013, 0.013)
noise, shine = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeEmission")
times, part = nodes.new("ShaderNodeMath"), nodes.new("ShaderNodeMath")
times.operation, part.operation = "MULTIPLY", "FRACT"
times.inputs[1].default_value = 3e6
links.new(place.outputs["Window"], snap.inputs[0])
links.new(snap.outputs[0], noise.inputs["Vector"])
links.new(noise.outputs[0], times.inputs[0])
links.new(times.outputs[0], part.inputs[0])
links.new(part.outputs[0], shine.inputs["Strength"])
links.new(shine.outputs[0], nodes["Material Output"].inputs["Surface"])
bpy.context.object.data.materials.append(made)
"""


async def test_rounding_without_noise_is_no_strike(
    tmp_path: Path, resident_blender: Resident, found_blender: Any
) -> None:
    here = staged(tmp_path, resident_blender, STEPS)
    lacking: Any = OtherMachine(found_blender.renderer, "CYCLES_CPU_NO_AVX2=1")
    with resident(attrs.evolve(found_blender, renderer=lacking)) as there:
        node = Stage(tmp_path, there.render(tmp_path / "other"), here.scene, Files(b"", None))
        made = await rendered(node, "made")
    assert isinstance(made, Completed), made
    case = await judged(here, files_of(made), "cpu/sse/5.2")
    assert case.verdict is not None
    assert not case.verdict.strike, case.verdict


# ── frames that depend on earlier frames of their chunk ───────────────────────────────────────────

PERSISTENT = """
import math
scene.render.use_persistent_data = True
scene.cycles.use_denoising = False
scene.cycles.samples = 4
bpy.data.objects.remove(bpy.data.objects["Cube"])
bpy.ops.mesh.primitive_plane_add(size=6)
plane = bpy.context.object
made = bpy.data.materials.new("m")
made.use_nodes = True
made.displacement_method = "DISPLACEMENT"
nodes, links = made.node_tree.nodes, made.node_tree.links
noise, moved = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeDisplacement")
noise.inputs["Scale"].default_value = 25
moved.inputs["Scale"].default_value = 0.6
links.new(noise.outputs[0], moved.inputs["Height"])
links.new(moved.outputs[0], nodes["Material Output"].inputs["Displacement"])
plane.data.materials.append(made)
sub = plane.modifiers.new("s", "SUBSURF")
sub.subdivision_type = "SIMPLE"
for of, name in ((sub, "use_adaptive_subdivision"), (plane.cycles, "use_adaptive_subdivision")):
    if hasattr(of, name):
        setattr(of, name, True)
        print("adaptive by", of)
camera = scene.camera
for frame, far in ((3, 60.0), (4, 6.0)):
    camera.location = (0, -far, far * 0.6)
    camera.rotation_euler = (math.radians(60), 0, 0)
    camera.keyframe_insert("location", frame=frame)
"""
ITASC = """
scene.cycles.use_denoising = False
scene.cycles.samples = 4
bpy.ops.object.armature_add()
bones = bpy.context.object
bpy.ops.object.mode_set(mode="EDIT")
last = bones.data.edit_bones[0]
for number in range(4):
    new = bones.data.edit_bones.new(f"b{number}")
    new.head, new.tail = last.tail, (0.1 * number, 0, 2.0 + number)
    new.parent, new.use_connect = last, True
    last = new
bpy.ops.object.mode_set(mode="POSE")
bpy.ops.object.mode_set(mode="OBJECT")
target = bpy.data.objects.new("target", None)
scene.collection.objects.link(target)
for frame, x in ((1, 0.0), (3, -3.0), (4, 3.0)):
    target.location = (x, 1.0, 3.0)
    target.keyframe_insert("location", frame=frame)
tip = bones.pose.bones["b3"]
bones.pose.ik_solver = "ITASC"
bones.pose.ik_param.mode = "SIMULATION"
ik = tip.constraints.new("IK")
ik.target = target
cube = bpy.data.objects["Cube"]
cube.parent, cube.parent_type, cube.parent_bone = bones, "BONE", "b3"
"""
VIEWED = EEVEE + """
scene.eevee.taa_render_samples = 1
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
viewer = tree.nodes.new("CompositorNodeViewer")
tree.links.new(layers.outputs["Image"], out.inputs[0])
tree.links.new(layers.outputs["Image"], viewer.inputs[0])
image = bpy.data.images.get("Viewer Node") or bpy.data.images.new("Viewer Node", 64, 36)
image.source = "VIEWER"
made = bpy.data.materials.new("m")
made.use_nodes = True
nodes, links = made.node_tree.nodes, made.node_tree.links
texture = nodes.new("ShaderNodeTexImage")
texture.image = image
shine = nodes.new("ShaderNodeEmission")
links.new(texture.outputs["Color"], shine.inputs["Color"])
links.new(shine.outputs[0], nodes["Material Output"].inputs["Surface"])
bpy.data.objects["Cube"].data.materials[0] = made
"""
CHUNKS = {"persistent": PERSISTENT, "itasc": ITASC, "viewed": VIEWED, "viewed-cycles": VIEWED.replace(EEVEE, "").replace("scene.eevee.taa_render_samples = 1", "")}


@pytest.mark.parametrize("kind", CHUNKS)
async def test_an_honest_chunk_is_valid(
    tmp_path: Path, resident_blender: Resident, kind: str
) -> None:
    stage = staged(tmp_path, resident_blender, CHUNKS[kind])
    task = unit(tmp_path / "made", {"s.blend": stage.scene}, {"frames": [3, 4]})
    made = await stage.render.run(task)
    assert isinstance(made, Completed), made
    assert made.file is not None
    path = tmp_path / "chunk"
    path.write_bytes(made.file.read_bytes())
    given = {"frames": [3, 4], "draws": [], "shown": [0.9]}
    task = unit(tmp_path / "check", {"s.blend": stage.scene, PICTURE: path}, given)
    found = await CheckPlugin(stage.render).run(attrs.evolve(task, job_type="check"))
    assert isinstance(found, Completed), found
    told = orjson.loads(found.file.read_bytes())
    print({n: told[n] for n in ("fault", "crops", "loose", "across", "unable") if n in told})
    report = answer(told, 1)
    assert isinstance(report, Report), report
    case = Case.opened(pending(drawn=True, params={"frame": None, "frames": [3, 4]}))
    case.hear(report, UUID(int=2), CLASS, DEFAULTS)
    print(case.verdict)
    assert case.verdict is not None
    assert not case.verdict.strike, case.verdict


# ── a compositor that amplifies rounding ──────────────────────────────────────────────────────────

AMPLIFIED = """
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y = 96, 88
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
sine, times, part = (tree.nodes.new("ShaderNodeMath") for _ in range(3))
sine.operation, times.operation, part.operation = "SINE", "MULTIPLY", "FRACT"
times.inputs[1].default_value = 3e6
tree.links.new(layers.outputs["Image"], sine.inputs[0])
tree.links.new(sine.outputs[0], times.inputs[0])
tree.links.new(times.outputs[0], part.inputs[0])
tree.links.new(part.outputs[0], out.inputs[0])
"""
OLD = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-FMA,-FMA_Usable,-AVX512F_Usable,-AVX512F,-FMA4"


async def test_a_compositor_that_amplifies_rounding_is_no_strike(
    tmp_path: Path, resident_blender: Resident, found_blender: Any
) -> None:
    here = staged(tmp_path, resident_blender, AMPLIFIED)
    lacking: Any = OtherMachine(found_blender.renderer, OLD)
    with resident(attrs.evolve(found_blender, renderer=lacking)) as there:
        node = Stage(tmp_path, there.render(tmp_path / "other"), here.scene, Files(b"", None))
        made = await rendered(node, "made")
    assert isinstance(made, Completed), made
    case = await judged(here, files_of(made), "cpu/sse/5.2")
    assert case.verdict is not None
    assert not case.verdict.strike, case.verdict


# ── EEVEE by another driver ───────────────────────────────────────────────────────────────────────

DETAILED = EEVEE + """
scene.eevee.taa_render_samples = 16
scene.render.resolution_x, scene.render.resolution_y = 128, 72
made = bpy.data.materials.new("m")
made.use_nodes = True
nodes, links = made.node_tree.nodes, made.node_tree.links
texture = nodes.new("ShaderNodeTexChecker")
texture.inputs["Scale"].default_value = 30
links.new(texture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
bpy.data.objects["Cube"].data.materials[0] = made
"""


@pytest.mark.parametrize("samples", [1, 16])
async def test_half_of_the_pixels_are_found(
    tmp_path: Path, resident_blender: Resident, samples: int
) -> None:
    from PIL import Image

    stage = staged(tmp_path, resident_blender, DETAILED)
    made = await rendered(stage, "made", samples=samples, width=64, height=36)
    assert isinstance(made, Completed), made
    small = Image.open(made.file)
    honest = await rendered(stage, "honest", samples=samples)
    import shutil
    shutil.copy(honest.file, f"/work/brief/attack4/eevee-{samples}.png")
    large = io.BytesIO()
    small.resize((128, 72), Image.Resampling.BICUBIC).save(large, "PNG")
    Path(f"/work/brief/attack4/eevee-half-{samples}.png").write_bytes(large.getvalue())
    told = await stage.told("lie", Files(large.getvalue(), None), samples=samples, whole=True)
    print(told)
    assert told["across"]["outcome"] == "refused", told["across"]


# ── a scene that makes its own noise ──────────────────────────────────────────────────────────────

LOUD = """
scene.cycles.use_denoising = False
lamp = bpy.data.lights[0]
curve = lamp.driver_add("energy")
curve.driver.type = "SCRIPTED"
variable = curve.driver.variables.new()
variable.name = "s"
variable.targets[0].id_type, variable.targets[0].id = "SCENE", scene
variable.targets[0].data_path = "cycles.seed"
curve.driver.expression = "1000.0 if s == 0 else 1e12"
"""


async def test_a_scene_whose_light_depends_on_the_seed_does_not_excuse_another_picture(
    tmp_path: Path, resident_blender: Resident
) -> None:
    stage = staged(tmp_path, resident_blender, LOUD)
    honest = await rendered(stage, "made")
    assert isinstance(honest, Completed), honest
    dark = build(tmp_path / "dark.blend", LOUD.replace("1000.0", "10.0"))
    other = attrs.evolve(stage, scene=dark)
    lie = await rendered(other, "lie")
    assert isinstance(lie, Completed), lie
    case = await judged(stage, files_of(lie))
    assert case.verdict is not None
    assert case.verdict.outcome not in ("exact", "consistent"), case.verdict
