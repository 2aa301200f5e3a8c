"""The demo as a newcomer runs it: a verified picture, a film, and their cost."""

import asyncio
import json
import os
import re
import struct
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.integration.node.scenes import build
from tests.integration.node.test_video import boxes
from tests.support import programs
from tests.support.checkout import Checkout, at_home
from tests.support.engines import engine_folder
from tests.support.gateway_process import none_alive_in
from tests.support.ssim import ssim

pytestmark = [pytest.mark.render, pytest.mark.timeout(600)]
PAID = re.compile(r"([0-9.]+) credits held, \1 charged")
SMALL_SCENE = """
scene.cycles.samples = 4
scene.render.resolution_x = scene.render.resolution_y = 32
scene.render.fps = 8
cube = bpy.data.objects["Cube"]
cube.keyframe_insert("rotation_euler", frame=1)
cube.rotation_euler[2] = 2.0
cube.keyframe_insert("rotation_euler", frame=3)
"""
REFERENCE = Path(__file__).parent / "reference" / "demo.png"


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield a home folder that only its owner can enter."""
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        yield Path(folder)


async def run_demo(checkout: Checkout, data: Path) -> tuple[int, str]:
    return await checkout.rendertrust("demo", "--exit", "--data", str(data))


@pytest.mark.timeout(900)
async def test_a_demo_with_a_small_scene_makes_a_picture_and_a_film_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of the data folder, only Python's byte code changes."""
    monkeypatch.delenv("RENDERTRUST_DOWNLOADS_BUILD")  # newcomers have the default
    scene, out = build(tmp_path / "scene.blend", SMALL_SCENE), tmp_path / "out"
    out.mkdir()
    done, told = await run_in_json(out, "--frames", "1-3", scene=str(scene))
    texts = [each["text"] for each in told if "text" in each]
    assert any(PAID.fullmatch(text) for text in texts)
    check_prices(done, frames=3)
    assert (done["verdict"], done["repeated"]) == ("exact", True)
    assert json.loads((out / "receipt.json").read_text())["receipt"]["verdict"] == "exact"
    assert any("frame-0001.png, rendered again: valid" in text for text in texts)
    check_film(out, frames=3, size=(32, 32))


async def run_in_json(
    folder: Path, *words: str, scene: str = ""
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the demo in ``folder``; return its last message and all messages."""
    program = ("tests.support.footprint", str(folder), scene, "--json", *words)
    code, said = await Checkout().run(*program, before=private_mounts())
    assert code == 0, said
    *told, changes = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert changes == {"came": [], "went": [], "changed": [], "alive": []}
    return told[-1], told


@pytest.mark.nightly
@pytest.mark.timeout(900)  # each demo sets up a checkout and renders, beside other tests
async def test_two_demos_at_once_each_end_with_the_picture_and_its_price(home: Path) -> None:
    """One demo runs from a checkout in a home folder that others cannot enter."""
    closed = at_home(home)
    with engine_folder() as base:
        folders = [base / "one", base / "two"]
        for code, said in await asyncio.gather(*map(run_demo, (Checkout(), closed), folders)):
            assert code == 0, said
            assert PAID.search(said)
        for folder in folders:
            check_picture(folder / "out" / "frame-0001.png")
            check_film(folder / "out")
        await none_alive_in(base)


@pytest.mark.skipif(os.geteuid() != 0, reason="the engines of others run as their owner")
async def test_a_home_that_the_engines_cannot_enter_is_named_with_what_to_do(home: Path) -> None:
    code, _, err = await programs.call("serve", "--data", str(home / "data"), env=os.environ)
    assert code == 1, err
    assert err.splitlines()[-1].startswith(f"rendertrust: {home} is closed to the user ")
    assert f"chmod o+x {home}" in err


def check_prices(done: dict[str, Any], frames: int) -> None:
    """Check the prices of picture, animation and film, and the remaining credits.

    The scene was measured: its small frames cost less than a tenth of reference frames.
    """
    picture, animation = Decimal(done["charged"]), Decimal(done["animation_charged"])
    film = Decimal(done["film_charged"])
    assert 0 < picture < 10
    assert 0 < animation < frames
    assert film == 1
    assert Decimal(done["balance_left"]) == 100 - picture - animation - film


def check_picture(path: Path) -> None:
    with Image.open(path) as file, Image.open(REFERENCE) as expected:
        assert file.size == expected.size
        pixels, wanted = np.asarray(file.convert("RGB")), np.asarray(expected.convert("RGB"))
    assert ssim(pixels, wanted) >= 0.98
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5_000


def check_film(folder: Path, frames: int = 8, size: tuple[int, int] = (320, 180)) -> None:
    """Check that the frames differ and are in order; the film has each once, at 8 frames
    a second.
    """
    paths = sorted((folder / "animation").glob("*.png"))
    assert [path.name for path in paths] == [f"frame-{n:04}.png" for n in range(1, frames + 1)]
    pictures = []
    for path in paths:
        with Image.open(path) as file:
            assert file.size == size
            pictures.append(np.asarray(file.convert("RGB")).astype(int))
    steps = [np.abs(after - before).mean() for before, after in pairwise(pictures)]
    assert min(steps) > 0.5, "the gem and the eye move from each frame to the next"
    found = dict(boxes((folder / "film.mp4").read_bytes()))
    assert struct.unpack(">I", found["stsz"][8:12])[0] == frames, "the track's number of samples"
    (scale, length) = struct.unpack(">II", found["mdhd"][12:20])
    assert length / scale == pytest.approx(frames / 8, abs=1e-3)


@pytest.mark.nightly
@pytest.mark.timeout(900)
async def test_a_node_that_is_killed_under_way_comes_back_and_the_film_is_whole(
    tmp_path: Path,
) -> None:
    done, told = await run_in_json(tmp_path, "--chaos")
    assert [each["text"] for each in told if each["event"] == "chaos"] == [
        "node-2 is killed while it renders",
        "node-2 comes back",
    ]
    check_prices(done, frames=8)
    assert done["attempts"] >= 4, "another attempt did the unit that the killed node had lost"
    check_film(tmp_path)


def private_mounts() -> tuple[str, ...]:
    """Return a command prefix for a mount namespace, in which no other program uses
    shared folders.
    """
    return ("unshare", "--mount", "--propagation", "private") if os.geteuid() == 0 else ()
