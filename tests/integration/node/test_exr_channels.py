"""OpenEXR pictures have only the channels that their scene writes; more channels would
cost memory.
"""

import asyncio
from pathlib import Path

import attrs
import pytest

from rendertrust.node.plugin import Failed
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.checks import Files, Stage
from tests.integration.node.scenes import build

pytestmark = [pytest.mark.render, pytest.mark.heavy]
EXR = """
settings = scene.render.image_settings
settings.file_format, settings.color_mode = "OPEN_EXR", "{}"
"""


def test_a_picture_with_other_channels_is_a_fault(render: RenderPlugin, tmp_path: Path) -> None:
    scene = build(tmp_path / "s.blend", EXR.format("RGB"))
    stage = Stage(tmp_path, render, scene, Files(b"", None))
    honest = asyncio.run(stage.delivered("honest", scene))
    more = build(tmp_path / "more.blend", EXR.format("RGBA"))
    lie = attrs.evolve(honest, picture=asyncio.run(stage.delivered("more", more)).picture)
    told = asyncio.run(stage.told("more", lie))
    assert not isinstance(told, Failed), told
    assert "other layers or passes" in told.get("fault", ""), told
    told = asyncio.run(stage.told("honest", honest))
    assert not isinstance(told, Failed), told
    assert told["finish"] == {"equal": True, "off": None}
