"""Checks of videos against the pictures they are made of."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image

from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.check import PICTURE, CheckPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.plugins.video import VideoPlugin
from tests.integration.node.scenes import unit

pytestmark = [pytest.mark.render, pytest.mark.heavy]
WIDTH, HEIGHT, COUNT = 128, 72, 12
SHOWN = [0.0, 0.3, 0.6, 0.9]
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
Film = Callable[[int], Any]


def ball(number: int) -> Any:
    """Return a picture of a ball that moves over a colour gradient."""
    slope = np.stack([COLUMNS + 40, ROWS * 2 + 30, 100 + 0 * ROWS], -1)
    slope[(COLUMNS - 20 - number * 7) ** 2 + (ROWS - 36) ** 2 < 200] = (230, 120, 40)
    return slope


def grain(number: int) -> Any:
    """Return the ball's picture with the noise of a camera in the dark."""
    noise = np.random.default_rng(number).normal(0, 6, (HEIGHT, WIDTH, 3))
    return ball(number) * 0.4 + noise


def stripes(number: int) -> Any:
    """Return red and blue stripes, of which a codec keeps half the colour."""
    is_red = ((COLUMNS + number * 2) // 3) % 2 == 0
    return np.where(is_red[..., None], (255, 0, 0), (0, 0, 255)).astype(float)


def confetti(number: int) -> Any:
    """Return pixels in random full colours, of which a codec keeps next to nothing."""
    return np.random.default_rng(number).integers(0, 2, (HEIGHT, WIDTH, 3)) * 255.0


BY_DAY = ("grain", "confetti")  # films of which a codec loses most
FILMS: dict[str, Film] = {"ball": ball, "grain": grain, "stripes": stripes, "confetti": confetti}


@attrs.frozen
class Stage:
    """Encodes pictures to videos, and checks them."""

    folder: Path
    render: RenderPlugin

    def pictures(self, name: str, film: Film) -> dict[str, Path]:
        folder = self.folder / f"pictures-{name}"
        folder.mkdir()
        for number in range(COUNT):
            shown = np.clip(film(number), 0, 255).astype(np.uint8)
            Image.fromarray(shown).save(folder / f"{number + 1:04d}.png")
        return {path.name: path for path in sorted(folder.iterdir())}

    async def encoded(self, name: str, film: Film, **params: Any) -> bytes:
        task = unit(self.folder / name, self.pictures(name, film), {"fps": 24, **params})
        made = await VideoPlugin(self.render).run(task)
        assert isinstance(made, Completed), made
        assert made.file is not None
        return made.file.read_bytes()

    async def told(self, name: str, film: Film, video: bytes, **params: Any) -> Any:
        path = self.folder / f"{name}.bin"
        path.write_bytes(video)
        inputs = {**self.pictures(f"of-{name}", film), PICTURE: path}
        given = {"of": "video", "draws": [], "shown": SHOWN, "fps": 24, **params}
        found = await CheckPlugin(self.render).run(
            unit(self.folder / f"check-{name}", inputs, given)
        )
        assert isinstance(found, Completed), found
        told = found.work
        sys.stdout.write(f"{name:24} {told.get('fault') or told}\n")
        return told


@pytest.fixture
def stage(tmp_path: Path, render: RenderPlugin) -> Stage:
    return Stage(tmp_path, render)


LIES: dict[str, Callable[[Film], Film]] = {
    "black": lambda film: lambda number: film(number) * 0,
    "upside-down": lambda film: lambda number: film(number)[::-1] * 1.0,
    "backwards": lambda film: lambda number: film(COUNT - 1 - number),
    "the-first-alone": lambda film: lambda number: film(0),
}


@pytest.mark.parametrize(
    "name",
    [name if name in BY_DAY else pytest.param(name, marks=pytest.mark.nightly) for name in FILMS],
)
async def test_an_honest_film_holds(stage: Stage, name: str) -> None:
    film = FILMS[name]
    told = await stage.told("honest", film, await stage.encoded("film", film))
    assert [one["frame"] for one in told["crops"]] == [1, 5, 9, 12]
    assert all(0 < one["off"] <= 0.1 for one in told["crops"]), told


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        *(pytest.param("ball", lie, marks=pytest.mark.nightly) for lie in LIES),
        ("grain", "backwards"),
        pytest.param("grain", "black", marks=pytest.mark.nightly),
        ("stripes", "the-first-alone"),
        ("confetti", "black"),
        pytest.param("confetti", "backwards", marks=pytest.mark.nightly),
    ],
)
async def test_another_film_does_not(stage: Stage, name: str, lie: str) -> None:
    film = FILMS[name]
    told = await stage.told(lie, film, await stage.encoded("film", LIES[lie](film)))
    assert "of the video" in told.get("fault", ""), told


def faint(number: int) -> Any:
    """Return grey with a faint noise, which codecs replace by grey."""
    return 128 + np.random.default_rng(number).normal(0, 8, (HEIGHT, WIDTH, 3))


@pytest.mark.parametrize("container", ["MP4", "WEBM"])
async def test_what_every_encoder_loses_is_no_fault(stage: Stage, container: str) -> None:
    """A creator could otherwise use such pictures to give honest nodes strikes."""
    given = {"container": container}
    told = await stage.told("honest", faint, await stage.encoded("film", faint, **given), **given)
    assert "fault" not in told
    lie = await stage.encoded("lie", LIES["black"](faint), **given)
    assert "of the video" in (await stage.told("black", faint, lie, **given))["fault"]


@pytest.mark.parametrize(("fps", "base"), [(7, 3.3333), (32767, 1.0), (1, 100000.0)])
async def test_a_rate_that_the_container_cannot_hold_is_no_fault(
    stage: Stage, fps: int, base: float
) -> None:
    """WebM counts milliseconds, so Blender finds another number of frames, or of pixels."""
    given = {"container": "WEBM", "fps": fps, "fps_base": base}
    told = await stage.told("honest", ball, await stage.encoded("film", ball, **given), **given)
    assert "fault" not in told


async def test_it_is_such_a_video_at_all(stage: Stage) -> None:
    mp4 = await stage.encoded("mp4", ball)
    assert (await stage.told("look", ball, mp4, shown=[])).get("looked") is True
    faults: dict[str, tuple[bytes, dict[str, Any], str]] = {
        "text": (b"I am no video", {}, "the video is not MP4 with the requested codec"),
        "head": (mp4[:200], {}, "the video is not MP4 with the requested codec"),
        "other": (mp4, {"container": "WEBM"}, "the video is not WEBM with the requested codec"),
        "rate": (mp4, {"fps": 25}, "the video has 24 frames a second, not 25"),
    }
    for name, (video, params, fault) in faults.items():
        assert (await stage.told(name, ball, video, **params)).get("fault") == fault
    webm = await stage.encoded("webm", ball, container="WEBM", fps=30000, fps_base=1001)
    rate = {"container": "WEBM", "fps": 30000, "fps_base": 1001}
    assert "fault" not in await stage.told("webm-look", ball, webm, **rate)
    small = await stage.encoded("small", lambda number: ball(number)[::2, ::2])
    told = await stage.told("small-look", ball, small)
    assert told["fault"] == "the video is 64 by 36, not 128 by 72"
