"""Functions of the worker that need no Blender."""

import os
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rendertrust.node.worker.ipc import (
    MachineError,
    Progress,
    SceneError,
    blamed,
    memory_of,
    one_line,
    remaining_of,
    share_of,
    speaker,
)
from rendertrust.node.worker.render.price_probe import idle_seconds, told, trial_of
from rendertrust.node.worker.render.tiles import select
from rendertrust.node.worker.scene.loader import saved_by
from rendertrust.node.worker.scene.output import name_of


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Remaining: 00:01.02 | Mem: 1M | Sample 16/64", 0.25),
        ("Mem: 1M | Sample 0/64", 0.0),
        ("Mem: 1M | Rendered 1/4 Tiles, Sample 32/64", 0.375),
        ("Mem: 1M | Rendered 4/4 Tiles, Sample 64/64", 1.0),
        ("Rendering 25 / 50 samples", 0.5),
        ("Mem: 1M | Updating Scene BVH | Building BVH 0%", None),
        ("Sample 1/0", 1.0),
    ],
)
def test_share_is_read_from_what_blender_says(text: str, share: float | None) -> None:
    assert share_of(text) == share


def test_time_left_is_read_from_what_blender_says() -> None:
    assert remaining_of("Remaining: 01:02.50 | Mem: 1M | Sample 1/2") == 62.5
    assert remaining_of("Remaining: 1:00:01.00 | Sample 1/2") == 3601
    assert remaining_of("Sample 1/2") is None


def test_memory_is_read_from_what_cycles_says() -> None:
    assert memory_of("Remaining: 00:01.02 | Mem: 12M | Sample 16/64") == 12 << 20
    assert memory_of("Mem:1.50G, Peak:2.25G | Scene, View Layer | Sample 1/2") == 9 << 28
    assert (
        memory_of("Fra:1 Mem:945.23M (Peak 960.00M) | Mem:2.00M, Peak:3.00M | Sample 1/2")
        == 3 << 20
    )
    assert memory_of("Rendering 25 / 50 samples") == 0


def test_the_most_memory_is_remembered_over_all_renders() -> None:
    progress = Progress(lambda *_, **__: None, 2)
    handlers: list[Any] = []
    shown = SimpleNamespace(handlers=SimpleNamespace(render_stats=handlers))
    progress.watch(SimpleNamespace(app=shown))
    for text in ("Mem: 700M | Updating Scene BVH", "Mem: 500M | Sample 1/2", "Time: 00:01"):
        handlers[0](text)
    assert progress.peak_bytes == 700 << 20


def test_a_card_is_measured_by_the_clock_and_not_by_processor_time() -> None:
    taken = [(2.0, 0.1), (4.0, 0.2), (9.0, 0.3)]
    names = ["base_seconds", "one_seconds", "many_seconds"]
    found = told(3, taken, None, names)
    assert [found[name] for name in names] == [[2.0], [4.0], [9.0]]


def test_what_a_busy_machine_took_is_told_as_if_it_were_idle() -> None:
    quiet, busy = [(0.5, 0.6), (1.5, 2.6)], [(2.5, 0.6), (6.0, 2.6)]
    assert idle_seconds(quiet, threads=2) == [0.5, 1.5]
    assert idle_seconds(busy, threads=2) == [0.6, 1.6]
    first_sets_up = [(0.5, 0.4), (0.5, 0.3), (1.0, 0.7)]
    assert idle_seconds(first_sets_up, threads=4) == [0.325, 0.3, 0.4]


@pytest.mark.parametrize(
    ("size", "samples", "trial", "many"),
    [
        ((400, 250), 64, (400, 250), 5),  # its own size, and as many samples as fit
        ((1920, 1080), 64, (516, 290), 3),
        ((16_384, 16_384), 64, (387, 387), 3),
        ((64, 36), 16, (64, 36), 16),  # no more samples than the frame has
        ((400, 250), 1, (400, 250), 1),
        ((1_000_000, 1), 64, (387_298, 1), 2),
    ],
    ids=["small", "full-hd", "huge", "tiny", "one-sample", "line"],
)
def test_trial_renders_are_short(
    size: tuple[int, int], samples: int, trial: tuple[int, int], many: int
) -> None:
    assert trial_of(size, samples, 150_000, 500_000) == (trial, many)


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_message_has_no_number_that_json_lacks(number: float) -> None:
    """The agent would ignore the whole line."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as heard:
        say = speaker(writer)
        with pytest.raises(ValueError, match="JSON"):
            say("done", crops=[{"equal": False, "off": number}])
        say("done", off=1.5)
        os.close(writer)
        assert heard.read() == b'{"event": "done", "off": 1.5}\n'


def test_error_is_told_in_one_line() -> None:
    assert (
        one_line(RuntimeError("Error: Cannot render,\n no camera\n")) == "Cannot render, no camera"
    )
    assert one_line(RuntimeError()) == "RuntimeError"


@pytest.mark.parametrize(
    ("told", "whose"),
    [
        ("Cannot render, no camera", SceneError),
        ("No render output node in scene", SceneError),
        ("Failed to denoise, build has no OpenImageDenoise support", MachineError),
        ("System is out of GPU and shared host memory", MachineError),
    ],
)
def test_another_machine_tries_what_may_be_this_ones_fault(
    told: str, whose: type[Exception]
) -> None:
    assert type(blamed(told)) is whose


@pytest.mark.parametrize(
    ("head", "version"),
    [
        (b"BLENDER17-01v0502REND", (5, 2)),
        (b"BLENDER-v403REND", (4, 3)),
        (b"BLENDER_V279", (2, 79)),
        pytest.param(
            b"\x28\xb5\x2f\xfd\x20\x11\x89\x00\x00BLENDER-v405RENDH",
            (4, 5),
            marks=pytest.mark.skipif(find_spec("zstandard") is None, reason="comes with Blender"),
        ),
        (b"\x28\xb5\x2f\xfd", (0, 0)),
        (b"", (0, 0)),
    ],
)
def test_the_head_of_a_file_tells_which_blender_wrote_it(
    head: bytes, version: tuple[int, int], tmp_path: Path
) -> None:
    (tmp_path / "a.blend").write_bytes(head)
    assert saved_by(str(tmp_path / "a.blend")) == version


@pytest.mark.parametrize(
    ("frame", "name"),
    [(1, "0001.png"), (-3, "-0003.png"), (12345, "12345.png"), (0, "0000.png")],
)
def test_frames_are_named_as_blender_names_them(frame: int, name: str) -> None:
    assert name_of(frame, ".png") == name


def test_progress_is_over_all_frames_and_never_shrinks() -> None:
    said: list[dict[str, Any]] = []
    bpy = SimpleNamespace(app=SimpleNamespace(handlers=SimpleNamespace(render_stats=[])))

    def say(_event: str, **members: Any) -> None:
        said.append(members)

    progress = Progress(say, 2)
    progress.watch(bpy)
    (hear,) = bpy.app.handlers.render_stats
    for frame in (7, 8):
        progress.next(f"frame {frame}")
        for sample in (0, 2, 1, 4):
            hear(f"Remaining: 00:02.00 | Mem: 1M | Sample {sample}/4")
    assert [line["progress"] for line in said] == [0.25, 0.5, 0.75, 1.0]
    assert [line["detail"] for line in said[:2]] == ["frame 7: Sample 2/4", "frame 7: Sample 4/4"]
    assert [line["remaining"] for line in said] == [None, None, 2.0, 2.0]


@pytest.mark.parametrize(("x", "width", "length"), [(0, 5, 67), (3, 64, 67), (31, 1, 1920)])
def test_a_region_is_cut_to_whole_pixels(x: int, width: int, length: int) -> None:
    render = SimpleNamespace(resolution_x=length, resolution_y=length, resolution_percentage=100)
    select(SimpleNamespace(render=render), (x, x, width, width))
    as_blender_cuts = int(np.float32(render.border_min_x) * np.float32(length))
    assert as_blender_cuts == x
    assert int(np.float32(render.border_max_x) * np.float32(length)) == x + width
    assert int(np.float32(render.border_min_y) * np.float32(length)) == length - x - width
