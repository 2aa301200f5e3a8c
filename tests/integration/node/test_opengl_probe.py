"""Probe of OpenGL, which EEVEE needs: the node finds out in time whether it can draw."""

from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

from rendertrust.node import opengl_probe
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.blender import Blender
from rendertrust.node.hello import hello
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins import PluginOffer
from rendertrust.node.plugins.preflight import PreflightPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.sandbox import Sandbox
from rendertrust.node.unit_run import failed
from rendertrust.preflight.findings import NodeClass, findings
from rendertrust.protocol import Running
from tests.integration.node.scenes import INSTALLED, build, task
from web.jobs.preflight_report import SceneFacts, facts_in

pytestmark = pytest.mark.render

NONE = opengl_probe.OpenGL(works=False)
ENGINES = ("BLENDER_EEVEE", pytest.param("BLENDER_WORKBENCH", marks=pytest.mark.nightly))


@attrs.frozen(kw_only=True)
class WithoutDrivers(Sandbox):
    """Sandbox without OpenGL drivers."""

    def command(self, program: Sequence[str], folder: Path, worker: Path) -> list[str]:
        made = Sandbox.command(self, program, folder, worker)
        end = made.index("--", 1 + made.index(self.bwrap))
        return [*made[:end], "--tmpfs", "/usr/share/glvnd/egl_vendor.d", *made[end:]]


@pytest.fixture
def bare(found_blender: Blender) -> Blender:
    box = found_blender.box
    assert isinstance(box, Sandbox)
    return attrs.evolve(found_blender, box=WithoutDrivers(**attrs.asdict(box, recurse=False)))


async def test_it_is_found_out_by_drawing_and_kept(
    bare: Blender, found_blender: Blender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "cache" / "opengl.json"
    assert await opengl_probe.probe(bare, tmp_path / "draw", kept) == NONE
    assert not (tmp_path / "draw").exists()

    async def never(*_: object, **__: object) -> None:
        raise AssertionError("it was tried again")

    monkeypatch.setattr(Blender, "obey", never)
    assert await opengl_probe.probe(bare, tmp_path / "draw", kept) == NONE
    (tmp_path / "50_mesa.json").write_text("{}")
    monkeypatch.setattr(opengl_probe, "_VENDORS", (str(tmp_path),))
    assert opengl_probe.state_of(bare) not in kept.read_text(), (
        "with other drivers drawing is tried anew"
    )


async def test_a_node_with_drivers_has_it(found_blender: Blender, tmp_path: Path) -> None:
    kept = tmp_path / "opengl.json"
    found = await opengl_probe.probe(found_blender, tmp_path / "draw", kept)
    assert found.works is True
    assert found.driver is not None
    assert "llvmpipe" in found.driver, "with its version and the processor's maker"
    assert await opengl_probe.probe(found_blender, tmp_path / "draw", kept) == found


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_node_without_it_refuses_what_draws_by_it_before_it_begins(
    bare: Blender, engine: str, tmp_path: Path
) -> None:
    node = attrs.evolve(bare, opengl=False)
    render = RenderPlugin(scratch=tmp_path / "scratch", found=node)
    scene = build(tmp_path / "scene.blend", f"scene.render.engine = {engine!r}")
    try:
        result = await render.run(task(tmp_path / "work", scene, {}))
    finally:
        await render.residents.end()
    assert isinstance(result, Failed)
    told = failed(Running(job_id="j"), result)
    assert (told.failure, told.lacks) == ("node", "opengl")
    assert told.error is not None
    assert "needs OpenGL, but this node has none" in told.error


async def test_a_node_without_it_renders_by_cycles(bare: Blender, tmp_path: Path) -> None:
    render = RenderPlugin(scratch=tmp_path / "scratch", found=attrs.evolve(bare, opengl=False))
    scene = build(tmp_path / "scene.blend")
    try:
        assert isinstance(await render.run(task(tmp_path / "work", scene, {})), Completed)
    finally:
        await render.residents.end()


PENCIL = """
scene.render.resolution_x = scene.render.resolution_y = 32
bpy.ops.object.grease_pencil_add(type="MONKEY", location=(0, 0, 1.2), radius=2.5)
pencil = bpy.context.object
"""
HIDDEN = "pencil.hide_render = True\n"
SHOWN_BY_ANOTHER = """
shown = bpy.data.objects.new("Shown", bpy.data.meshes.new("m"))
scene.collection.objects.link(shown)
tree = bpy.data.node_groups.new("Show", "GeometryNodeTree")
tree.interface.new_socket("Out", in_out="OUTPUT", socket_type="NodeSocketGeometry")
other, out = tree.nodes.new("GeometryNodeObjectInfo"), tree.nodes.new("NodeGroupOutput")
other.inputs["Object"].default_value = pencil
tree.links.new(other.outputs["Geometry"], out.inputs[0])
shown.modifiers.new("Show", "NODES").node_group = tree
"""
MADE_BY_NODES = """
scene.render.resolution_x = scene.render.resolution_y = 32
tree = bpy.data.node_groups.new("Draw", "GeometryNodeTree")
tree.interface.new_socket("Out", in_out="OUTPUT", socket_type="NodeSocketGeometry")
line, out = tree.nodes.new("GeometryNodeCurvePrimitiveLine"), tree.nodes.new("NodeGroupOutput")
pencil = tree.nodes.new("GeometryNodeCurvesToGreasePencil")
tree.links.new(line.outputs[0], pencil.inputs[0])
tree.links.new(pencil.outputs[0], out.inputs[0])
bpy.data.objects["Cube"].modifiers.new("Draw", "NODES").node_group = tree
"""


@pytest.mark.parametrize(
    "change",
    [PENCIL, PENCIL + HIDDEN + SHOWN_BY_ANOTHER, MADE_BY_NODES],
    ids=["drawn", "by way of another", "by nodes"],
)
async def test_a_node_without_it_refuses_grease_pencil_before_it_begins(
    bare: Blender, change: str, tmp_path: Path
) -> None:
    """Blender draws it with OpenGL over a render by Cycles, and would crash."""
    render = RenderPlugin(scratch=tmp_path / "scratch", found=attrs.evolve(bare, opengl=False))
    scene = build(tmp_path / "scene.blend", change)
    try:
        result = await render.run(task(tmp_path / "work", scene, {}))
    finally:
        await render.residents.end()
    assert isinstance(result, Failed)
    told = failed(Running(job_id="j"), result)
    assert (told.failure, told.lacks) == ("node", "opengl"), told
    assert told.error is not None
    assert "is Grease Pencil, which needs OpenGL" in told.error


async def test_a_node_without_it_inspects_grease_pencil_but_measures_no_frame(
    bare: Blender, tmp_path: Path
) -> None:
    render = RenderPlugin(scratch=tmp_path / "scratch", found=attrs.evolve(bare, opengl=False))
    scene = build(tmp_path / "scene.blend", PENCIL)
    asked = task(tmp_path / "work", scene, {"scene": "scene.blend"})
    result = await PreflightPlugin(render=render).run(asked)
    assert isinstance(result, Completed), result
    assert result.file is not None
    facts = facts_in(result.file.read_bytes())
    assert isinstance(facts, SceneFacts), facts
    assert "needs OpenGL" in facts.unprobed
    found = findings(attrs.asdict(facts), NodeClass(blenders=(INSTALLED,)))
    assert [one.code for one in found] == ["no_tiles", "grease_pencil"]


async def test_a_node_without_it_renders_scenes_with_hidden_grease_pencil(
    bare: Blender, tmp_path: Path
) -> None:
    render = RenderPlugin(scratch=tmp_path / "scratch", found=attrs.evolve(bare, opengl=False))
    scene = build(tmp_path / "scene.blend", PENCIL + HIDDEN)
    try:
        assert isinstance(await render.run(task(tmp_path / "work", scene, {})), Completed)
    finally:
        await render.residents.end()


COMPOSED_BY_DRIVER = """
scene.render.resolution_x = scene.render.resolution_y = 32
tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
scene.compositing_node_group = tree
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
blur = tree.nodes.new("CompositorNodeBlur")
tree.links.new(layers.outputs["Image"], blur.inputs[0])
tree.links.new(blur.outputs[0], out.inputs[0])
scene.render.compositor_device = "GPU"
scene.render.keyframe_insert("compositor_device", frame=1)
"""


async def test_no_scene_is_composited_by_a_graphics_driver(bare: Blender, tmp_path: Path) -> None:
    """Blender would crash on this node, and drivers round differently."""
    render = RenderPlugin(scratch=tmp_path / "scratch", found=attrs.evolve(bare, opengl=False))
    scene = build(tmp_path / "scene.blend", COMPOSED_BY_DRIVER)
    try:
        result = await render.run(task(tmp_path / "work", scene, {"frame": 3}))
    finally:
        await render.residents.end()
    assert isinstance(result, Completed), result


@pytest.mark.parametrize("opengl", [True, False, None])
def test_a_node_says_what_it_found_out(found_blender: Blender, opengl: bool | None) -> None:
    found = opengl_probe.OpenGL(opengl, "a driver" if opengl else None)
    node = opengl_probe.with_opengl(found_blender, found)
    render = RenderPlugin(scratch=Path("nowhere"), found=node)
    offer = PluginOffer(plugins={"render": render}, not_offered={})
    said = hello(offer, AgentSettings(), ())
    assert (said.opengl, said.drawing) == (opengl, found.driver)
