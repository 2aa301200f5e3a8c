"""Scenes with an OpenColorIO configuration of their own, rendered in the sandbox."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.scene_inspection import look
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
"""
VIEW = "\nscene.view_settings.view_transform = 'Studio Look'\n"


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


async def test_the_configuration_among_the_inputs_is_used(
    configuration: Path, found_blender: Blender, tmp_path: Path
) -> None:
    scene, out = tmp_path / "s.blend", tmp_path / "out"
    bare(configuration, SMALL + VIEW + SAVE, str(scene))
    bare(configuration, LOCALLY, str(scene), str(out), "1")
    render = RenderPlugin(scratch=tmp_path / "scratch", found=found_blender)
    inputs = {"s.blend": scene, "studio/config.ocio": configuration}
    inputs["studio/luts/half.spi1d"] = configuration.parent / "luts" / "half.spi1d"
    made = await render.run(unit(tmp_path / "with", inputs, {"frame": 1}))
    assert isinstance(made, Completed), made
    assert made.file is not None
    assert (pixels(made.file) == pixels(out / "0001.png")).all()
    without = await render.run(unit(tmp_path / "without", {"s.blend": scene}, {"frame": 1}))
    assert isinstance(without, Completed), without
    assert without.file is not None
    assert (pixels(without.file) != pixels(out / "0001.png")).any()
    configuration.write_text("nothing: [")
    refused = await render.run(unit(tmp_path / "bad", inputs, {"frame": 1}))
    assert isinstance(refused, Failed), refused
    assert (refused.failure, "configuration cannot be used" in refused.error) == ("scene", True)


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
