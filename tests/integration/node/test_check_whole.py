"""A check of the whole frame: what tells a scene that comes out otherwise in parts from a lie."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from actors.verifier.report import Report, read_report
from actors.verifier.verdict import of_all
from tests.integration.node.checks import DRAWS, FRAME
from tests.integration.node.scenes import ARTISTS, build
from tests.integration.node.test_check_uncut import BY_REGION

pytestmark = [pytest.mark.render, pytest.mark.heavy]
# Parts may depend on what nobody knows of; as here, where nobody looks at drivers.
BLIND = """
import json, sys
import bpy
from rendertrust.node.inside import checking, proving, regions
regions.reasons = lambda bpy: []
order, do = json.loads(sys.argv[1]), sys.argv[2]
def say(event, **told):
    if event == "done":
        with open(sys.argv[3], "w") as file:
            json.dump(told, file)
{"prove": proving.prove, "check": checking.check}[do](bpy, order, say)
"""


def blind(do: str, order: dict[str, Any]) -> dict[str, Any]:
    """What the worker says, in a Blender of its own."""
    path = Path(order["out"]) / "told.json"
    command = [sys.executable, "-c", BLIND, json.dumps(order), do, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert path.exists(), ran.stderr[-2000:]
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


@attrs.frozen
class Delivered:
    """A frame with its evidence, and the scene that it is to be held against."""

    order: dict[str, Any]

    def verdict(self, name: str, *, whole: bool) -> str:
        out = Path(self.order["out"]).parent / name
        out.mkdir()
        told = blind("check", {**self.order, "out": str(out), "whole": whole})
        read = read_report(told)
        assert isinstance(read, Report), told
        assert told.get("whole", False) is whole
        return of_all(read.crops)


def delivered(folder: Path, scene: Path, lie: Path | None = None) -> Delivered:
    out = folder / "out"
    out.mkdir()
    order: dict[str, Any] = {"scene": str(scene), "inputs": str(folder), "out": str(out)}
    order |= {"frames": [FRAME], "draws": DRAWS}
    told = blind("prove", {**order, "scene": str(lie or scene)})
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
