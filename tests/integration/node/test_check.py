"""The check of a delivered frame, by Blender in the sandbox: honest ones hold, lies do not.

The table of what is seen is printed (``-s``); docs/VERIFICATION.md has it.
"""

import asyncio
import math
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import orjson
import pytest

from actors.verifier.crops import draws
from actors.verifier.report import Report, read_report
from actors.verifier.verdict import of_all
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.check import RESULT, Check
from rendertrust.node.plugins.render import Render
from tests.integration.node.scenes import ARTISTS, build, locally, pixels, unit
from tests.unit.proof import receipts

pytestmark = [pytest.mark.render, pytest.mark.heavy]
DRAWS = [list(drawn) for drawn in draws(b"secret" * 6, b"job:0:1", b"r" * 32)]
FRAME = 4
SEED = "\nscene.cycles.use_animated_seed, scene.cycles.seed = False, 99\n"


@attrs.frozen
class Stage:
    """A scene, its honest result, and who renders and checks."""

    folder: Path
    render: Render
    scene: Path
    honest: Path

    async def delivered(self, name: str, scene: Path, **params: Any) -> Path:
        """What a node delivers for other parameters, or of another scene."""
        given = {"frame": FRAME, "evidence": True, **params}
        result = await self.render.run(unit(self.folder / name, {"s.blend": scene}, given))
        assert isinstance(result, Completed), result
        assert result.file is not None
        return result.file

    async def told(self, name: str, result: Path, **params: Any) -> Mapping[str, Any] | Failed:
        """The report of a check."""
        given = {"frame": FRAME, "draws": DRAWS, **params}
        inputs = {"s.blend": self.scene, RESULT: result}
        task = attrs.evolve(unit(self.folder / f"check-{name}", inputs, given), job_type="check")
        found = await Check(self.render).run(task)
        if isinstance(found, Failed):
            return found
        assert found.file is not None
        report: Mapping[str, Any] = orjson.loads(found.file.read_bytes())
        return report

    async def verdict(self, name: str, result: Path) -> str:
        told = await self.told(name, result)
        assert not isinstance(told, Failed), told
        read = read_report(told)
        assert isinstance(read, Report), read
        least = min((c.psnr for c in read.compared if not c.equal), default=math.inf)
        said = "mismatch" if read.fault else of_all(read.compared)
        row = f"{name:28} {said:10} {least:7.1f} dB  {read.fault or ''}"
        sys.stdout.write(row + "\n")
        return said


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("check")
    render = Render(scratch=folder / "scratch")
    assert asyncio.run(render.why_not()) is None
    scene = build(folder / "scene.blend", ARTISTS)
    bare = Stage(folder, render, scene, scene)
    return attrs.evolve(bare, honest=asyncio.run(bare.delivered("honest", scene)))


def contents(packed: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(packed) as found:
        return {name: found.read(name) for name in found.namelist()}


def packed(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


async def test_a_picture_with_evidence_is_the_artists(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    expected = locally(stage.scene, tmp_path / "out", FRAME)[FRAME]
    (tmp_path / "mine.png").write_bytes(contents(stage.honest)[f"{FRAME:04d}.png"])
    assert np.array_equal(pixels(tmp_path / "mine.png"), pixels(expected))


async def test_an_honest_result_is_exact(stage: Stage) -> None:
    assert await stage.verdict("honest", stage.honest) == "exact"


async def test_another_number_of_threads_is_exact(stage: Stage, tmp_path: Path) -> None:
    given = {"frame": FRAME, "evidence": True}
    task = attrs.evolve(unit(tmp_path / "one", {"s.blend": stage.scene}, given), threads=1)
    result = await stage.render.run(task)
    assert isinstance(result, Completed)
    assert result.file is not None
    assert await stage.verdict("honest, one thread", result.file) == "exact"


@pytest.mark.parametrize(
    ("name", "params", "change"),
    [
        ("half the samples", {"samples": 8}, ""),
        ("one sample less", {"samples": 15}, ""),
        ("another seed", {}, SEED),
        ("another frame", {"frame": 7}, ""),
    ],
)
async def test_a_render_that_is_another_one_is_found(
    stage: Stage, tmp_path: Path, name: str, params: Mapping[str, Any], change: str
) -> None:
    scene = build(tmp_path / "lie.blend", ARTISTS, change) if change else stage.scene
    lie = await stage.delivered(name.replace(" ", "-"), scene, **params)
    files = contents(lie)  # under the names that are expected
    renamed = {name.replace(name[:4], f"{FRAME:04d}"): of for name, of in files.items()}
    assert await stage.verdict(name, packed(tmp_path / "lie.zip", renamed)) == "mismatch"


def lies(stage: Stage) -> Iterator[tuple[str, dict[str, bytes]]]:
    """What needs no other render."""
    files = contents(stage.honest)
    picture, evidence = sorted(files, key=lambda name: name.endswith(".exr"))
    black = black_png(67, 37)
    yield "a black picture", {**files, picture: black}
    yield "a picture that is none", {**files, picture: b"\x89PNG\r\n\x1a\n" + bytes(40)}
    yield "a picture of another size", {**files, picture: black_png(66, 37)}
    yield "evidence that breaks off", {**files, evidence: files[evidence][:4000]}
    yield "evidence that is none", {**files, evidence: b"nothing"}
    yield "no evidence", {picture: files[picture]}
    yield "something else besides", {**files, "more.txt": b"x"}
    yield "a huge window", {**files, evidence: huge(files[evidence])}


def black_png(width: int, height: int) -> bytes:
    return receipts.png([bytes(width * 3)] * height, width)


def huge(evidence: bytes) -> bytes:
    """It says that it has four billion pixels."""
    box = evidence.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    return evidence[: box + 8] + (65_535).to_bytes(4, "little") * 2 + evidence[box + 16 :]


async def test_files_that_are_something_else_are_found(stage: Stage, tmp_path: Path) -> None:
    for number, (name, files) in enumerate(lies(stage)):
        lie = packed(tmp_path / f"{number}.zip", files)
        assert await stage.verdict(name, lie) == "mismatch", name


async def test_evidence_of_another_picture_is_found(stage: Stage, tmp_path: Path) -> None:
    """Honest evidence, and a picture that was not made of it: one that was graded afterwards."""
    files = contents(stage.honest)
    other = contents(await stage.delivered("seven", stage.scene, frame=7))
    files["0004.png"] = other["0007.png"]
    assert (
        await stage.verdict("evidence of another", packed(tmp_path / "x.zip", files)) == "mismatch"
    )


async def test_a_scene_that_cannot_be_cut_is_not_checked(stage: Stage, tmp_path: Path) -> None:
    scene = build(tmp_path / "g.blend", "\nscene.cycles.use_guiding = True\n")
    told = await attrs.evolve(stage, scene=scene).told("guided", stage.honest)
    assert not isinstance(told, Failed)
    assert "Path Guiding" in told["unable"]


async def test_a_bomb_harms_the_check_alone(stage: Stage, tmp_path: Path) -> None:
    """A zip whose members unpack to a thousand times their size, and to more than is allowed."""
    files = contents(stage.honest)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("0004.png", files["0004.png"])
        made.writestr("0004.evidence.exr", bytes(200 << 20))
    assert await stage.verdict("a bomb", bomb) == "mismatch"
