"""Honest videos that a check calls wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.check import PICTURE, CheckPlugin
from rendertrust.node.plugins.video import VideoPlugin
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import unit

pytestmark = [pytest.mark.render, pytest.mark.heavy, pytest.mark.timeout(900)]


def pictures(folder: Path, film: Any, count: int) -> dict[str, Path]:
    folder.mkdir()
    for number in range(count):
        shown = np.clip(film(number), 0, 255).astype(np.uint8)
        Image.fromarray(shown).save(folder / f"{number + 1:04d}.png")
    return {path.name: path for path in sorted(folder.iterdir())}


def white(width: int, height: int) -> Any:
    return lambda n: np.random.default_rng(n).integers(0, 256, (height, width, 3))


def coarse(width: int, height: int, cell: int) -> Any:
    def film(n: int) -> Any:
        small = np.random.default_rng(n).integers(0, 256, (height // cell, width // cell, 3))
        return small.repeat(cell, 0).repeat(cell, 1)
    return film


def fine(width: int, height: int, strength: float) -> Any:
    return lambda n: 128 + np.random.default_rng(n).normal(0, strength, (height, width, 3))


def flicker(width: int, height: int) -> Any:
    return lambda n: np.full((height, width, 3), 255 * (n % 2)) + np.random.default_rng(n).normal(0, 20, (height, width, 3))


FILMS = {
    "white": (white(256, 144), 6),
    "cells2": (coarse(256, 144, 2), 6),
    "cells4": (coarse(256, 144, 4), 6),
    "fine3": (fine(256, 144, 3.0), 6),
    "fine8": (fine(256, 144, 8.0), 6),
    "fine20": (fine(256, 144, 20.0), 6),
    "flicker": (flicker(256, 144), 6),
    "large": (white(2048, 1152), 3),
}
RATES = [
    {"fps": 24}, {"fps": 1}, {"fps": 1, "fps_base": 100000.0}, {"fps": 1, "fps_base": 10.0},
    {"fps": 1000}, {"fps": 32767}, {"fps": 32767, "fps_base": 0.1}, {"fps": 7, "fps_base": 3.3333},
    {"fps": 30, "fps_base": 1.001}, {"fps": 601}, {"fps": 240},
]


async def outcome(tmp: Path, blender: Resident, film: Any, count: int, **params: Any) -> str:
    render = blender.render(tmp / "scratch")
    made = await VideoPlugin(render).run(unit(tmp / "made", pictures(tmp / "p", film, count), params))
    if isinstance(made, Failed):
        return f"node failed: {made.failure} {made.error}"
    assert made.file is not None
    path = tmp / "video.bin"
    path.write_bytes(made.file.read_bytes())
    given = {"of": "video", "draws": [], "shown": [n / 16 for n in range(min(16, count))], **params}
    inputs = {**pictures(tmp / "q", film, count), PICTURE: path}
    found = await CheckPlugin(render).run(unit(tmp / "check", inputs, given))
    if isinstance(found, Failed):
        return f"check failed: {found.failure} {found.error}"
    told = orjson.loads(found.file.read_bytes())
    return f"FAULT {told['fault']}" if "fault" in told else f"ok {len(path.read_bytes())}"


@pytest.mark.parametrize("container", ["MP4", "WEBM"])
@pytest.mark.parametrize("rate", RATES, ids=str)
async def test_rates(tmp_path: Path, resident_blender: Resident, rate: Any, container: str) -> None:
    def film(n: int) -> Any:
        return np.full((72, 128, 3), 40 * (n % 5)) + np.mgrid[0:72, 0:128][1][..., None]

    said = await outcome(tmp_path, resident_blender, film, 5, container=container, **rate)
    print(container, rate, said)
    assert "FAULT" not in said, said


@pytest.mark.parametrize("container", ["MP4", "WEBM"])
@pytest.mark.parametrize("name", FILMS)
async def test_films(tmp_path: Path, resident_blender: Resident, name: str, container: str) -> None:
    film, count = FILMS[name]
    said = await outcome(tmp_path, resident_blender, film, count, container=container, fps=24)
    print(container, name, said)
    assert "FAULT" not in said, said


@pytest.mark.parametrize("container", ["MP4", "WEBM"])
async def test_one_frame(tmp_path: Path, resident_blender: Resident, container: str) -> None:
    said = await outcome(tmp_path, resident_blender, white(64, 36), 1, container=container, fps=24)
    assert "FAULT" not in said, said
