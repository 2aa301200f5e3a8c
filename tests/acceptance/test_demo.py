"""The demo, as a newcomer runs it: a picture, a film, and books that tell what they cost."""

import asyncio
import json
import os
import struct
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.node.test_video import boxes
from tests.support.checkout import Checkout, at_home
from tests.support.engines import engine_folder
from tests.support.gateway_process import alive_in
from tests.support.ssim import ssim
from tests.support.until import until

pytestmark = [pytest.mark.render, pytest.mark.timeout(600)]
REFERENCE = Path(__file__).parent / "reference" / "demo.png"


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that nobody but its owner can enter."""
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        yield Path(folder)


async def run_demo(checkout: Checkout, data: Path) -> tuple[int, str]:
    return await checkout.rendertrust("demo", "--exit", "--data", str(data))


@pytest.mark.timeout(900)  # each sets a checkout up and renders; others run beside
async def test_two_demos_at_once_each_end_with_the_picture_and_its_price(home: Path) -> None:
    """One of them out of a checkout in a home that is closed to others."""
    closed = at_home(home)
    with engine_folder() as base:
        folders = [base / "one", base / "two"]
        for code, said in await asyncio.gather(*map(run_demo, (Checkout(), closed), folders)):
            assert code == 0, said
            assert "10.0000 credits were held, 10.0000 charged" in said
            assert "100.0000 before, 90.0000 after" in said
            assert "80.0000 credits for 8 frames" in said
            assert "9.0000 credits are left" in said
        for folder in folders:
            check_picture(folder / "out" / "frame-0001.png")
            check_film(folder / "out")
        await until(lambda: not alive_in(base))
    # What the engines' account cannot enter is named, with what to do; its owner's engines can.
    if os.geteuid() == 0:
        code, said = await closed.rendertrust("serve", "--data", str(home / "data"))
        assert code == 1, said
        assert said.splitlines()[-1].startswith(f"rendertrust: {home} is closed to the user ")
        assert f"chmod o+x {home}" in said


def check_picture(path: Path) -> None:
    with Image.open(path) as file, Image.open(REFERENCE) as expected:
        assert file.size == expected.size
        pixels, wanted = np.asarray(file.convert("RGB")), np.asarray(expected.convert("RGB"))
    assert ssim(pixels, wanted) >= 0.98
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5_000


def check_film(folder: Path) -> None:
    """Eight frames that differ, in their order, and a film of one second that has each once."""
    frames = sorted((folder / "animation").glob("*.png"))
    assert [path.name for path in frames] == [f"frame-{n:04}.png" for n in range(1, 9)]
    pictures = []
    for path in frames:
        with Image.open(path) as file:
            assert file.size == (320, 180)
            pictures.append(np.asarray(file.convert("RGB")).astype(int))
    steps = [np.abs(after - before).mean() for before, after in pairwise(pictures)]
    assert min(steps) > 0.5, "the gem and the eye move from each frame to the next"
    found = dict(boxes((folder / "film.mp4").read_bytes()))
    assert struct.unpack(">I", found["stsz"][8:12])[0] == 8, "samples in the track"
    (scale, length) = struct.unpack(">II", found["mdhd"][12:20])
    assert length / scale == pytest.approx(1.0, abs=1e-3)


@pytest.mark.timeout(900)
async def test_a_node_that_is_killed_under_way_comes_back_and_the_film_is_whole(
    tmp_path: Path,
) -> None:
    """And nothing is changed outside the data folder but for Python's byte code."""
    program = ("tests.support.footprint", str(tmp_path), "--chaos", "--json")
    code, said = await Checkout().run(*program, before=undisturbed())
    assert code == 0, said
    *told, changes = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [each["text"] for each in told if each["event"] == "chaos"] == [
        "node-2 is killed while it renders",
        "node-2 comes back",
    ]
    done = told[-1]
    assert (done["animation_charged"], done["film_charged"]) == ("80.0000", "1.0000")
    assert done["attempts"] >= 4, "what it had and lost was done by another attempt"
    check_film(tmp_path)
    assert changes == {"came": [], "went": [], "changed": [], "alive": []}


def undisturbed() -> tuple[str, ...]:
    """A view of the file systems in which the program finds folders that nobody else uses."""
    return ("unshare", "--mount", "--propagation", "private") if os.geteuid() == 0 else ()
