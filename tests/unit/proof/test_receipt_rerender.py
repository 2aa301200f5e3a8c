"""Rerendering of a receipt's frame: which frame, which regions, and the conclusion."""

import base64
import hashlib
import io
import random
from pathlib import Path
from typing import Any

import attrs
import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.cli import exit_codes
from rendertrust.cli.disputes import comparison_of
from rendertrust.cli.output import Printer, encoded
from rendertrust.cli.rerender import (
    RerenderOutcome,
    document,
    exit_code,
    in_folder,
    project_of,
    region_lines,
    wish_of,
)
from rendertrust.manifest import Manifest, ManifestEntry
from rendertrust.node.local_rerender import RerenderRequest, read_report, rerender
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.worker.checks.crop_placement import place
from rendertrust.proof_check import Step
from rendertrust.receipt import read_receipt, receipt_document, sign_work, work_document
from rendertrust.receipt_check import PictureFile
from rendertrust.receipt_rerender import (
    CONSISTENT,
    CONSISTENT_MOST,
    DIFFERENT,
    DIFFERENT_LEAST,
    EXACT,
    LOOSE,
    OTHER_CLASS,
    SPOTS_MOST,
    UNDECIDED,
    UNKNOWN_FILES,
    Judgement,
    RegionDifference,
    RerenderReport,
    RerenderSubject,
    differing,
    draws,
    judge,
    listed,
    spots,
    subject_of,
)
from tests.support.examples import examples
from tests.unit.proof import receipts

SCENE, TILES = "aa" * 32, ("b1" * 32, "b2" * 32)
NODE = "7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11"
FRAME = PictureFile("frame.png", b"f" * 32, 9, bytes.fromhex(receipts.PIXELS))
SECOND = hashlib.sha256(b"second").hexdigest()
CHUNK = {"sha256": "cc" * 32, "files": 2, "pictures": {"0012.png": "dd" * 32, "0013.png": SECOND}}


def subject(picture: PictureFile = FRAME, **more: Any) -> RerenderSubject | str:
    """Return what a receipt names for rerendering; ``more`` changes the signed work."""
    done = attrs.evolve(receipts.DONE, **{"inputs": (SCENE,), **more})
    work = work_document(done, NODE, receipts.NODE.public_key())
    read = read_receipt(
        receipt_document(
            work=work,
            node_signature=sign_work(work, receipts.NODE),
            gateway=receipts.GATEWAY.public_key().public_bytes_raw(),
            verdict="exact",
            price=0,
            issued=receipts.TIME,
        )
    )
    assert not isinstance(read, str)
    return subject_of(read, picture)


def test_a_frame_is_rendered_with_its_own_parameters() -> None:
    asked = {"frame": 12, "samples": 16, "evidence": True}
    assert subject(parameters=asked, measured={"seconds": 3.25}) == RerenderSubject(
        parameters={"frame": 12, "samples": 16},
        scene=SCENE,
        place=None,
        manifest=None,
        blender=("bpy", "5.2.0", "e13b728c6880"),
        seconds=3.25,
    )


def test_a_picture_of_a_chunk_is_rendered_as_its_frame() -> None:
    picture = attrs.evolve(FRAME, name="film-0013.png", pixels=bytes.fromhex(SECOND))
    found = subject(
        picture,
        parameters={"frames": [12, 13], "width": 64, "height": 36},
        pixels=CHUNK,
        measured={"seconds": 9.0},
    )
    assert isinstance(found, RerenderSubject)
    assert found.parameters == {"frame": 13, "width": 64, "height": 36}
    assert found.seconds == 4.5


def test_a_picture_of_tiles_is_rendered_as_a_frame() -> None:
    asked = {"frame": 2, "tiles": [[0, 0, 32, 36], [32, 0, 32, 36]], "scene": "shots/a.blend"}
    found = subject(parameters=asked, inputs=(*TILES, "ee" * 32))
    assert isinstance(found, RerenderSubject)
    assert (found.parameters, found.scene) == ({"frame": 2}, None)
    assert (found.place, found.manifest) == ("shots/a.blend", "ee" * 32)
    del asked["scene"]
    alone = subject(parameters=asked, inputs=(SCENE, *TILES))
    assert isinstance(alone, RerenderSubject)
    assert (alone.scene, alone.place, alone.manifest) == (SCENE, None, None)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"job_type": "video", "parameters": {"fps": 24}}, "a video job"),
        ({"parameters": {"frame": 1, "tile": [0, 0, 8, 8]}}, "one tile"),
        ({"parameters": {"frames": [12, 13]}, "pixels": CHUNK}, "extract one of them"),
        ({"parameters": {"frame": 1, "x": "y" * 20_000}}, "only a hash of its parameters"),
        ({"parameters": {"frame": 1}, "inputs": ()}, "the files of the scene"),
        ({"parameters": {"frame": 1}, "inputs": (SCENE, *TILES)}, "the files of the scene"),
        ({"parameters": {"frame": 1, "scene": "../../a.blend"}}, "an invalid path"),
        ({"parameters": {"frame": 1, "scene": "/etc/a.blend"}}, "an invalid path"),
    ],
)
def test_what_is_no_single_frame_says_so(more: dict[str, Any], says: str) -> None:
    found = subject(**more)
    assert isinstance(found, str)
    assert says in found


def test_a_noisy_pass_is_no_finished_frame() -> None:
    named = {"0012.noisy.exr": SECOND, "0012.png": "dd" * 32}
    picture = attrs.evolve(FRAME, pixels=bytes.fromhex(SECOND))
    asked = {"frame": 12, "noisy": True}
    found = subject(picture, parameters=asked, pixels={**CHUNK, "pictures": named})
    assert found == "0012.noisy.exr is not a finished frame"


# -- files

ENTRIES = (
    ManifestEntry("shots/a.blend", SCENE, 10, "uploads/u/a.blend"),
    ManifestEntry("textures/wood.png", "11" * 32, 20, "uploads/u/w.png"),
)
LIST = Manifest("shots/a.blend", ENTRIES)


def with_list(content: bytes) -> RerenderSubject:
    name = hashlib.sha256(content).hexdigest()
    found = subject(parameters={"frame": 1, "scene": LIST.scene}, inputs=(name,))
    assert isinstance(found, RerenderSubject)
    return found


def test_the_list_of_files_is_the_one_that_the_receipt_names() -> None:
    content = LIST.written("key")
    named = with_list(content)
    assert listed(content, named) == LIST
    assert listed(content + b" ", named) == "it is not the list of files that the receipt names"
    alone = attrs.evolve(named, manifest=None)
    assert "sent alone" in str(listed(content, alone))
    other = attrs.evolve(named, place="b.blend")
    assert "names another scene" in str(listed(content, other))
    assert "not a list" in str(listed(b"nothing", with_list(b"nothing")))


def test_each_file_that_differs_is_named() -> None:
    same = {entry.path: entry.sha256 for entry in ENTRIES}
    assert differing(LIST, same) == []
    assert differing(LIST, {**same, "textures/wood.png": "22" * 32}) == [
        "textures/wood.png differs from the file that was sent"
    ]
    assert differing(LIST, {"shots/a.blend": SCENE}) == [
        "textures/wood.png was sent but is missing here"
    ]


def test_files_lie_where_the_scenes_own_path_says(tmp_path: Path) -> None:
    for path in ("shots/a.blend", "textures/wood.png", "notes.txt"):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    assert project_of(tmp_path / "shots" / "a.blend", "shots/a.blend") == tmp_path
    assert project_of(tmp_path / "shots" / "b.blend", "shots/a.blend") is None
    assert set(in_folder(tmp_path, LIST, None)) == {"shots/a.blend", "textures/wood.png"}
    everything = {"shots/a.blend", "textures/wood.png", "notes.txt"}
    assert set(in_folder(tmp_path, None, tmp_path)) == everything
    assert in_folder(tmp_path, None, None) == {}


async def test_no_file_is_laid_out_beyond_the_work_folder(tmp_path: Path) -> None:
    file = tmp_path / "a.blend"
    file.write_bytes(b"x")
    asked = RerenderRequest(
        files={"../b.blend": file}, scene="../b.blend", picture=file, parameters={}, draws=()
    )
    with pytest.raises(ValueError, match="not a valid path of an input"):
        await rerender(RenderPlugin(scratch=tmp_path), asked, tmp_path / "work")
    assert not (tmp_path / "b.blend").exists()


@pytest.mark.parametrize(
    "said",
    [
        {"regions": [{"equal": 1, "off": None}]},
        {"regions": [{"equal": True}]},
        {"regions": [{"equal": False, "off": "far"}]},
        {"regions": [{"equal": True, "off": None, "at": [1, 2]}]},
        {"whole": [1]},
    ],
)
def test_what_is_no_report_is_not_read(said: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        read_report(said)


# -- regions


@examples(2)
@given(st.integers(0, 2**32 - 1), st.integers(1, 64))
def test_every_second_region_lies_where_much_varies_and_a_seed_draws_the_same(
    seed: int, count: int
) -> None:
    found = draws(random.Random(seed).random, count)
    assert found == draws(random.Random(seed).random, count)
    assert len(found) == count
    assert sum(cell is not None for _, _, cell in found) == count // 2
    assert all(0 <= number < 1 for drawn in found for number in drawn if number is not None)


# -- conclusions

SAME = RegionDifference(equal=True, at=(0, 0, 8, 8))
NEAR = RegionDifference(equal=False, off=0.2, at=(8, 0, 8, 8))
FAR = RegionDifference(equal=False, off=1.7, at=(16, 0, 8, 8))
NONE = RegionDifference(equal=False, off=None, at=(24, 0, 8, 8))


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (RerenderReport(regions=(SAME, SAME)), EXACT),
        (RerenderReport(regions=(SAME, NEAR)), CONSISTENT),
        (RerenderReport(regions=(SAME, FAR)), DIFFERENT),
        (RerenderReport(regions=(SAME, NONE)), DIFFERENT),
        (RerenderReport(whole=RegionDifference(equal=False, off=0.4)), UNDECIDED),
        (RerenderReport(regions=(FAR,), whole=SAME), EXACT),
        (RerenderReport(regions=(), whole=NEAR), CONSISTENT),
        (RerenderReport(regions=(FAR,), whole=FAR), DIFFERENT),
        (RerenderReport(whole=SAME, is_loose=True), EXACT),
        (RerenderReport(whole=FAR, is_loose=True), UNDECIDED),
        (RerenderReport(regions=(SAME,), finish=SAME), EXACT),
        (RerenderReport(regions=(SAME,), finish=FAR), DIFFERENT),
        (RerenderReport(regions=(SAME,), finish=FAR, whole=SAME), EXACT),
        (RerenderReport(fault="the picture is 66 by 37, not 67 by 37"), DIFFERENT),
        (RerenderReport(unable="the picture's pixels cannot be read"), UNDECIDED),
    ],
)
def test_what_a_comparison_says(report: RerenderReport, verdict: str) -> None:
    found = judge(report, is_same_blender=True, knows_files=True)
    assert found.verdict == verdict
    assert found.holds == (verdict in (EXACT, CONSISTENT))
    assert found.reason


def test_what_may_have_another_reason_is_undecided() -> None:
    far = RerenderReport(whole=FAR)
    assert judge(far, is_same_blender=False, knows_files=True).reason == OTHER_CLASS
    assert judge(far, is_same_blender=True, knows_files=False).reason == UNKNOWN_FILES
    loose = attrs.evolve(far, is_loose=True)
    assert judge(loose, is_same_blender=False, knows_files=False).reason == LOOSE


@examples(2)
@given(st.floats(0.001, 1) | st.floats(1, 100), st.booleans(), st.booleans(), st.booleans())
def test_no_doubt_makes_a_near_picture_wrong_or_a_far_one_right(
    off: float, is_same: bool, knows: bool, is_loose: bool
) -> None:
    report = RerenderReport(whole=RegionDifference(equal=False, off=off), is_loose=is_loose)
    found = judge(report, is_same_blender=is_same, knows_files=knows)
    assert found.holds == (off <= CONSISTENT_MOST)
    if not found.holds:
        is_certain = is_same and knows and not is_loose and off > DIFFERENT_LEAST
        assert found.verdict == (DIFFERENT if is_certain else UNDECIDED)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (EXACT, exit_codes.OK),
        (CONSISTENT, exit_codes.OK),
        (DIFFERENT, exit_codes.FAILURE),
        (UNDECIDED, exit_codes.NOT_WITNESSED),
    ],
)
def test_the_exit_code_is_the_verdicts(verdict: str, code: int) -> None:
    assert exit_code(RerenderOutcome().ended(Judgement(verdict, "why"))) == code


def test_each_region_is_named_with_its_place_and_how_far_off_it_is() -> None:
    report = RerenderReport(regions=(SAME, FAR), whole=FAR, why_whole="regions of the frame differ")
    assert region_lines(report) == [
        (
            "frame",
            False,
            "rendered whole, because regions of the frame differ: 1.7 times the noise",
        ),
        ("region 1", True, "8 by 8 pixels at 0, 0: equal to the last bit"),
        ("region 2", False, "8 by 8 pixels at 16, 0: 1.7 times the noise"),
    ]


NO_OPTIONS: dict[str, Any] = {
    "scene": None,
    "linked": None,
    "manifest": None,
    "evidence": None,
    "regions": 12,
    "whole": False,
    "picture": None,
    "seed": None,
    "unsafe_no_sandbox": False,
}


def test_programs_are_told_all_of_it() -> None:
    wish = wish_of({**NO_OPTIONS, "scene": Path("s.blend"), "seed": 7})
    assert wish is not None
    outcome = RerenderOutcome(
        steps=[Step("scene", True, "said")], report=RerenderReport(regions=(FAR,))
    )
    told = document(wish, Path("a/frame.png"), outcome.ended(Judgement(DIFFERENT, "why")))
    assert (told["name"], told["holds"], told["verdict"], told["seed"]) == (
        "frame.png",
        False,
        DIFFERENT,
        7,
    )
    assert told["regions"] == (FAR,)


@given(
    st.tuples(st.integers(16, 4000), st.integers(16, 4000)),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_a_check_looks_where_a_comparison_says_that_it_differs(
    size: tuple[int, int], x: float, y: float
) -> None:
    """A check's region is the same rectangle as in the comparison."""
    at = place((x, y, None), size, [])
    report = RerenderReport(regions=(SAME, RegionDifference(equal=False, off=0.9, at=at)))
    [spot] = spots(report, size)
    assert place((spot["x"], spot["y"], None), size, []) == at


def test_a_comparison_names_the_worst_regions_alone() -> None:
    offs = [0.1, 0.9, 0.3, *[0.2] * 9]
    regions = [
        RegionDifference(equal=False, off=off, at=(n * 10, 0, 10, 10)) for n, off in enumerate(offs)
    ]
    found = spots(RerenderReport(regions=(SAME, *regions)), (320, 240))
    assert len(found) == SPOTS_MOST
    assert found[0]["x"] == spots(RerenderReport(regions=(regions[1],)), (320, 240))[0]["x"]


def test_a_dispute_takes_what_the_program_wrote(tmp_path: Path) -> None:
    shown, told = tmp_path / "frame.verify.png", tmp_path / "verify.json"
    shown.write_bytes(b"a picture")
    wish = wish_of({**NO_OPTIONS, "scene": Path("s.blend"), "seed": 7})
    assert wish is not None
    outcome = RerenderOutcome(report=RerenderReport(regions=(FAR,)), shown=shown, size=(160, 90))
    written = document(wish, Path("frame.png"), outcome.ended(Judgement(DIFFERENT, "why")))
    told.write_text(encoded({"name": "a proof"}) + "\n" + encoded(written) + "\n")
    output = Printer(results=io.StringIO(), notes=io.StringIO())
    found = comparison_of(told, output)
    assert (found["verdict"], found["reason"]) == (DIFFERENT, "why")
    assert found["places"] == spots(RerenderReport(regions=(FAR,)), (160, 90))
    assert base64.b64decode(found["picture"]) == b"a picture"
    shown.write_bytes(bytes(1 << 20))
    assert "picture" not in comparison_of(told, output)
    told.write_text("{}")
    with pytest.raises(click.UsageError, match="is not what"):
        comparison_of(told, output)


def test_options_of_rendering_need_a_scene() -> None:
    assert wish_of(NO_OPTIONS) is None
    for name, value in {"linked": Path(), "whole": True, "seed": 0}.items():
        with pytest.raises(click.UsageError, match="needs --scene"):
            wish_of({**NO_OPTIONS, name: value})
    drawn = {wish_of({**NO_OPTIONS, "scene": Path("s.blend")}) for _ in range(4)}
    assert len(drawn) == 4
