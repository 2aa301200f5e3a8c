"""Checks of single frames by Blender in the sandbox: honest results pass, false ones are found."""

import asyncio
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image

from rendertrust.node.plugin import Completed, Failed
from tests.integration.node.checks import DRAWS, FRAME, Files, Stage, files_of
from tests.integration.node.edits import LARGE, NAMES, SIZES, edited
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import ARTISTS, build, pixels, render_locally, unit
from tests.unit.proof import receipts

pytestmark = [pytest.mark.render, pytest.mark.heavy]
FOUND = ("open", "mismatch")
SECOND = "\nbpy.data.scenes.new('storyboard').render.engine = 'BLENDER_EEVEE'\n"
SEED = "\nscene.cycles.use_animated_seed, scene.cycles.seed = False, 99\n"


@pytest.fixture(scope="module")
def stage(
    resident_blender: Resident, artists: Path, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    folder = tmp_path_factory.mktemp("check")
    bare = Stage(folder, resident_blender.render(folder / "scratch"), artists, Files(b"", None))
    return attrs.evolve(bare, honest=asyncio.run(bare.delivered("honest", artists)))


async def test_a_picture_with_evidence_is_the_artists(stage: Stage, tmp_path: Path) -> None:
    expected = render_locally(stage.scene, tmp_path / "out", FRAME)[FRAME]
    (tmp_path / "mine.png").write_bytes(stage.honest.picture)
    assert np.array_equal(pixels(tmp_path / "mine.png"), pixels(expected))


async def test_an_honest_result_is_exact(stage: Stage) -> None:
    assert await stage.verdict("honest", stage.honest) == "exact"


async def test_a_check_to_which_the_scenes_samples_are_stated_sees_the_same(stage: Stage) -> None:
    """The gateway can therefore always state the samples that its own verifier read from
    the scene.
    """
    looked = await stage.told("looked", stage.honest, draws=[])
    assert not isinstance(looked, Failed), looked
    assert (looked["looked"], looked["samples"]) == (True, 16)
    told = await stage.told("stated", stage.honest, samples=looked["samples"])
    assert not isinstance(told, Failed), told
    assert all(one["equal"] for one in (*told["crops"], told["finish"]))


async def test_another_number_of_threads_is_exact_and_a_check_tells_the_pixels_that_are_signed(
    stage: Stage, tmp_path: Path
) -> None:
    given = {"frame": FRAME, "evidence": True}
    task = attrs.evolve(unit(tmp_path / "one", {"s.blend": stage.scene}, given), threads=1)
    result = await stage.render.run(task)
    assert isinstance(result, Completed)
    assert await stage.verdict("honest, one thread", files_of(result)) == "exact"
    for draws in (DRAWS, []):
        told = await stage.told(f"pixels-{len(draws)}", files_of(result), draws=draws)
        assert not isinstance(told, Failed), told
        assert told["seen"] == result.work["pixels"]["sha256"]


@pytest.mark.parametrize(
    ("name", "params", "change"),
    [
        pytest.param("half the samples", {"samples": 8}, "", marks=pytest.mark.nightly),
        ("one sample less", {"samples": 15}, ""),
        ("another seed", {}, SEED),
        pytest.param("another frame", {"frame": 7}, "", marks=pytest.mark.nightly),
    ],
)
async def test_a_render_that_is_another_one_is_found(
    stage: Stage, tmp_path: Path, name: str, params: Mapping[str, Any], change: str
) -> None:
    scene = build(tmp_path / "lie.blend", ARTISTS, change) if change else stage.scene
    lie = await stage.delivered(name.replace(" ", "-"), scene, **params)
    assert await stage.verdict(name, lie) == "mismatch"


def false_results(honest: Files) -> Iterator[tuple[str, Files]]:
    """Yield false results that need no further render, with their names."""
    evidence = honest.evidence
    assert evidence is not None
    yield "a black picture", attrs.evolve(honest, picture=black_png(67, 37))
    none = b"\x89PNG\r\n\x1a\n" + bytes(40)
    yield "a picture that is none", attrs.evolve(honest, picture=none)
    yield "a picture of another size", attrs.evolve(honest, picture=black_png(66, 37))
    yield "a huge picture", attrs.evolve(honest, picture=honest.picture + bytes(8 << 20))
    yield "evidence that breaks off", attrs.evolve(honest, evidence=evidence[:4000])
    yield "evidence that is none", attrs.evolve(honest, evidence=b"nothing")
    yield "no evidence", attrs.evolve(honest, evidence=None)
    yield "huge evidence", attrs.evolve(honest, evidence=evidence + bytes(8 << 20))
    yield "a huge window", attrs.evolve(honest, evidence=with_huge_window(evidence))


def black_png(width: int, height: int) -> bytes:
    return receipts.png([bytes(width * 3)] * height, width)


def with_huge_window(evidence: bytes) -> bytes:
    """Return the evidence with a header that claims four billion pixels."""
    box = evidence.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    return evidence[: box + 8] + (65_535).to_bytes(4, "little") * 2 + evidence[box + 16 :]


async def test_files_that_are_something_else_are_found(stage: Stage) -> None:
    for name, files in false_results(stage.honest):
        assert await stage.verdict(name.replace(" ", "-"), files) == "mismatch", name


async def test_an_animation_beside_the_honest_pixels_is_found(stage: Stage) -> None:
    """Browsers would show the animation."""
    played = Files(receipts.animated(stage.honest.picture), stage.honest.evidence)
    told = await stage.told("animated", played)
    assert isinstance(told, Mapping)
    fault = "the picture is invalid: the file has a chunk (acTL) that Blender does not write"
    assert told["fault"] == fault


async def test_evidence_of_another_picture_is_found(stage: Stage) -> None:
    """The evidence is honest, but the picture was not made from it."""
    other = await stage.delivered("seven", stage.scene, frame=7)
    lie = attrs.evolve(stage.honest, picture=other.picture)
    assert await stage.verdict("evidence of another", lie) == "mismatch"


def one_colour_picture(kind: str) -> bytes:
    """Return a picture of one visible colour; a transparent picture hides other colours."""
    size, made = (67, 37), io.BytesIO()
    if kind == "transparent":
        colours = np.random.default_rng(1).integers(0, 256, (*size[::-1], 4)).astype(np.uint8)
        colours[..., 3] = 0
        Image.fromarray(colours).save(made, "PNG")
    else:
        Image.new("RGB", size).save(made, kind)
    return made.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "transparent"])
async def test_a_look_sees_a_picture_of_one_colour(stage: Stage, kind: str) -> None:
    lie = attrs.evolve(stage.honest, picture=one_colour_picture(kind))
    params = {"format": kind} if kind == "JPEG" else {}
    told = await stage.told(f"look-{kind}", lie, draws=[], **params)
    assert not isinstance(told, Failed), told
    assert told["looked"]
    assert "one colour" in told["suspect"]


async def test_a_look_at_an_honest_picture_suspects_nothing(stage: Stage) -> None:
    told = await stage.told("look", stage.honest, draws=[])
    assert not isinstance(told, Failed), told
    assert told["looked"]
    assert "suspect" not in told


async def test_a_bomb_harms_the_check_alone(stage: Stage) -> None:
    """The picture's rows unpack to far more data than its header announces."""
    bomb = receipts.png([bytes(67 * 3)] * 37 + [bytes(67 * 3)] * 100_000, 67)
    head = black_png(67, 37)[:33]  # signature and header
    lie = attrs.evolve(stage.honest, picture=head + bomb[33:])
    assert await stage.verdict("a bomb", lie) == "mismatch"


@pytest.fixture(scope="module", params=SIZES, ids=str)
def large(
    stage: Stage, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    folder = tmp_path_factory.mktemp("large")
    scene = build(folder / "scene.blend", LARGE.format(*request.param))
    bare = attrs.evolve(stage, folder=folder, scene=scene)
    return attrs.evolve(bare, honest=asyncio.run(bare.delivered("large", scene)))


@pytest.mark.parametrize("name", NAMES)
async def test_a_small_change_of_the_picture_is_found(large: Stage, name: str) -> None:
    """The evidence is right: every crop matches, and so does nearly all of the picture."""
    lie = attrs.evolve(large.honest, picture=edited(large.honest.picture, name))
    assert await large.verdict(name.replace(" ", "-"), lie) in FOUND


@pytest.mark.parametrize("change", ["", SECOND])
async def test_no_scene_excuses_a_broken_picture(stage: Stage, tmp_path: Path, change: str) -> None:
    """A broken file is no difference of pixels, however the check got to it."""
    scene = build(tmp_path / "s.blend", ARTISTS, change)
    other = attrs.evolve(stage, folder=tmp_path, scene=scene)
    broken = Files(b"no PNG", stage.honest.evidence)
    for name, params in (("looked", {"draws": []}), ("drawn", dict[str, Any]())):
        told = await other.told(name, broken, **params)
        assert not isinstance(told, Failed), told
        assert "picture is invalid" in told["fault"]
        assert "loose" not in told
