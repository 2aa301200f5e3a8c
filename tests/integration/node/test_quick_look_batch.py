"""Batched checks, which open several results of one job together in the sandbox."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from actors.verifier.case import Case
from actors.verifier.report import Report, answers, clears, read_report
from actors.verifier.thresholds import DEFAULTS
from rendertrust.node.plugin import BATCH, Completed, in_batch
from rendertrust.node.plugins.quick_look_batch import CheckBatchPlugin
from rendertrust.relay_frames import BATCH_MAX
from tests.integration.node.checks import FRAME, Files, Stage
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import build, unit
from tests.integration.node.test_check import black_png
from tests.integration.node.test_check_uncut import TIMED
from tests.unit.verifier.stage import CLASS, OURS, pending

pytestmark = [pytest.mark.render, pytest.mark.heavy]
SIZE = (32, 18)
SMALL = "\nscene.render.resolution_x, scene.render.resolution_y = 32, 18\n"
GUIDED = "\nscene.cycles.use_guiding = True\n"
BROKEN, OTHER_SIZE = 5, 11


@pytest.fixture(scope="module")
def stage(resident_blender: Resident, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("batch")
    scene = build(folder / "s.blend", SMALL)
    bare = Stage(folder, resident_blender.render(folder / "scratch"), scene, Files(b"", None))
    return attrs.evolve(bare, honest=asyncio.run(bare.delivered("honest", scene)))


async def open_together(
    stage: Stage, name: str, scene: Path, results: Sequence[Files]
) -> Mapping[str, Any]:
    """Return what a batched check says of these results."""
    inputs = {"s.blend": scene}
    for number, files in enumerate(results):
        both = zip(in_batch(number), (files.picture, files.evidence), strict=True)
        for path, content in both:
            if content is not None:
                inputs[path] = stage.folder / f"{name}-{path.replace('/', '-')}"
                inputs[path].write_bytes(content)
    params = {"frame": FRAME, "results": len(results)}
    task = attrs.evolve(unit(stage.folder / name, inputs, params), job_type=BATCH)
    found = await CheckBatchPlugin(stage.render).run(task)
    assert isinstance(found, Completed), found
    return found.work


async def open_alone(stage: Stage, number: int, results: Sequence[Files]) -> Report:
    """Return the report of a check that opens one of the results alone."""
    told = await stage.told(f"alone-{number}", results[number], draws=[])
    assert isinstance(told, Mapping), told
    read = read_report(told)
    assert isinstance(read, Report), read
    return read


async def test_of_sixteen_results_the_good_ones_are_settled_and_two_are_faults(
    stage: Stage,
) -> None:
    results = [stage.honest] * BATCH_MAX
    results[BROKEN] = attrs.evolve(stage.honest, picture=b"\x89PNG\r\n\x1a\n" + bytes(40))
    results[OTHER_SIZE] = attrs.evolve(stage.honest, picture=black_png(SIZE[0] - 1, SIZE[1]))
    told = await open_together(stage, "sixteen", stage.scene, results)
    said = told["opened"]
    assert len(said) == BATCH_MAX
    assert {n for n, one in enumerate(said) if "fault" in one} == {BROKEN, OTHER_SIZE}
    outcomes = list[str]()
    for number, heard in enumerate(answers(told, BATCH_MAX)):
        case = Case.opened(pending(drawn=False))
        assert heard is not None
        alone = (
            await open_alone(stage, number, results)
            if not clears(heard, case.pending.row.work)
            else heard
        )
        case.hear(alone, min(OURS), CLASS, DEFAULTS)
        assert case.verdict is not None
        outcomes.append(case.verdict.outcome)
    assert {n for n, one in enumerate(outcomes) if one == "invalid"} == {BROKEN, OTHER_SIZE}
    assert outcomes.count("sampled-out") == BATCH_MAX - 2


async def test_each_result_is_told_as_if_it_were_opened_alone(stage: Stage) -> None:
    alone = await stage.told("alone", stage.honest, draws=[])
    told = await open_together(
        stage, "beside", stage.scene, [stage.honest, attrs.evolve(stage.honest)]
    )
    assert isinstance(alone, Mapping), alone
    for one in told["opened"]:
        assert one == {name: alone[name] for name in ("looked", "seen")}


async def test_a_picture_of_one_colour_is_left_to_a_check_of_its_own(stage: Stage) -> None:
    plain = attrs.evolve(stage.honest, picture=black_png(*SIZE))
    bare = attrs.evolve(stage.honest, evidence=None)
    told = await open_together(stage, "plain", stage.scene, [stage.honest, plain, bare])
    first, second, third = told["opened"]
    assert (first["looked"], second) == (True, None)
    assert third == {"fault": "the picture has no evidence"}


async def test_a_picture_that_breaks_off_is_compared(stage: Stage) -> None:
    """Blender reads such a picture without pixels and reports no error."""
    cut = attrs.evolve(stage.honest, picture=stage.honest.picture[:-60])
    told = await open_together(stage, "cut", stage.scene, [stage.honest, cut])
    alone = await stage.told("cut-alone", cut, draws=[])
    assert isinstance(alone, Mapping), alone
    assert "suspect" not in told["opened"][0]
    for one in (told["opened"][1], alone):
        assert one["suspect"] == "the picture cannot be decoded"
    assert await stage.verdict("cut", cut) == "mismatch"


async def test_of_a_scene_that_cannot_be_cut_each_result_says_so(stage: Stage) -> None:
    scene = build(stage.folder / "guided.blend", SMALL, GUIDED)
    bare = attrs.evolve(stage.honest, evidence=None)
    other = attrs.evolve(bare, picture=black_png(SIZE[0] - 1, SIZE[1]))
    told = await open_together(stage, "guided", scene, [bare, other, bare])
    first, second, third = told["opened"]
    assert first == third
    assert (first["uncut"], "Path Guiding" in first["unable"]) == (True, True)
    assert "31 by 18" in second["fault"]
    timed = build(stage.folder / "timed.blend", SMALL, TIMED)
    [one] = (await open_together(stage, "timed", timed, [bare]))["opened"]
    assert (one["uncut"], one["loose"], "loose" in first) == (True, True, False)
