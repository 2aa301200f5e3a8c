"""Findings about single facts, without a fixture scene."""

from typing import Any

import attrs
import pytest

from rendertrust.node.plugins.preflight import report_of
from rendertrust.preflight.findings import LEVELS, NodeClass, findings, stops
from web.jobs.preflight_report import SceneFacts, facts_of

CPU = NodeClass(blenders=((5, 2),), ram_bytes=8 * 2**30)
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
        ({"lost_views": ["ACES 1.3"]}, "unknown_view_transform"),
    ],
)
def test_what_a_node_finds_reaches_the_gateway(facts: dict[str, Any], code: str) -> None:
    told = facts_of(report_of(CLEAN | facts))
    assert isinstance(told, SceneFacts), told
    assert [finding.code for finding in findings(attrs.asdict(told), CPU)] == [code]


def test_nodes_with_a_card_may_have_eevee() -> None:
    card = attrs.evolve(CPU, has_gpu=True, has_opengl=True)
    assert codes({"engine": "BLENDER_EEVEE"}, card) == []
    assert codes({"denoiser": "OPTIX"}, card) == []


DRAWN = [
    pytest.param({"engine": "BLENDER_EEVEE_NEXT"}, "eevee_on_cpu", id="eevee"),
    pytest.param({"engine": "BLENDER_WORKBENCH"}, "workbench_on_cpu", id="workbench"),
    pytest.param({"grease_pencil": "Object 'Sketch'"}, "grease_pencil", id="grease pencil"),
]


@pytest.mark.parametrize(("facts", "code"), DRAWN)
def test_what_processors_draw_is_noted(facts: dict[str, Any], code: str) -> None:
    for has_opengl in (True, None):
        [note] = findings(CLEAN | facts, attrs.evolve(CPU, has_opengl=has_opengl))
        assert (note.code, note.level) == (code, "note")


@pytest.mark.parametrize(("facts", "code"), DRAWN)
def test_what_no_node_can_draw_is_refused_with_what_to_do(facts: dict[str, Any], code: str) -> None:
    [refused] = findings(CLEAN | facts, attrs.evolve(CPU, has_opengl=False))
    assert (refused.code, refused.level) == ("no_opengl", "error")
    assert "libgl1-mesa-dri" in refused.setting
    assert code == "grease_pencil" or "Render Engine: Cycles" in refused.setting


def test_the_note_on_a_measured_scene_says_how_long_a_frame_takes() -> None:
    frame = {"frame": 5, "base": 2.0, "sample": 3.0, "flat": 0.0, "pixel": 0.01}
    probe = {"width": 50, "height": 40, "frames": [frame]}
    [note] = findings(CLEAN | {"engine": "BLENDER_EEVEE", "probe": probe}, CPU)
    assert "frame 5 takes about 25 s" in note.message


def test_grease_pencil_in_cycles_is_noted() -> None:
    drawn = {"grease_pencil": "Object 'Sketch'"}
    [note] = findings(CLEAN | drawn, CPU)
    assert (note.code, note.level, note.object) == ("grease_pencil", "note", "Object 'Sketch'")
    card = attrs.evolve(CPU, has_gpu=True)
    assert codes(drawn | {"engine": "BLENDER_EEVEE"}, card) == []


def test_patch_versions_are_alike() -> None:
    assert codes({"saved_by": [5, 2, 99]}) == []


def test_a_scene_of_another_version_stops_unless_the_creator_allows_that_version() -> None:
    nodes = attrs.evolve(CPU, blenders=((4, 2), (5, 0), (5, 2)))

    def found(saved: tuple[int, int], **job: Any) -> list[tuple[str, str]]:
        scene = CLEAN | {"saved_by": [*saved, 0]}
        told = findings(scene, attrs.evolve(nodes, **job))
        return [(one.code, one.level) for one in told]

    assert found((5, 0)) == []
    assert found((4, 5)) == [("older_version", "error")]
    assert found((5, 3)) == [("newer_version", "error")]
    assert found((4, 5), or_newer=True) == [("older_version", "warning")]
    assert found((5, 3), or_newer=True) == [("newer_version", "error")]
    assert found((4, 5), wanted=(5, 2)) == [("older_version", "warning")]
    assert found((5, 3), wanted=(5, 2)) == [("newer_version", "warning")]
    assert found((4, 5), blenders=()) == [], "the nodes are not known"


def test_the_finding_about_a_version_names_those_that_exist_and_how_to_allow_them() -> None:
    nodes = attrs.evolve(CPU, blenders=((4, 2), (5, 0), (5, 2)))
    (older,) = findings(CLEAN | {"saved_by": [4, 5, 0]}, nodes)
    assert older.message == "the file was saved by Blender 4.5; the nodes have 4.2, 5.0 and 5.2"
    assert "--or-newer" in older.setting
    (newer,) = findings(CLEAN | {"saved_by": [5, 3, 0]}, nodes)
    assert "--or-newer" not in newer.setting


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
    (error,) = findings(refused, CPU)
    assert (error.code, error.level) == ("newer_version", "error")
    (here,) = findings(refused | {"blender": [5, 1, 0]}, NodeClass())
    assert here.message == "the file was saved by Blender 6.0; Blender 5.1 cannot open it"
    (again,) = findings(refused, NodeClass(blenders=((5, 2), (6, 0))))
    assert (again.code, again.level) == ("newer_version", "warning")
    assert [finding.code for finding in findings(broken, CPU)] == ["not_a_scene"]


def test_many_missing_files_are_not_all_listed() -> None:
    file = {"kind": "image", "owner": "Image 'i'", "path": "//a.png", "file": "/a", "bytes": None}
    assert codes({"files": [file] * 5000}) == ["missing_file"] * 100


def test_why_frames_are_whole_is_said_once() -> None:
    reason = "the engine is EEVEE; only Cycles renders the same pixels in parts"
    (found,) = (each for each in findings(CLEAN | {"tile_obstacles": [reason]}, CPU))
    assert found.setting == reason
    assert reason not in found.message


def test_the_jobs_format_cures_what_the_scene_writes() -> None:
    movie = CLEAN | {"format": "FFMPEG", "is_movie": True, "unmade": ["format"]}
    (error,), (note,) = findings(movie, CPU), findings(movie, CPU, picture_format="PNG")
    assert (error.code, error.level) == ("movie_output", "error")
    assert (note.code, note.level) == ("movie_output", "note")
    other = CLEAN | {"format": "IRIS", "unmade": ["format"]}
    assert [found.code for found in findings(other, CPU)] == ["format_not_delivered"]
    assert findings(other, CPU, picture_format="JPEG") == ()


def test_a_missing_file_is_told_as_it_is_written_in_the_scene() -> None:
    file = {"kind": "sequence", "owner": "Image 'fire'", "path": "//fire/0001.png"}
    (found,) = findings(CLEAN | {"files": [{**file, "file": "0007.png", "bytes": None}]}, CPU)
    assert (found.path, found.written) == ("0007.png", "//fire/0001.png")
