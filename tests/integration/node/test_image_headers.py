"""A picture whose header claims more pixels than the frame is refused without decoding.

Decoding the picture would take the verifier's memory and hide its other findings.
"""

import asyncio
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs
import pytest

from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Failed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.worker.formats.image_headers import size_of
from rendertrust.node.worker.scene.output import SUFFIXES
from tests.integration.node.checks import Files, Stage
from tests.integration.node.scenes import build
from tests.unit.proof import receipts

pytestmark = [pytest.mark.render, pytest.mark.heavy]
SIZE = (32, 18)
SIDE, ROWS = 50_000, 500
SIDES = f"scene.render.resolution_x, scene.render.resolution_y = {SIZE}\n"
KIND = "scene.render.image_settings.file_format = {!r}\n"


def huge_tiff() -> bytes:
    """Return a TIFF of 50,000 by 50,000 pixels in 100 KiB; all its strips share one piece of
    data.
    """
    strip, count = zlib.compress(bytes(ROWS * SIDE * 4), 9), SIDE // ROWS
    strips = 8 + len(strip)
    lengths, bits, entries = strips + 4 * count, strips + 8 * count, strips + 8 * count + 8
    tags = [
        *((256, 4, 1, SIDE), (257, 4, 1, SIDE), (258, 3, 4, bits), (259, 3, 1, 8)),
        *((262, 3, 1, 2), (273, 4, count, strips), (277, 3, 1, 4), (278, 4, 1, ROWS)),
        *((279, 4, count, lengths), (284, 3, 1, 1), (338, 3, 1, 2)),
    ]
    values = struct.pack(f"<{count}I", *[8] * count) + struct.pack(
        f"<{count}I4H", *[len(strip)] * count, 8, 8, 8, 8
    )
    packed = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *of) for of in tags)
    return b"II*\0" + struct.pack("<I", entries) + strip + values + packed + bytes(4)


def staged(render: RenderPlugin, folder: Path, code: str) -> Stage:
    return Stage(folder, render, build(folder / "s.blend", SIDES, code), Files(b"", None))


async def test_a_huge_picture_hides_no_lie(
    render: RenderPlugin, found_blender: Blender, tmp_path: Path
) -> None:
    stage = await asyncio.to_thread(staged, render, tmp_path, KIND.format("TIFF"))
    little = attrs.evolve(found_blender, memory_bytes=3 << 30)
    checks = attrs.evolve(stage, render=RenderPlugin(scratch=tmp_path / "scratch", found=little))
    lie = await stage.delivered("lie", stage.scene, samples=1)
    told = await checks.told("lie", Files(huge_tiff(), lie.evidence))
    assert not isinstance(told, Failed), told
    assert not any(crop["equal"] for crop in told["crops"])
    assert max(crop["off"] for crop in told["crops"]) > 1
    assert "finish" not in told, "the picture was opened though the crops tell enough"
    honest = await stage.delivered("honest", stage.scene)
    told = await checks.told("huge", Files(huge_tiff(), honest.evidence))
    assert not isinstance(told, Failed), told
    assert told["fault"] == f"the picture is {SIDE} by {SIDE}, not 32 by 18"


@pytest.mark.parametrize("kind", [kind for kind in SUFFIXES if kind != "OPEN_EXR_MULTILAYER"])
async def test_what_blender_writes_is_read(render: RenderPlugin, kind: str, tmp_path: Path) -> None:
    stage = await asyncio.to_thread(staged, render, tmp_path, KIND.format(kind))
    made = await stage.delivered("made", stage.scene, samples=1)
    path = tmp_path / "picture"
    path.write_bytes(made.picture)
    assert size_of(str(path), SUFFIXES[kind]) == SIZE
    told = await stage.told("made", made, samples=1)
    assert not isinstance(told, Failed), told
    assert "fault" not in told
    assert told["finish"]["equal"]


def with_chunk(picture: bytes, kind: bytes, content: bytes) -> bytes:
    """Return the PNG with a chunk before its pixels, in the place of others of this kind."""
    found, place, end = picture[:8], 8, len(picture)
    while place < end:
        length = int.from_bytes(picture[place : place + 4], "big")
        if picture[place + 4 : place + 8] == b"IDAT" and kind not in found:
            found += receipts.chunk(kind, content)
        if picture[place + 4 : place + 8] != kind:
            found += picture[place : place + 12 + length]
        place += 12 + length
    return found


TURNED = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"  # Exif: upside down
METADATA: Final[dict[str, tuple[str, Callable[[bytes], bytes]]]] = {
    "gamma": ("PNG", lambda of: with_chunk(of, b"gAMA", struct.pack(">I", 1_000_000))),
    "profile": ("PNG", lambda of: with_chunk(of, b"iCCP", b"x\0\0" + zlib.compress(b"profile"))),
    "code points": ("PNG", lambda of: with_chunk(of, b"cICP", bytes([9, 16, 0, 1]))),
    "turned": ("PNG", lambda of: with_chunk(of, b"eXIf", TURNED)),
    "turned JPEG": (
        "JPEG",
        lambda of: (
            of[:2]
            + b"\xff\xe1"
            + struct.pack(">H", 8 + len(TURNED))
            + b"Exif\0\0"
            + TURNED
            + of[2:]
        ),
    ),
    "window": (
        "OPEN_EXR",
        lambda of: of.replace(
            b"displayWindow\0box2i\0\x10\0\0\0" + struct.pack("<iiii", 0, 0, 31, 17),
            b"displayWindow\0box2i\0\x10\0\0\0" + struct.pack("<iiii", 0, 0, 7, 7),
        ),
    ),
}


@pytest.mark.parametrize("name", METADATA)
async def test_metadata_that_viewers_obey_are_those_of_the_scene(
    render: RenderPlugin, tmp_path: Path, name: str
) -> None:
    """Otherwise a node could let each picture look wrong, and still be found exact."""
    kind, changed = METADATA[name]
    stage = await asyncio.to_thread(staged, render, tmp_path, KIND.format(kind))
    made = await stage.delivered("made", stage.scene)
    lie = attrs.evolve(made, picture=changed(made.picture))
    assert lie != made
    told = await stage.told("lie", lie)
    assert not isinstance(told, Failed), told
    assert "viewers show the picture otherwise" in told.get("fault", ""), told
