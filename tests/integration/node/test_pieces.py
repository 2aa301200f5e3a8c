"""Checks of chunks, tiles and merged frames against their scene, as of single frames."""

import asyncio
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from PIL import Image

from actors.verifier.report import Report, read_report
from actors.verifier.thresholds import of_all, of_region
from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.check import PICTURE, CheckPlugin
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.edits import EDITS, LARGE, NAMES, SIZES, edited
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import ARTISTS, build, unit

pytestmark = [pytest.mark.render, pytest.mark.heavy]
DRAWS = [[0.2, 0.3, None], [0.6, 0.5, 0.4], [0.9, 0.9, None]]
FRAMES = [3, 4]
LAYERED = """
settings = scene.render.image_settings
settings.media_type, settings.file_format = "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER"
"""
FOUND = ("open", "mismatch")
LEFT, RIGHT = [0, 0, 34, 37], [34, 0, 33, 37]


@attrs.frozen
class Stage:
    """A scene with a denoiser and a compositor, and the plugin that renders and checks it."""

    folder: Path
    render: RenderPlugin
    scene: Path

    async def made(self, name: str, of: tuple[Path, ...] = (), **params: Any) -> Path:
        inputs = {"s.blend": self.scene, **self.as_inputs(of)}
        result = await self.render.run(unit(self.folder / name, inputs, params))
        assert isinstance(result, Completed), result
        assert result.file is not None
        return result.file

    @staticmethod
    def as_inputs(tiles: tuple[Path, ...]) -> dict[str, Path]:
        return {f"tiles/{number}.exr": path for number, path in enumerate(tiles)}

    async def told(
        self, name: str, picture: Path, of: tuple[Path, ...] = (), **params: Any
    ) -> Report:
        given = {"draws": [], **params}
        inputs = {"s.blend": self.scene, PICTURE: picture, **self.as_inputs(of)}
        found = await CheckPlugin(self.render).run(
            unit(self.folder / f"check-{name}", inputs, given)
        )
        assert isinstance(found, Completed), found
        read = read_report(found.work)
        assert isinstance(read, Report), read
        return read

    async def verdict(
        self, name: str, picture: Path, of: tuple[Path, ...] = (), **params: Any
    ) -> str:
        read = await self.told(name, picture, of, **params)
        said = "mismatch" if read.fault else read.unable or of_all(read.compared)
        off = max((one.off for one in read.compared), default=0.0)
        sys.stdout.write(f"{name:28} {said:10} {off:9.3g} {read.fault or ''}\n")
        return said


@pytest.fixture(scope="module")
def place(
    resident_blender: Resident, artists: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RenderPlugin, Path]:
    return resident_blender.render(tmp_path_factory.mktemp("pieces")), artists


@pytest.fixture
def stage(tmp_path: Path, place: tuple[RenderPlugin, Path]) -> Stage:
    return Stage(tmp_path, *place)


def noise(path: Path, size: tuple[int, int] = (67, 37)) -> Path:
    Image.effect_noise(size, 60).convert("RGBA").save(path, "PNG")
    return path


def packed(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for name, content in files.items():
            target.writestr(f"{name[1:]}.png", content)
    return path


def files_of(chunk: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(chunk.read_bytes())) as read:
        return {f"f{name[:4]}": read.read(name) for name in read.namelist()}


async def test_a_frame_of_a_chunk_is_rendered_again(stage: Stage, tmp_path: Path) -> None:
    honest = await stage.made("honest", frames=FRAMES)
    assert await stage.verdict("chunk", honest, frames=FRAMES, shown=[0.7]) == "exact"
    files = files_of(honest)
    drawn = packed(tmp_path / "noise.zip", **{**files, "f0004": noise(tmp_path / "n").read_bytes()})
    assert await stage.verdict("noise", drawn, frames=FRAMES, shown=[0.7]) == "mismatch"
    assert await stage.verdict("noise beside", drawn, frames=FRAMES, shown=[0.2]) == "exact"
    fewer = await stage.made("fewer", frames=FRAMES, samples=4)
    assert await stage.verdict("fewer samples", fewer, frames=FRAMES, shown=[0.7]) == "mismatch"
    turned = packed(tmp_path / "turned.zip", f0003=files["f0004"], f0004=files["f0003"])
    assert await stage.verdict("exchanged", turned, frames=FRAMES, shown=[0.7]) == "mismatch"


async def test_a_frame_of_layers_is_held_against_another_seed_of_it(
    stage: Stage, tmp_path: Path
) -> None:
    layered = attrs.evolve(stage, scene=build(tmp_path / "layers.blend", ARTISTS, LAYERED))
    given: dict[str, Any] = {"frames": FRAMES, "shown": [0.7]}
    honest = await layered.made("layers", frames=FRAMES)
    assert await layered.verdict("layers", honest, **given) == "exact"
    fewer = await layered.made("layers-fewer", frames=FRAMES, samples=4)
    report = await layered.told("layers, fewer", fewer, **given)
    assert of_all(report.compared) == "mismatch"


async def test_crops_of_a_tile_are_rendered_again(stage: Stage) -> None:
    given: dict[str, Any] = {"frame": 4, "tile": RIGHT}
    honest = await stage.made("honest", **given)
    assert await stage.verdict("tile", honest, **given, draws=DRAWS) == "exact"
    fewer = await stage.made("fewer", **given, samples=4)
    assert await stage.verdict("tile, fewer", fewer, **given, draws=DRAWS) == "mismatch"
    other = await stage.made("other", frame=5, tile=RIGHT)
    assert await stage.verdict("tile, other", other, **given, draws=DRAWS) == "mismatch"
    shifted = await stage.made("shifted", frame=4, tile=[33, 0, 33, 37])
    assert await stage.verdict("tile, shifted", shifted, **given, draws=DRAWS) == "mismatch"


async def test_what_is_made_of_tiles_is_made_again(stage: Stage, tmp_path: Path) -> None:
    tiles = (
        await stage.made("left", frame=4, tile=LEFT),
        await stage.made("right", frame=4, tile=RIGHT),
    )
    given: dict[str, Any] = {"frame": 4, "tiles": [LEFT, RIGHT]}
    merged = await stage.made("merged", tiles, **given)
    assert await stage.verdict("merged", merged, tiles, **given, shown=[0.5]) == "exact"
    lie = noise(tmp_path / "noise.png")
    assert await stage.verdict("merged, noise", lie, tiles, **given, shown=[0.5]) == "mismatch"
    other = await stage.made("whole", frame=5)
    assert await stage.verdict("merged, other", other, tiles, **given, shown=[0.5]) == "mismatch"


@pytest.fixture(scope="module", params=SIZES, ids=str)
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    width, height = request.param
    return width, height


@pytest.fixture(scope="module")
def large(
    place: tuple[RenderPlugin, Path],
    size: tuple[int, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Stage:
    folder = tmp_path_factory.mktemp("large")
    return Stage(folder, place[0], build(folder / "scene.blend", LARGE.format(*size)))


@pytest.mark.nightly
async def test_a_small_change_of_a_frame_of_a_chunk_is_found(large: Stage, tmp_path: Path) -> None:
    """Each frame of the chunk has a different edit."""
    frames = [*range(1, 1 + len(EDITS))]
    given: dict[str, Any] = {"frames": frames, "shown": [0.0] * len(frames)}
    files = files_of(await large.made("honest", frames=frames))
    lies = {
        one: edited(picture, name)
        for (one, picture), name in zip(sorted(files.items()), EDITS, strict=True)
    }
    report = await large.told("edits", packed(tmp_path / "lie", **lies), **given)
    found = {name: of_region(one) for name, one in zip(EDITS, report.crops, strict=True)}
    assert not {"exact", "match"} & {*found.values()}, report.crops


@pytest.fixture(scope="module")
def merged(large: Stage, size: tuple[int, int]) -> tuple[tuple[Path, ...], Path, dict[str, Any]]:
    """Return two tiles, the frame merged from them, and the parameters of the merge."""
    across, high = size[0] // 2, size[1]
    given: dict[str, Any] = {"frame": 4, "tiles": [[0, 0, across, high], [across, 0, across, high]]}

    async def made() -> tuple[tuple[Path, ...], Path]:
        tiles = tuple([await large.made(f"{of[0]}", frame=4, tile=of) for of in given["tiles"]])
        return tiles, await large.made("merged", tiles, **given)

    return *asyncio.run(made()), given


@pytest.mark.parametrize("name", NAMES)
async def test_a_small_change_of_a_merged_frame_is_found(
    large: Stage,
    merged: tuple[tuple[Path, ...], Path, dict[str, Any]],
    tmp_path: Path,
    name: str,
) -> None:
    tiles, picture, given = merged
    lie = tmp_path / "lie.png"
    lie.write_bytes(edited(picture.read_bytes(), name))
    assert await large.verdict(f"merged, {name}", lie, tiles, **given, shown=[0.5]) in FOUND
