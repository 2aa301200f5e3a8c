"""Scenes with volumes, even inside node groups, are detected: tiles of them get a larger margin."""

import pytest

from tests.integration.node.scenes import SMALL, make

pytestmark = [pytest.mark.render]
IN_GROUP = """
group = bpy.data.node_groups.new("inner", "ShaderNodeTree")
volume = group.nodes.new("ShaderNodeVolumePrincipled")
out = group.nodes.new("ShaderNodeOutputMaterial")
if LINKED:
    group.links.new(volume.outputs[0], out.inputs["Volume"])
material = bpy.data.materials.new("smoke")
material.use_nodes = True
material.node_tree.nodes.clear()
material.node_tree.nodes.new("ShaderNodeGroup").node_tree = group
bpy.data.objects["Cube"].data.materials.append(material)
from rendertrust.node.worker.render import tiles
found = tiles.rendered((20, 18, 8, 8), scene)
assert found == WANTED, found
"""


@pytest.mark.parametrize(("linked", "wanted"), [(True, (4, 2, 40, 34)), (False, (12, 10, 24, 24))])
def test_an_output_in_a_group_is_seen(linked: bool, wanted: tuple[int, ...]) -> None:
    make(f"LINKED, WANTED = {linked}, {wanted}\n" + SMALL + IN_GROUP)
