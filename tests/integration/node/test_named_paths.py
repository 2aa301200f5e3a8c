"""Paths that data-blocks name: older Blenders are searched, and the search finds what newer ones
list themselves.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway_process import ROOT

pytestmark = pytest.mark.render

# The argument is a folder. The script prints the two lists of (kind, name, path).
BOTH = """
import bpy, glob, json, os, sys, wave
from types import SimpleNamespace
from rendertrust.node.worker.scene.named_paths import named_paths, rewrite_paths, searched
folder = sys.argv[-1]
def at(name):
    return os.path.join(folder, name)
scene, data = bpy.context.scene, bpy.data
bpy.ops.wm.save_as_mainfile(filepath=at("library.blend"))
bpy.ops.wm.read_homefile(use_factory_startup=True)
scene = bpy.context.scene
cube = data.objects["Cube"]
for name, source in (("a.png", "FILE"), ("b_0001.png", "SEQUENCE"), ("c.<UDIM>.png", "TILED")):
    image = data.images.new(name, 8, 8)
    image.source, image.filepath = source, "//" + name
data.images.new("generated", 8, 8)
packed = data.images.new("packed", 8, 8)
packed.pack()
with data.libraries.load(at("library.blend"), link=True) as (have, take):
    take.objects = have.objects[:1]
with wave.open(at("sound.wav"), "wb") as file:
    file.setparams((1, 2, 8000, 0, "NONE", ""))
    file.writeframes(bytes(16000))
data.sounds.load(at("sound.wav"))
data.sounds.load(at("sound.wav")).pack()
fonts = glob.glob(os.path.join(bpy.utils.system_resource("DATAFILES"), "fonts", "*.woff2"))
data.fonts.load(fonts[0])
still = data.images.new("still", 16, 16)
still.filepath_raw, still.file_format = at("still.png"), "PNG"
still.save()
data.movieclips.load(at("still.png"))
data.volumes.new("smoke").filepath = "//smoke.vdb"
editor = scene.sequence_editor_create()
strips = editor.strips if hasattr(editor, "strips") else editor.sequences
strips.new_image("still", at("still.png"), 1, 1)
cached = cube.modifiers.new("Cache", "MESH_CACHE")
cached.filepath = "//shape.mdd"
cube.modifiers.new("Ocean", "OCEAN").filepath = "//waves"
fluid = cube.modifiers.new("Fluid", "FLUID")
fluid.fluid_type = "DOMAIN"
fluid.domain_settings.cache_directory = "//fluid"
cache = cube.modifiers.new("Grains", "PARTICLE_SYSTEM").particle_system.point_cache
cache.use_external, cache.filepath = True, "//grains"
tree = data.materials["Material"].node_tree
light = tree.nodes.new("ShaderNodeTexIES")
light.mode, light.filepath = "EXTERNAL", "//lamp.ies"
script = tree.nodes.new("ShaderNodeScript")
script.mode, script.filepath = "EXTERNAL", "//shader.osl"
def told(found):
    return sorted({(type(owner).__name__, owner.name, path) for owner, path in found})
class Older:
    def __getattr__(self, name):
        if name == "file_path_foreach":
            raise AttributeError(name)
        return getattr(bpy.data, name)
def elsewhere(owner, path, *_):
    return at("moved/" + os.path.basename(path)) if owner.library is None else None
lists = [told(searched(bpy)), told(named_paths(bpy))]
rewrite_paths(SimpleNamespace(data=Older()), elsewhere)
print(json.dumps([*lists, told(named_paths(bpy))]))
"""


def test_the_search_finds_what_blender_lists(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BOTH, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    searched, listed, moved = json.loads(ran.stdout.splitlines()[-1])
    assert [one for one in listed if one not in searched] == []
    more = [path for kind, name, path in searched if [kind, name, path] not in listed]
    assert more in ([], ["//grains"]), "Blender 5.0 lists no caches of particles"
    assert {Path(path).name for *_, path in searched} >= {
        *("a.png", "b_0001.png", "c.<UDIM>.png", "library.blend", "sound.wav", "smoke.vdb"),
        *("still.png", "shape.mdd", "waves", "fluid", "grains", "lamp.ies", "shader.osl"),
    }
    expected = [
        [kind, name, str(tmp_path / "moved" / Path(path).name)] for kind, name, path in listed
    ]
    assert sorted(moved) == sorted(expected), "older Blenders replace the same paths"
