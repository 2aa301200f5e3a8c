"""The worker's pure parts."""

from pathlib import Path

import pytest

from rendertrust.node.worker import (
    MachineError,
    SceneError,
    blamed,
    one_line,
    remaining_of,
    saved_by,
    share_of,
)


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
        (b"\x28\xb5\x2f\xfd", (0, 0)),
        (b"", (0, 0)),
    ],
)
def test_the_head_of_a_file_tells_which_blender_wrote_it(
    head: bytes, version: tuple[int, int], tmp_path: Path
) -> None:
    (tmp_path / "a.blend").write_bytes(head)
    assert saved_by(str(tmp_path / "a.blend")) == version
