"""Scenes with an OpenColorIO configuration of their own, rendered in the sandbox."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import attrs
import pytest

from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.check import EVIDENCE, PICTURE, CheckPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.scene_inspection import look
from tests.integration.node.checks import DRAWS
from tests.integration.node.scenes import END, LOCALLY, SAVE, SMALL, pixels, unit

pytestmark = pytest.mark.render
LUT = "Version 1\nFrom 0.0 1.0\nLength 2\nComponents 1\n{\n0.0\n0.5\n}\n"
CONFIGURATION = """\
ocio_profile_version: 2
search_path: luts
roles: {scene_linear: Linear, data: Raw, default: Raw, color_picking: sRGB}
file_rules:
  - !<Rule> {name: Default, colorspace: default}
displays:
  sRGB:
    - !<View> {name: Studio Look, colorspace: Studio}
colorspaces:
  - !<ColorSpace> {name: Linear, bitdepth: 32f}
  - !<ColorSpace>
    name: sRGB
    to_scene_reference: !<ExponentWithLinearTransform> {gamma: 2.4, offset: 0.055}
  - !<ColorSpace>
    name: Studio
    from_scene_reference: !<FileTransform> {src: half.spi1d, interpolation: linear}
  - !<ColorSpace> {name: Raw, isdata: true}
  - !<ColorSpace>
    name: MyCam
    to_scene_reference: !<MatrixTransform>
      matrix: [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
"""
# The cube shines in the colours of a picture of the studio's camera, which swaps red and green.
VIEW = """
scene.view_settings.view_transform = 'Studio Look'
picture = bpy.data.images.new("camera", 2, 2, float_buffer=True)
picture.pixels = [0.9, 0.2, 0.1, 1.0] * 4
picture.pack()
picture.colorspace_settings.name = "MyCam"
tree = bpy.data.materials["Material"].node_tree
shown, shine = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeEmission")
shown.image = picture
tree.links.new(shown.outputs[0], shine.inputs[0])
out = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
tree.links.new(shine.outputs[0], out.inputs[0])
"""
MIDDLE = (18, 32)  # row and column, where the cube is


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Write a configuration whose only view halves linear light by a table in another file."""
    folder = tmp_path / "studio"
    (folder / "luts").mkdir(parents=True)
    (folder / "luts" / "half.spi1d").write_text(LUT)
    (folder / "config.ocio").write_text(CONFIGURATION)
    return folder / "config.ocio"


def bare(configuration: Path, program: str, *arguments: str) -> None:
    """Run a program in a Blender that has the configuration, without the node's worker."""
    command = [sys.executable, "-c", program + END, *arguments]
    known = {**os.environ, "OCIO": str(configuration)}
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=known
    )
    assert ran.returncode == 0, ran.stderr[-2000:]


def archive(configuration: Path) -> Path:
    """Pack a configuration and its tables as OpenColorIO does."""
    path = configuration.with_suffix(".ocioz")
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(configuration, "config.ocio")
        packed.write(configuration.parent / "luts" / "half.spi1d", "luts/half.spi1d")
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["files", "archive"])
async def test_the_configuration_among_the_inputs_is_used_and_by_verifiers(
    configuration: Path, found_blender: Blender, tmp_path: Path, *, packed: bool
) -> None:
    scene, out = tmp_path / "s.blend", tmp_path / "out"
    bare(configuration, SMALL + VIEW + SAVE, str(scene))
    bare(configuration, LOCALLY, str(scene), str(out), "1")
    expected = pixels(out / "0001.png")
    red, green, _ = expected[MIDDLE][:3]
    assert green > red, "the camera's colour space is used"
    inputs = {"s.blend": scene}
    if packed:
        inputs["studio.ocioz"] = archive(configuration)
    else:
        inputs["studio/config.ocio"] = configuration
        inputs["studio/luts/half.spi1d"] = configuration.parent / "luts" / "half.spi1d"
    render = RenderPlugin(scratch=tmp_path / "scratch", found=found_blender)
    made = await render.run(unit(tmp_path / "with", inputs, {"frame": 1, "evidence": True}))
    assert isinstance(made, Completed), made
    assert made.file is not None
    assert made.evidence is not None
    assert (pixels(made.file) == expected).all()
    delivered = {**inputs, PICTURE: made.file, EVIDENCE: made.evidence}
    work = unit(tmp_path / "check", delivered, {"frame": 1, "draws": DRAWS})
    report = await CheckPlugin(render).run(attrs.evolve(work, job_type="check"))
    assert isinstance(report, Completed), report
    assert [crop["equal"] for crop in report.work["crops"]] == [True] * len(DRAWS)


async def test_a_scene_without_its_configuration_has_other_colours_and_a_broken_one_is_refused(
    configuration: Path, found_blender: Blender, tmp_path: Path
) -> None:
    scene, out = tmp_path / "s.blend", tmp_path / "out"
    bare(configuration, SMALL + VIEW + SAVE, str(scene))
    bare(configuration, LOCALLY, str(scene), str(out), "1")
    render = RenderPlugin(scratch=tmp_path / "scratch", found=found_blender)
    without = await render.run(unit(tmp_path / "without", {"s.blend": scene}, {"frame": 1}))
    assert isinstance(without, Completed), without
    assert without.file is not None
    assert (pixels(without.file) != pixels(out / "0001.png")).any()
    configuration.write_text("nothing: [")
    inputs = {"s.blend": scene, "studio/config.ocio": configuration}
    refused = await render.run(unit(tmp_path / "bad", inputs, {"frame": 1}))
    assert isinstance(refused, Failed), refused
    assert (refused.failure, "configuration cannot be used" in refused.error) == ("scene", True)


@pytest.mark.parametrize("name", ["config.ocio", "studio.ocioz"], ids=["beside", "archive"])
async def test_a_configuration_beside_the_scene_or_an_archive_is_found(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    scene = configuration.with_name("s.blend")
    bare(configuration, SMALL + VIEW + SAVE, str(scene))
    monkeypatch.delenv("OCIO", raising=False)
    expected = {"config.ocio", "half.spi1d"}
    if name.endswith("z"):
        monkeypatch.setenv("OCIO", str(archive(configuration).rename(tmp_path / name)))
        expected = {name}
    facts = await look(scene)
    assert isinstance(facts, dict), facts
    assert {Path(file["file"]).name for file in facts["files"]} == expected
    assert facts["lost_views"] == []


async def test_the_configuration_and_its_tables_are_found(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = tmp_path / "s.blend"
    bare(configuration, SMALL + VIEW + SAVE, str(scene))
    monkeypatch.setenv("OCIO", str(configuration))
    facts = await look(scene)
    assert isinstance(facts, dict), facts
    found = {Path(file["file"]).name: file["bytes"] for file in facts["files"]}
    assert found == {"config.ocio": len(CONFIGURATION), "half.spi1d": len(LUT)}
    assert facts["lost_views"] == []
