"""Places of cached inputs, and which inputs are removed to make room."""

import os
from pathlib import Path

import pytest

from rendertrust.node.backoff import delays
from rendertrust.node.cache import make_room, place, safe_path


@pytest.mark.parametrize("path", ["a", "a/b.png", "./a", "textures/wood 1.png"])
def test_path_below_the_folder_is_taken(path: str) -> None:
    assert safe_path(path) is not None


@pytest.mark.parametrize("path", ["", ".", "/a", "../a", "a/../../b", "a/..", "a\\..\\b"])
def test_path_that_leads_elsewhere_is_refused(path: str) -> None:
    assert safe_path(path) is None


def test_longest_unused_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate(("old", "middle", "new")):
        file = tmp_path / "aa" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x" * 10)
        os.utime(file, (1000 + age, 1000 + age))
    make_room(tmp_path, bytes_max=30, size=15)
    assert [file.name for file in tmp_path.glob("aa/*")] == ["new"]


def test_placed_input_outlives_its_place_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "cached").write_bytes(b"x")
    place(tmp_path / "cached", tmp_path / "in" / "deep" / "file")
    (tmp_path / "cached").unlink()
    assert (tmp_path / "in" / "deep" / "file").read_bytes() == b"x"


def test_back_off_grows_to_its_bound_and_never_beyond() -> None:
    waits = delays(1, 8)
    for ceiling in (1, 2, 4, 8, 8, 8):
        assert ceiling / 2 <= next(waits) <= ceiling
