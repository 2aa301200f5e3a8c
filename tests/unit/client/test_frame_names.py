"""File names of downloaded frames: by the user's pattern, or as Blender names them."""

import pytest

from rendertrust.client.frame_downloads import named


@pytest.mark.parametrize(
    ("stem", "frame", "name"),
    [
        ("shot", 1, "shot-0001"),
        ("shot", -3, "shot--0003"),
        ("shot_####", 1, "shot_0001"),
        ("####", 12345, "12345"),
        ("####", -3, "-0003"),
        ("shot_##_v2", 7, "shot_07_v2"),
        ("a#b###", 7, "a#b007"),
    ],
)
def test_names(stem: str, frame: int, name: str) -> None:
    assert named(stem, frame) == name
