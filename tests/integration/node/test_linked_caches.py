"""Files that other files refer to: caches and folders are sent along, and the node renders the
artist's picture.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rendertrust.cli import local_preflight
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.preflight.layout import PATHS, Layout
from tests.integration.node.scenes import SAVE, SMALL, make, pixels, render_locally, unit

pytestmark = pytest.mark.render

FRAME = 3
# The argument is the path at which the scene is saved.
BEGIN = """
import os
path = sys.argv[-1]
folder = os.path.dirname(path)
elsewhere = os.path.abspath(os.path.join(folder, *[os.pardir] * 5, "far"))
for one in (folder, elsewhere):
    os.makedirs(one, exist_ok=True)
cube = bpy.data.objects["Cube"]
scene.frame_start, scene.frame_end = 1, 4
def save(to=path):
    bpy.ops.wm.save_as_mainfile(filepath=to, relative_remap=False)
save()
"""
OCEAN = """
bpy.ops.mesh.primitive_plane_add()
waves = bpy.context.object.modifiers.new("Ocean", "OCEAN")
waves.resolution = 4
"""
TREE = """
def tree_of(thing):
    tree = bpy.data.node_groups.new("Tree", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    modifier = thing.modifiers.new("Nodes", "NODES")
    modifier.node_group = tree
    return modifier, tree, tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
"""
BAKE = (
    TREE
    + """
modifier, tree, come, go = tree_of(cube)
begin = tree.nodes.new("GeometryNodeSimulationInput")
end = tree.nodes.new("GeometryNodeSimulationOutput")
begin.pair_with_output(end)
move = tree.nodes.new("GeometryNodeSetPosition")
move.inputs["Offset"].default_value = (0, 0, 0.4)
for one, other in ((come, begin), (begin, move), (move, end), (end, go)):
    tree.links.new(one.outputs["Geometry"], other.inputs["Geometry"])
bpy.context.evaluated_depsgraph_get()
bake = modifier.bakes[0]
modifier.bake_target = bake.bake_target = "DISK"
modifier.bake_directory = "//nodes"
bake.use_custom_simulation_frame_range, bake.frame_start, bake.frame_end = True, 1, 4
if AWAY:
    bake.use_custom_path, bake.directory = True, os.path.join(elsewhere, "bake")
with bpy.context.temp_override(scene=scene, object=cube, active_object=cube):
    bpy.ops.object.geometry_node_bake_single(
        session_uid=cube.session_uid, modifier_name="Nodes", bake_id=bake.bake_id
    )
"""
)
GRAIN = """
plane = bpy.ops.mesh.primitive_plane_add(size=4) and bpy.context.object
system = plane.modifiers.new("Grains", "PARTICLE_SYSTEM").particle_system
settings = system.settings
settings.count, settings.frame_start, settings.frame_end, settings.normal_factor = 40, 1, 3, 4
settings.render_type, settings.instance_object, settings.particle_size = "OBJECT", cube, 0.2
cache = system.point_cache
cache.use_disk_cache, cache.frame_end = True, 4
save()
with bpy.context.temp_override(scene=scene, object=plane, active_object=plane, point_cache=cache):
    bpy.ops.ptcache.bake(bake=True)
"""
RELIEF = (
    TREE
    + """
for number in range(1, 5):
    made = bpy.data.images.new("made", 4, 4)
    made.pixels = [number / 4] * 64
    made.filepath_raw, made.file_format = os.path.join(folder, f"high_{number:04}.png"), "PNG"
    made.save()
    bpy.data.images.remove(made)
heights = bpy.data.images.load(os.path.join(folder, "high_0001.png"))
heights.source, heights.filepath = "SEQUENCE", "//high_0001.png"
modifier, tree, come, go = tree_of(cube)
move, look = tree.nodes.new("GeometryNodeSetPosition"), tree.nodes.new("GeometryNodeImageTexture")
look.inputs["Image"].default_value = heights
time = tree.nodes.new("GeometryNodeInputSceneTime")
tree.links.new(time.outputs["Frame"], look.inputs["Frame"])
tree.links.new(look.outputs["Color"], move.inputs["Offset"])
tree.links.new(come.outputs["Geometry"], move.inputs["Geometry"])
tree.links.new(move.outputs["Geometry"], go.inputs["Geometry"])
"""
)
CLOTH = """
bpy.ops.mesh.primitive_grid_add(size=3, x_subdivisions=8, y_subdivisions=8, location=(0, 0, 2))
sheet = bpy.context.object
cache = sheet.modifiers.new("Cloth", "CLOTH").point_cache
cache.use_disk_cache, cache.frame_end = True, 4
library = os.path.join(elsewhere, "cloth.blend")
save(library)
with bpy.context.temp_override(scene=scene, object=sheet, active_object=sheet, point_cache=cache):
    bpy.ops.ptcache.bake(bake=True)
save(library)
bpy.ops.wm.read_factory_settings()
scene = bpy.context.scene
scene.render.engine, scene.cycles.samples = "CYCLES", 8
scene.render.resolution_x, scene.render.resolution_y = 64, 36
save()
with bpy.data.libraries.load(library, link=True, relative=RELATIVE) as (there, here):
    here.objects = ["Grid"]
scene.collection.objects.link(here.objects[0])
bpy.data.objects.remove(bpy.data.objects["Cube"])
"""
STAGE = """
bpy.ops.object.select_all(action="DESELECT")
cube.location.z = 1
cube.keyframe_insert("location", frame=1)
cube.location.z = -1
cube.keyframe_insert("location", frame=4)
cube.select_set(True)
os.makedirs(os.path.join(elsewhere, "parts"), exist_ok=True)
bpy.ops.wm.usd_export(
    filepath=os.path.join(elsewhere, "parts", "part.usdc"), export_animation=True,
    selected_objects_only=True, export_textures_mode="KEEP",
)
with open(os.path.join(elsewhere, "stage.usda"), "w") as file:
    file.write('#usda 1.0\\n(\\n    upAxis = "Z"\\n    subLayers = [@./parts/part.usdc@]\\n)\\n')
bpy.data.objects.remove(cube)
bpy.ops.wm.usd_import(filepath=os.path.join(elsewhere, "stage.usda"))
"""
NESTED = """
def wood(place):
    made = bpy.data.images.new("wood", 4, 4)
    made.pixels = [0.8, 0.2, 0.1, 1.0] * 16
    made.filepath_raw, made.file_format = place, "PNG"
    made.save()
    return made
for one in ("props/tex", "sets", "woods"):
    os.makedirs(os.path.join(elsewhere, one), exist_ok=True)
props = os.path.join(elsewhere, "props", "p.blend")
sets = os.path.join(elsewhere, "sets", "s.blend")
place = os.path.join(elsewhere, *("woods" if ABSOLUTE else "props/tex").split("/"), "wood.png")
grain = wood(place)
nodes = bpy.data.materials["Material"].node_tree
texture = nodes.nodes.new("ShaderNodeTexImage")
texture.image = grain
nodes.links.new(texture.outputs[0], nodes.nodes["Principled BSDF"].inputs[0])
grain.filepath = place if ABSOLUTE else "//tex/wood.png"
save(props)
def begin():
    bpy.ops.wm.read_factory_settings()
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples = "CYCLES", 8
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    return scene
begin()
save(sets)
with bpy.data.libraries.load(props, link=True, relative=True) as (there, here):
    here.materials = ["Material"]
named = bpy.data.objects["Cube"]
named.name = "Table"
named.data.materials.clear()
named.data.materials.append(here.materials[0])
save(sets)
scene = begin()
save()  # relative links need the scene's path
bpy.data.objects.remove(bpy.data.objects["Cube"])
with bpy.data.libraries.load(sets, link=True, relative=RELATIVE) as (there, here):
    here.objects = ["Table"]
scene.collection.objects.link(here.objects[0])
"""
TOLD = (
    TREE
    + """
modifier, tree, come, go = tree_of(cube)
words, read = tree.nodes.new("FunctionNodeInputString"), tree.nodes.new("GeometryNodeImportText")
count, up = tree.nodes.new("FunctionNodeStringLength"), tree.nodes.new("ShaderNodeCombineXYZ")
move = tree.nodes.new("GeometryNodeSetPosition")
words.string = TEXT
tree.links.new(words.outputs[0], read.inputs["Path"])
tree.links.new(read.outputs[0], count.inputs[0])
tree.links.new(count.outputs[0], up.inputs["Z"])
tree.links.new(up.outputs[0], move.inputs["Offset"])
for one, other in ((come, move), (move, go)):
    tree.links.new(one.outputs["Geometry"], other.inputs["Geometry"])
"""
)
FONT = next(map(str, sorted(Path("/usr/share/fonts").rglob("*.ttf"))), None)
FAR_FONT = """
import shutil
shutil.copy(FONT, os.path.join(elsewhere, "letters.ttf"))
FONT = os.path.join(elsewhere, "letters.ttf")
"""
LETTERS = """
bpy.ops.object.text_add(location=(-1, 0, 1.5))
words = bpy.context.object
words.data.body, words.data.extrude, words.data.size = "WOW", 0.2, 2
words.data.font = bpy.data.fonts.load(FONT)
"""
KINDS = {
    "a font elsewhere": f"FONT = {FONT!r}" + FAR_FONT + LETTERS,
    "a library of a library elsewhere": "RELATIVE = ABSOLUTE = False" + NESTED,
    "a library far above, by the way there": "RELATIVE, ABSOLUTE = True, False" + NESTED,
    "a texture elsewhere of a library of a library": "RELATIVE, ABSOLUTE = False, True" + NESTED,
    "an ocean that is not baked": OCEAN,
    "nodes baked beside the scene": "AWAY = False" + BAKE,
    "nodes baked elsewhere": "AWAY = True" + BAKE,
    "particles on the disk": GRAIN,
    "pictures that geometry nodes count": RELIEF,
    "cloth of a library elsewhere": "RELATIVE = False" + CLOTH,
    "cloth of one far above, by the way there": "RELATIVE = True" + CLOTH,
    "a stage of several files": STAGE,
}


def inputs_of(layout: Layout, scene: Path, folder: Path) -> dict[str, Path]:
    """Return the inputs of a job, read-only as in a node's cache."""
    paths = folder / "paths.json"
    paths.write_text(json.dumps(dict(layout.paths)))
    inputs = {layout.scene: scene, PATHS: paths}
    inputs |= {file.path: Path(file.source) for file in layout.files}
    for file in inputs.values():
        file.chmod(0o444)
    return inputs


# One file of each kind: a font, a nested library's texture, a bake, a cache, a USD stage.
BY_DAY = (
    "a font elsewhere",
    "a texture elsewhere of a library of a library",
    "nodes baked elsewhere",
    "cloth of a library elsewhere",
    "a stage of several files",
)


@pytest.mark.parametrize(
    "kind",
    [kind if kind in BY_DAY else pytest.param(kind, marks=pytest.mark.nightly) for kind in KINDS],
)
async def test_a_node_renders_what_the_artist_would(
    render: RenderPlugin, tmp_path: Path, kind: str
) -> None:
    if "font" in kind and FONT is None:
        pytest.skip("no font is installed")
    scene = tmp_path.joinpath("artist", *"abcd", "scene.blend")
    make(SMALL + BEGIN + KINDS[kind] + "\nsave()\n", str(scene))
    wanted = pixels(render_locally(scene, tmp_path / "local", FRAME)[FRAME])
    layout = (
        await asyncio.to_thread(local_preflight.look, scene, [FRAME])
    ).layout  # as the command `submit` lists them
    assert layout.missing == ()
    inputs = inputs_of(layout, scene, tmp_path)
    work = unit(tmp_path / "node", inputs, {"frame": FRAME, "scene": layout.scene})
    for place in ("artist", "far"):  # so nothing is found at its old path
        (tmp_path / place).rename(tmp_path / f"gone {place}")
    done = await render.run(work)
    assert isinstance(done, Completed), done
    assert done.file is not None
    assert np.array_equal(pixels(done.file), wanted)


async def test_a_library_that_was_sent_and_is_not_linked_ends_the_frame(
    render: RenderPlugin, tmp_path: Path
) -> None:
    scene, paths = tmp_path / "scene.blend", tmp_path / "paths.json"
    make(SMALL + SAVE, str(scene))
    paths.write_text(json.dumps({"//props.blend": "linked/0/props.blend"}))
    inputs = {"scene.blend": scene, "linked/0/props.blend": scene, PATHS: paths}
    work = unit(tmp_path / "node", inputs, {"frame": 1, "scene": "scene.blend"})
    done = await render.run(work)
    assert isinstance(done, Failed)
    assert (done.failure, "//props.blend" in done.error) == ("scene", True)


async def pictures_of(render: RenderPlugin, tmp_path: Path, *scripts: str) -> list[Any]:
    """Return a node's picture of each scene; the node gets the scenes without their other files."""
    found: list[Any] = []
    for script in scripts:
        scene = tmp_path / f"{len(found)}.blend"
        make(SMALL + script, str(scene))
        work = unit(tmp_path / f"node{len(found)}", {"scene.blend": scene}, {"frame": 1})
        done = await render.run(work)
        assert isinstance(done, Completed), done
        assert done.file is not None
        found.append(pixels(done.file))
    return found


@pytest.mark.skipif(FONT is None, reason="no font is installed")
async def test_what_was_not_sent_is_missing_though_the_machine_has_it(
    render: RenderPlugin, tmp_path: Path
) -> None:
    """Pictures would otherwise reveal a node's files, and differ between nodes."""
    lies = (
        f"FONT = {FONT!r}" + LETTERS + f"words.data.font.filepath = {name!r}\n" + SAVE
        for name in (str(FONT), "/nowhere/letters.ttf")
    )
    assert np.array_equal(*await pictures_of(render, tmp_path, *lies))


async def test_a_path_that_nodes_make_up_reads_nothing_of_the_machine(
    render: RenderPlugin, tmp_path: Path
) -> None:
    scenes = (
        BEGIN + f"TEXT = {name!r}" + TOLD + "\nsave()\n"
        for name in ("/usr/lib/os-release", "/nowhere")
    )
    assert np.array_equal(*await pictures_of(render, tmp_path, *scenes))
