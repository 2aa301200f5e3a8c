"""A picture that makes the checker die hides no lie that the crops have shown."""

import asyncio
import struct
import zlib
from pathlib import Path

import attrs
import pytest

from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Failed
from rendertrust.node.plugins.render import Render
from tests.integration.node.checks import Files, Stage
from tests.integration.node.scenes import build

pytestmark = [pytest.mark.render, pytest.mark.heavy]
TIFF = "\nscene.render.image_settings.file_format = 'TIFF'\n"
SIDE, ROWS = 50_000, 500
LONG, SHORT = 4, 3


def tiff_bomb() -> bytes:
    """Of 2.5 billion pixels: all its strips are the same few bytes."""
    strip, count = zlib.compress(bytes(ROWS * SIDE * 4), 9), SIDE // ROWS
    strip += b"\0" * (len(strip) % 2)
    offsets, lengths = (struct.pack(f"<{count}I", *[n] * count) for n in (8, len(strip)))
    where = 8 + len(strip)
    bits, begins = where + len(offsets) + len(lengths), where + len(offsets) + len(lengths) + 8
    tags = (
        *((256, LONG, 1, SIDE), (257, LONG, 1, SIDE), (258, SHORT, 4, bits), (259, SHORT, 1, 8)),
        *((262, SHORT, 1, 2), (273, LONG, count, where), (277, SHORT, 1, 4)),
        *((278, LONG, 1, ROWS), (279, LONG, count, where + len(offsets)), (284, SHORT, 1, 1)),
    )
    listed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = struct.pack("<H", len(tags)) + listed + bytes(4)
    packed = strip + offsets + lengths + struct.pack("<4H", 8, 8, 8, 8)
    return b"II*\0" + struct.pack("<I", begins) + packed + head


def test_crops_that_are_wrong_are_told_before_the_picture_is_opened(
    found_blender: Blender, tmp_path: Path
) -> None:
    bounded = attrs.evolve(found_blender, memory_bytes=3 << 30)
    render = Render(scratch=tmp_path / "scratch", found=bounded)
    stage = Stage(tmp_path, render, build(tmp_path / "s.blend", TIFF), Files(b"", None))
    lie = asyncio.run(stage.delivered("lie", stage.scene, samples=1))
    told = asyncio.run(stage.told("bomb", attrs.evolve(lie, picture=tiff_bomb())))
    assert not isinstance(told, Failed), told
    assert "finish" not in told
    assert max(one["off"] or 0 for one in told["crops"]) > 1
