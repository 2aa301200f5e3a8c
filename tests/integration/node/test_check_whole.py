"""Checks that render the whole frame: they tell a false result from a scene whose parts render
differently.
"""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.verifier.case import Case
from actors.verifier.report import Report, answer, read_report
from actors.verifier.thresholds import DEFAULTS, of_all
from tests.integration.node.checks import DRAWS, FRAME
from tests.integration.node.scenes import ARTISTS, build, make
from tests.integration.node.test_check_uncut import BY_REGION
from tests.unit.verifier.stage import pending

pytestmark = [pytest.mark.render, pytest.mark.heavy]
# Without its detection, the worker treats the scene as one whose regions render as in the frame.
BLIND = """
import json, sys
import bpy
from rendertrust.node.worker.checks import evidence_check
from rendertrust.node.worker.render import evidence
from rendertrust.node.worker.scene import nondeterminism
order, do = json.loads(sys.argv[1]), sys.argv[2]
reasons, read = nondeterminism.region_dependence, evidence_check.read_evidence
def say(event, **told):
    if event == "done":
        with open(sys.argv[3], "w") as file:
            json.dump(told, file)
try:
    nondeterminism.region_dependence = lambda bpy: []
    {"prove": evidence.prove, "check": evidence_check.check}[do](bpy, order, say)
finally:
    nondeterminism.region_dependence, evidence_check.read_evidence = reasons, read
"""
# Spoils pixels of the evidence far from a crop at the upper left.
SPOILT = """
def spoilt(*of):
    layers = read(*of)
    for bands in layers.values():
        for band in bands.values():
            band[:3, -3:] = 1e30
    return layers
evidence_check.read_evidence = spoilt
"""


def run_blind(do: str, order: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Run a step of the worker with the detection switched off, and return its report."""
    path = Path(order["out"]) / "told.json"
    make(BLIND.replace("def say", before + "def say"), json.dumps(order), do, str(path))
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


@attrs.frozen
class Delivered:
    """A frame with its evidence, and the order for the check of it."""

    order: dict[str, Any]

    def verdict(self, name: str, *, whole: bool) -> str:
        out = Path(self.order["out"]).parent / name
        out.mkdir()
        told = run_blind("check", {**self.order, "out": str(out), "whole": whole})
        read = read_report(told)
        assert isinstance(read, Report), told
        assert told.get("whole", False) is whole
        return of_all(read.crops)


def delivered(folder: Path, scene: Path, lie: Path | None = None) -> Delivered:
    out = folder / "out"
    out.mkdir()
    order: dict[str, Any] = {"scene": str(scene), "inputs": str(folder), "out": str(out)}
    order |= {"frames": [FRAME], "draws": DRAWS}
    told = run_blind("prove", {**order, "scene": str(lie or scene)})
    files = {"picture": str(out / told["file"]), "evidence": str(out / told["evidence"])}
    return Delivered({**order, **files})


def test_of_a_scene_that_comes_out_otherwise_in_parts_the_whole_is_the_nodes(
    tmp_path: Path,
) -> None:
    found = delivered(tmp_path, build(tmp_path / "r.blend", ARTISTS, BY_REGION))
    assert found.verdict("crops", whole=False) == "mismatch"
    assert found.verdict("whole", whole=True) == "exact"


def test_a_lie_about_such_a_scene_is_found(tmp_path: Path) -> None:
    fewer = "\nscene.cycles.samples = 8\n"
    scene = build(tmp_path / "r.blend", ARTISTS, BY_REGION)
    lie = build(tmp_path / "l.blend", ARTISTS, BY_REGION, fewer)
    assert delivered(tmp_path, scene, lie).verdict("whole", whole=True) == "mismatch"


def test_its_picture_is_made_of_the_frame_that_was_rendered_here(tmp_path: Path) -> None:
    """The delivered evidence may be spoilt, so the check must not composite from it."""
    found = delivered(tmp_path, build(tmp_path / "p.blend", ARTISTS))
    again = tmp_path / "again"
    again.mkdir()
    order = {**found.order, "out": str(again), "draws": [[0.0, 0.0, None]], "whole": True}
    told = run_blind("check", order, SPOILT)
    assert [one["equal"] for one in told["crops"]] == [True] * len(told["crops"])
    assert told["finish"]["equal"] is True


def test_a_mark_is_found_where_a_creators_comparison_says_that_it_is(tmp_path: Path) -> None:
    """A check of random regions would miss the corner; without the mark the frame is exact."""
    found = delivered(tmp_path, build(tmp_path / "p.blend", ARTISTS))
    corners = ((0.999, 0.0), (0.999, 0.999))
    waits = pending(is_again=True, disputed=corners)
    row = attrs.evolve(waits.row, evidence_sha256=b"e" * 32, evidence_size=9)
    for before, outcome in ((SPOILT, "invalid"), ("", "exact")):
        again = tmp_path / outcome
        again.mkdir()
        case = Case.opened(attrs.evolve(waits, row=row))
        asked = case.order(UUID(int=1), b"secret", case.device_class)
        draws = [list(drawn) for drawn in asked.draws]
        order = {**found.order, "out": str(again), "draws": draws, "whole": asked.whole}
        told = run_blind("check", order, before)
        read = answer(told, asked.count, 1)
        assert isinstance(read, Report), told
        case.hear(read, UUID(int=20), case.device_class, DEFAULTS)
        assert case.verdict is not None
        assert (case.verdict.outcome, case.is_for_admin) == (outcome, False)
