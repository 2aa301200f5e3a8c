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
from tests.unit.proof.test_picture_digest import attribute

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


def test_a_picture_with_a_broken_header_is_a_fault(render: RenderPlugin, tmp_path: Path) -> None:
    """Reading the header raised an error, so three such checks gave no verdict."""
    scene = build(tmp_path / "s.blend", EXR.format("RGB"))
    stage = Stage(tmp_path, render, scene, Files(b"", None))
    honest = asyncio.run(stage.delivered("honest", scene))
    for kind, size in (("chlist", 20), ("compression", 0)):
        name = "channels" if kind == "chlist" else kind
        begin = f"{name}\0{kind}\0".encode()
        at = honest.picture.index(begin)
        value = at + len(begin) + 4
        whole = int.from_bytes(honest.picture[value - 4 : value], "little")
        cut = attribute(name, kind, honest.picture[value : value + size])
        lie = honest.picture[:at] + cut + honest.picture[value + whole :]
        told = asyncio.run(stage.told(f"cut-{name}", Files(lie, honest.evidence), draws=[]))
        assert not isinstance(told, Failed), told
        assert {"fault", "suspect"} & {*told}, told
