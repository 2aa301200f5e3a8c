"""The demo, as a newcomer runs it: a picture, and books that tell what it cost."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.acceptance.gateway import ROOT, alive_in
from tests.engines import engine_folder
from tests.ssim import ssim
from tests.until import until

REFERENCE = Path(__file__).parent / "reference" / "demo.png"
SECONDS = 280.0


async def run_demo(folder: Path, *words: str) -> tuple[int, str]:
    """``rendertrust demo --exit`` with a data folder of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rendertrust", "demo", "--exit", "--data", str(folder)),
        *words,
        cwd=ROOT,
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.render
async def test_two_demos_at_once_each_end_with_the_picture_and_its_price() -> None:
    with engine_folder() as base:
        folders = [base / "one", base / "two"]
        for code, said in await asyncio.gather(*map(run_demo, folders)):
            assert code == 0, said
            assert "10.0000 credits were held, 10.0000 charged" in said
            assert "100.0000 before, 90.0000 after" in said
        for folder in folders:
            check_picture(folder / "out" / "frame-0001.png")
        await until(lambda: not alive_in(base), within=20)


def check_picture(path: Path) -> None:
    with Image.open(path) as file, Image.open(REFERENCE) as expected:
        assert file.size == expected.size
        pixels, wanted = np.asarray(file.convert("RGB")), np.asarray(expected.convert("RGB"))
    assert ssim(pixels, wanted) >= 0.98
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5_000
