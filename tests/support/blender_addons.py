"""Add-ons of Blender for tests: zips of extensions that register a shader node of one colour."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from tests.integration.node.scenes import END, SAVE, SMALL

ID: Final = "paint_node"
PATH: Final = f"rendertrust-addons/{ID}.zip"
NODE: Final = """
import bpy
from .colour import COLOUR

class PaintNode(bpy.types.ShaderNodeCustomGroup):
    bl_idname, bl_label = "PaintNode", "Paint"

    def init(self, context):
        tree = self.node_tree = bpy.data.node_groups.new(".paint", "ShaderNodeTree")
        tree.interface.new_socket("Colour", in_out="OUTPUT", socket_type="NodeSocketColor")
        out, colour = tree.nodes.new("NodeGroupOutput"), tree.nodes.new("ShaderNodeRGB")
        colour.outputs[0].default_value = COLOUR
        tree.links.new(colour.outputs[0], out.inputs[0])

def register():
    bpy.utils.register_class(PaintNode)

def unregister():
    bpy.utils.unregister_class(PaintNode)
"""
MANIFEST: Final = """
schema_version = "1.0.0"
id = "{id}"
version = "1.2.0"
name = "Paint node"
tagline = "A shader node of one colour"
maintainer = "Tests"
type = "add-on"
blender_version_min = "{first}"
license = ["SPDX:MIT"]
"""
# A cube that shines in the node's colour. The argument is the add-on's folder.
SCENE: Final = """
import os, shutil, tempfile
import addon_utils
home = bpy.utils.user_resource("EXTENSIONS", path="user_default", create=True)
shutil.rmtree(os.path.join(home, "paint_node"), ignore_errors=True)
shutil.copytree(sys.argv[1], os.path.join(home, "paint_node"))
addon_utils.extensions_refresh(ensure_wheels=True)
assert addon_utils.enable("bl_ext.user_default.paint_node") is not None
tree = bpy.data.materials["Material"].node_tree
shine = tree.nodes.new("ShaderNodeEmission")
out = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
tree.links.new(tree.nodes.new("PaintNode").outputs[0], shine.inputs[0])
tree.links.new(shine.outputs[0], out.inputs[0])
"""


def addon(
    path: Path,
    *,
    identifier: str = ID,
    first: str = "4.2.0",
    node: str = NODE,
    more: str = "",
    within: str = "",
) -> Path:
    """Write an add-on's zip, which works from Blender ``first`` on.

    ``more`` ends its manifest; ``within`` is the folder in the zip that has all files, like "a/".
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as zipped:
        for name, text in (
            ("blender_manifest.toml", MANIFEST.format(id=identifier, first=first) + more),
            ("__init__.py", node),
            ("colour.py", "COLOUR = (1.0, 0.0, 0.0, 1.0)\n"),
        ):
            zipped.writestr(zipfile.ZipInfo(within + name, (2026, 1, 1, 0, 0, 0)), text)
    return path


def painted(folder: Path) -> Path:
    """Save a scene that has a node of the add-on, by a Blender of its own; return its path."""
    with zipfile.ZipFile(addon(folder / "addon.zip")) as zipped:
        zipped.extractall(folder / "source")
    colours = "\nscene.view_settings.view_transform = 'Standard'\n"
    program = "".join((SMALL, colours, SCENE, SAVE, END))
    path = folder / "painted.blend"
    command = [sys.executable, "-c", program, str(folder / "source"), str(path)]
    environment = {**os.environ, "HOME": str(folder)}
    subprocess.run(command, check=True, env=environment, timeout=120)
    return path
