"""Findings about single facts, without a fixture scene."""

from typing import Any

import attrs
import pytest

from rendertrust.node.plugins.preflight import report_of
from rendertrust.preflight.findings import LEVELS, NodeClass, findings, stops
from web.jobs.preflight_report import SceneFacts, facts_of

CPU = NodeClass(blender=(5, 2), ram_bytes=8 * 2**30)
CLEAN: dict[str, Any] = {
    "opened": True,
    "saved_by": [5, 2, 0],
    "engine": "CYCLES",
    "samples": 64,
    "time_limit": 0.0,
    "denoiser": "OPENIMAGEDENOISE",
    "width": 64,
    "height": 36,
    "format": "PNG",
    "is_movie": False,
    "burns_in": False,
    "renders_region": False,
    "cameras": ["Camera"],
    "has_camera": True,
    "output_nodes": [],
    "frame_start": 1,
    "frame_end": 10,
    "files": [],
    "missing_blocks": [],
    "scripts": [],
    "unknown_nodes": [],
    "unbaked": [],
    "memory": {"bytes": 2**30, "most": []},
    "tile_obstacles": [],
}


def codes(facts: dict[str, Any], nodes: NodeClass = CPU) -> list[str]:
    return [finding.code for finding in findings(CLEAN | facts, nodes)]


def test_clean_scene_has_none() -> None:
    assert codes({}) == []


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"denoiser": "OPTIX"}, "gpu_denoiser"),
        ({"engine": "BLENDER_WORKBENCH"}, "workbench_on_cpu"),
        ({"engine": "BLENDER_EEVEE_NEXT"}, "eevee_on_cpu"),
        ({"saved_by": [6, 0, 1]}, "newer_version"),
        ({"has_camera": False, "cameras": []}, "no_camera"),
    ],
)
def test_code(facts: dict[str, Any], code: str) -> None:
    assert codes(facts) == [code]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"unknown_nodes": ["Material 'Wood' > Foreign"]}, "addon_node"),
        ({"computed_paths": ["GeometryNodeTree 'Reader' > Import Text"]}, "computed_path"),
    ],
)
def test_what_a_node_finds_reaches_the_gateway(facts: dict[str, Any], code: str) -> None:
    told = facts_of(report_of(CLEAN | facts))
    assert isinstance(told, SceneFacts), told
    assert [finding.code for finding in findings(attrs.asdict(told), CPU)] == [code]


def test_nodes_with_a_card_may_have_eevee() -> None:
    card = attrs.evolve(CPU, has_gpu=True)
    assert codes({"engine": "BLENDER_EEVEE"}, card) == []
    assert codes({"denoiser": "OPTIX"}, card) == []


def test_grease_pencil_in_cycles_is_noted() -> None:
    drawn = {"grease_pencil": "Object 'Sketch'"}
    [note] = findings(CLEAN | drawn, CPU)
    assert (note.code, note.level, note.object) == ("grease_pencil", "note", "Object 'Sketch'")
    card = attrs.evolve(CPU, has_gpu=True)
    assert codes(drawn | {"engine": "BLENDER_EEVEE"}, card) == []


def test_patch_versions_are_alike() -> None:
    assert codes({"saved_by": [5, 2, 99]}) == []
    assert codes({"saved_by": [4, 5, 0]}) == []


def test_errors_come_first_and_alone_stop() -> None:
    many = {
        "burns_in": True,
        "samples": 8192,
        "has_camera": False,
        "unbaked": ["Object 'Cube' > Cloth"],
    }
    found = findings(CLEAN | many, CPU)
    levels = [LEVELS.index(finding.level) for finding in found]
    assert levels == sorted(levels)
    assert stops(found)
    assert not stops(finding for finding in found if finding.level != "error")


def test_a_newer_file_that_does_not_open_is_told_from_a_broken_one() -> None:
    refused = {"opened": False, "error": "newer version", "saved_by": [6, 0], "is_newer": True}
    broken = {"opened": False, "error": "no .blend", "saved_by": [0, 0], "is_newer": False}
    assert [finding.code for finding in findings(refused, CPU)] == ["newer_version"]
    assert [finding.code for finding in findings(broken, CPU)] == ["not_a_scene"]


def test_many_missing_files_are_not_all_listed() -> None:
    file = {"kind": "image", "owner": "Image 'i'", "path": "//a.png", "file": "/a", "bytes": None}
    assert codes({"files": [file] * 5000}) == ["missing_file"] * 100


def test_why_frames_are_whole_is_said_once() -> None:
    reason = "the engine is EEVEE; only Cycles renders the same pixels in parts"
    (found,) = (each for each in findings(CLEAN | {"tile_obstacles": [reason]}, CPU))
    assert found.setting == reason
    assert reason not in found.message
