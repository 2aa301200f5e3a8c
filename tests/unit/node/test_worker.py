"""The worker's pure parts."""

import pytest

from rendertrust.node.worker import one_line, remaining_of, share_of


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
