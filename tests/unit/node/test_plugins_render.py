"""Render orders that a plugin accepts, and the plugin's result for each way its worker ends."""

import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.blender import Blender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import PREVIEW_BYTES_MAX, Completed, Failed, Task
from rendertrust.node.plugins.check import CheckPlugin
from rendertrust.node.plugins.preflight import PreflightPlugin
from rendertrust.node.plugins.render import (
    ProgressEstimate,
    RenderPlugin,
    RenderProgress,
    order_for,
    result_of,
)
from rendertrust.node.plugins.render_order import KNOWN, order_of, scene_of
from rendertrust.node.plugins.video import VideoPlugin
from rendertrust.node.sandbox import NoSandbox, Sandbox


def task(*names: str, **params: Any) -> Task:
    return Task(
        job_id="j",
        job_type="render",
        payload_ref="x",
        unit=None,
        attempt=None,
        params=params,
        folder=Path("/nowhere"),
        inputs={name: Path("/nowhere") / name for name in names},
        threads=1,
        on_progress=lambda share, detail: None,
    )


@pytest.mark.parametrize("box", ["sandboxed", "bare"])
async def test_what_strangers_sent_is_looked_at_in_a_sandbox_alone(
    tmp_path: Path, box: str
) -> None:
    program = Renderer(kind="bpy", before=(), after=(), readable=())
    boxes: dict[str, NoSandbox | Sandbox] = {
        "bare": NoSandbox(),
        "sandboxed": Sandbox(bwrap="bwrap", readable=(), as_root=False),
    }
    render = RenderPlugin(scratch=tmp_path, found=Blender(renderer=program, box=boxes[box]))
    for plugin in (CheckPlugin(render=render), PreflightPlugin(render=render)):
        assert (await plugin.why_not() is None) == (box == "sandboxed")
    assert await VideoPlugin(render=render).why_not() is None


def test_a_scene_that_prints_files_without_end_is_not_kept_in_memory() -> None:
    progress = RenderProgress(task=task(), frames=2)
    for number in range(2):
        progress.hear({"event": "frame", "file": f"000{number}.png", "noisy": "n", "evidence": "e"})
    assert not progress.too_many_files
    for number in range(1_000):
        progress.hear({"event": "frame", "file": f"{number:04}.png" + "x" * 10_000})
    assert progress.files == ["0000.png", "n", "e", "0001.png", "n", "e"]
    assert progress.too_many_files


def test_of_a_files_name_only_its_beginning_is_kept() -> None:
    progress = RenderProgress(task=task())
    progress.hear({"event": "frame", "file": "x" * 10_000})
    assert progress.files == ["x" * 100]


def test_order_holds_what_was_asked_for_alone() -> None:
    assert order_of({}) == {}
    assert order_of({"resolution": [64, 36]}) == {"width": 64, "height": 36}
    asked = {"width": 64, "height": 36, "samples": 8, "format": "PNG"}
    assert order_of({**asked, "frame": -3}) == {**asked, "frames": [-3]}
    assert order_of({"frames": [9, 1], "noisy": True}) == {"frames": [9, 1], "noisy": True}
    assert order_of({"noisy": False, "tile": None}) == {}
    assert order_of({"tile": [0, 0, 8, 8], "frame": 2}) == {"tile": [0, 0, 8, 8], "frames": [2]}


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"frame": 1_048_575}, "frame"),
    ({"frame": "1"}, "frame"),
    ({"frame": True}, "frame"),
    ({"samples": 0}, "samples"),
    ({"width": 64}, "together"),
    ({"width": 3, "height": 64}, "width"),
    ({"resolution": "64x36"}, "resolution"),
    ({"resolution": [64]}, "resolution"),
    ({"format": "GIF"}, "format"),
    ({"format": ["PNG"]}, "format"),
    ({"smaples": 4}, "smaples"),
    ({"frames": []}, "1 to 64"),
    ({"frames": list(range(65))}, "1 to 64"),
    ({"frames": "1-3"}, "list"),
    ({"frames": [1, 1]}, "twice"),
    ({"frames": [1, 2.0]}, "whole numbers"),
    ({"frames": [1], "frame": 1}, "together"),
    ({"noisy": 1}, "noisy"),
    ({"tile": [0, 0, 0, 8]}, "tile must be"),
    ({"tile": [0, 0, 8]}, "tile must be"),
    ({"tile": [-1, 0, 8, 8]}, "tile must be"),
    ({"tile": [0, 0, 8, True]}, "tile must be"),
    ({"tiles": []}, "1 to 48 tiles"),
    ({"tiles": [[0, 0, 8]]}, "each of tiles"),
    ({"tile": [0, 0, 8, 8], "tiles": [[0, 0, 8, 8]]}, "together"),
    ({"tile": [0, 0, 8, 8], "frames": [1, 2]}, "one frame"),
    ({"tiles": [[0, 0, 8, 8]], "frames": [1, 2]}, "one frame"),
    ({"tile": [0, 0, 8, 8], "noisy": True}, "for whole frames"),
    ({"tile": [0, 0, 8, 8], "format": "PNG"}, "tiles are merged"),
]


@pytest.mark.parametrize(("params", "words"), BROKEN)
def test_wrong_parameter_is_the_scenes_fault_and_named(params: dict[str, Any], words: str) -> None:
    failed = order_of(params)
    assert isinstance(failed, Failed)
    assert failed.failure == "scene"
    assert words in failed.error


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = LEAF | st.lists(LEAF | st.lists(LEAF, max_size=5), max_size=5)


@given(st.dictionaries(st.sampled_from(sorted(KNOWN)), JSON))
def test_any_parameters_give_an_order_or_a_reason(params: dict[str, Any]) -> None:
    order_of(params)


def test_scene_is_the_one_blend_among_the_inputs() -> None:
    assert scene_of(task("a.png", "b.blend")) == "b.blend"
    assert scene_of(task("upload")) == "upload"
    for names in ((), ("a.blend", "b.blend")):
        refused = scene_of(task(*names))
        assert isinstance(refused, Failed)
        assert refused.failure == "scene"  # no other node would do better


def test_scene_is_named_where_several_are_there() -> None:
    several = ("shots/a.blend", "library.blend", "rendertrust-paths.json")
    assert scene_of(task(*several, scene="shots/a.blend")) == "shots/a.blend"
    assert scene_of(task("scene", "rendertrust-paths.json")) == "scene"
    for named in ("b.blend", "../a.blend", "", 7):
        assert isinstance(scene_of(task(*several, scene=named)), Failed)


def test_order_of_a_unit_names_its_files() -> None:
    plain = {"do": "render", "scene": "a.blend", "thumbnails": True}
    assert order_for(task("a.blend")) == plain
    mapped = order_for(task("a.blend", "rendertrust-paths.json"))
    assert mapped == {**plain, "paths": "rendertrust-paths.json"}
    tiles = [[0, 0, 8, 8], [8, 0, 8, 8]]
    finish = order_for(task("a.blend", "tiles/0.exr", "tiles/1.exr", tiles=tiles))
    assert isinstance(finish, dict)
    assert finish["do"] == "finish"
    assert finish["tiles"] == [[0, 0, 8, 8, "tiles/0.exr"], [8, 0, 8, 8, "tiles/1.exr"]]
    missing = order_for(task("a.blend", "tiles/0.exr", tiles=tiles))
    assert isinstance(missing, Failed)
    assert "tiles/1.exr is missing" in missing.error


def test_done_gives_the_picture_and_what_was_measured() -> None:
    last = {"event": "done", "file": "frame.png", "seconds": 1.5, "samples": None, "else": 1}
    ending = ProcessExit(code=0, last=last, tail="")
    assert result_of(ending, Path("/w")) == Completed(
        file=Path("/w/out/frame.png"), work={"seconds": 1.5}
    )


def test_several_files_are_one_bundle_and_the_same_each_time(tmp_path: Path) -> None:
    last = {"event": "done", "file": "0002.png", "frames": 2}
    files = ["0001.png", "0001.noisy.exr", "0002.png"]
    sums: set[bytes] = set()
    for folder in (tmp_path / "a", tmp_path / "b"):
        (folder / "out").mkdir(parents=True)
        for name in files:
            (folder / "out" / name).write_bytes(name.encode() * 100)
        result = result_of(ProcessExit(code=0, last=last, tail=""), folder, files)
        assert isinstance(result, Completed)
        assert result.file == folder / "frames.zip"
        sums.add((folder / "frames.zip").read_bytes())
    assert len(sums) == 1
    with zipfile.ZipFile(tmp_path / "a" / "frames.zip") as packed:
        assert packed.namelist() == files
        assert packed.read("0002.png") == b"0002.png" * 100


@pytest.mark.parametrize(
    ("name", "frame", "size", "shown"),
    [
        ("0007.thumbnail.jpg", 7, 100, True),
        ("0007.thumbnail.jpg", 7, PREVIEW_BYTES_MAX + 1, False),
        ("0007.thumbnail.jpg", "7", 100, False),
        ("../0007.thumbnail.jpg", 7, 100, False),
        ("0008.thumbnail.jpg", 8, 0, False),
    ],
)
def test_small_pictures_are_passed_on(
    tmp_path: Path, name: str, frame: object, size: int, *, shown: bool
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0007.thumbnail.jpg").write_bytes(bytes(size))
    seen: list[tuple[int, int | None]] = []

    def keep(picture: bytes, number: int | None) -> None:
        seen.append((len(picture), number))

    watched = attrs.evolve(task("a.blend"), folder=tmp_path, on_preview=keep)
    line = {"event": "frame", "file": "0007.png", "frame": frame, "thumbnail": name}
    RenderProgress(task=watched).hear(line)
    assert seen == ([(size, 7)] if shown else [])


def test_link_among_the_frames_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "out" / "0001.png").write_text("picture")
    (tmp_path / "out" / "0002.png").symlink_to(tmp_path / "secret")
    ending = ProcessExit(code=0, last={"event": "done", "file": "0002.png"}, tail="")
    failed = result_of(ending, tmp_path, ["0001.png", "0002.png"])
    assert isinstance(failed, Failed)
    assert failed.failure == "node"


@pytest.mark.parametrize("name", ["../../etc/shadow", "frame.png/../x", "/etc/shadow", 7, None])
def test_other_file_than_the_frame_is_never_taken(name: object) -> None:
    ending = ProcessExit(code=0, last={"event": "done", "file": name}, tail="")
    assert isinstance(result_of(ending, Path("/w")), Failed)


@pytest.mark.parametrize(
    ("code", "words"), [(None, "longer"), (-11, "SIGSEGV"), (137, "SIGKILL"), (3, "code 3")]
)
def test_death_of_blender_is_the_nodes_failure_and_explained(code: int | None, words: str) -> None:
    failed = result_of(ProcessExit(code=code, last={"event": "ready"}, tail="why"), Path("/w"))
    assert isinstance(failed, Failed)
    assert (failed.failure, failed.detail) == ("node", "why")
    assert words in failed.error


@pytest.mark.parametrize(
    ("last", "tail"),
    [
        ({"event": "ready"}, "Malloc returns null: len=8589934592 in image buffer"),
        ({"event": "ready"}, "terminate called after throwing 'std::bad_alloc'"),
        ({"event": "failed", "failure": "node", "error": "MemoryError: "}, ""),
    ],
)
def test_blender_that_gets_no_memory_is_no_failure_of_the_node(
    last: dict[str, Any], tail: str
) -> None:
    failed = result_of(ProcessExit(code=-6, last=last, tail=tail), Path("/w"))
    assert isinstance(failed, Failed)
    assert failed.lacks == "memory"


def test_share_grows_by_the_time_that_blender_thinks_is_left() -> None:
    estimate = ProgressEstimate()
    assert estimate.share(5) == 0
    estimate.hear(0.2, 10, now=100)
    assert estimate.share(100) == 0.2
    assert 0.5 < estimate.share(105) < 0.7
    due = estimate.share(110)
    assert 0.8 < due < 0.9
    assert due < estimate.share(115)
    assert estimate.share(130) < 1
    estimate.hear(1.0, None, now=1000)
    assert estimate.share(1000) == 1


words = st.tuples(st.floats(0, 1), st.none() | st.floats(0, 1e5), st.floats(0, 100))


@given(st.lists(words))
def test_share_never_shrinks_nor_leaves_its_bounds(
    said: list[tuple[float, float | None, float]],
) -> None:
    estimate, now, before = ProgressEstimate(), 0.0, 0.0
    for share, remaining, later in said:
        estimate.hear(share, remaining, now)
        now += later
        told = estimate.share(now)
        assert before <= told <= 1
        before = told
