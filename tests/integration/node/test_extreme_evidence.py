"""Evidence of extreme values is a mismatch, and the check ends with a report."""

import asyncio
import io
import math
import struct
from pathlib import Path

import attrs
import numpy as np
import pytest

from rendertrust.node.worker.formats.exr import MAGIC, heads_of, window_in
from tests.integration.node.checks import Files, Stage
from tests.integration.node.resident import Resident
from tests.unit.proof.test_picture_digest import attribute

pytestmark = [pytest.mark.render, pytest.mark.heavy]


@pytest.fixture(scope="module")
def stage(
    resident_blender: Resident, artists: Path, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    folder = tmp_path_factory.mktemp("extreme")
    bare = Stage(folder, resident_blender.render(folder / "scratch"), artists, Files(b"", None))
    return attrs.evolve(bare, honest=asyncio.run(bare.delivered("honest", artists)))


def filled(evidence: bytes, value: float) -> bytes:
    """Return evidence with the same channels, all of float32, and this value in every sample."""
    _, (head,) = heads_of(io.BytesIO(evidence))
    width, height, channels = window_in(head)
    row = np.full(width * channels, value, "<f4").tobytes()
    made = MAGIC + struct.pack("<I", 2 | 0x400)  # names longer than 31 bytes
    made += attribute("channels", "chlist", head["channels"])
    made += attribute("compression", "compression", b"\0")
    made += attribute("dataWindow", "box2i", head["dataWindow"])
    made += attribute("displayWindow", "box2i", head["dataWindow"])
    made += attribute("lineOrder", "lineOrder", b"\0")
    made += attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    made += attribute("screenWindowCenter", "v2f", bytes(8))
    made += attribute("screenWindowWidth", "float", struct.pack("<f", 1)) + b"\0"
    first = len(made) + 8 * height
    made += b"".join(struct.pack("<Q", first + y * (8 + len(row))) for y in range(height))
    return made + b"".join(struct.pack("<iI", y, len(row)) + row for y in range(height))


@pytest.mark.parametrize("value", [3.4e38, -3.4e38, math.nan, 1e-45])
async def test_evidence_of_extreme_values_is_a_mismatch(stage: Stage, value: float) -> None:
    """With NumPy 1, the comparison became infinite, and three such checks gave no verdict."""
    assert stage.honest.evidence is not None
    lie = attrs.evolve(stage.honest, evidence=filled(stage.honest.evidence, value))
    assert await stage.verdict(f"of {value:g}".replace(" ", "-"), lie) == "mismatch"
