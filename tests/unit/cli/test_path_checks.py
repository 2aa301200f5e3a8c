"""Checks of a scene and of the output folder before anything is sent."""

import gzip
import os
from pathlib import Path

import click
import pytest

from rendertrust.blend_file import is_blend, saved_by
from rendertrust.cli import path_checks


@pytest.mark.parametrize(
    ("head", "version"),
    [
        (b"BLENDER-v405RENDH", (4, 5)),
        (b"BLENDER17-01v0500", (5, 0)),
        (gzip.compress(b"BLENDER-v279" + bytes(5000), mtime=0), (2, 79)),
        (b"\x28\xb5\x2f\xfd\x60\x19\x05", (0, 0)),
    ],
)
def test_blend_files_are_known_plain_and_compressed(head: bytes, version: tuple[int, int]) -> None:
    assert is_blend(head[:4096])
    assert saved_by(head[:4096]) == version


@pytest.mark.parametrize(
    "head",
    [
        b"PK\x03\x04",
        b"\x89PNG",
        b"blender",
        b"BLEND",
        gzip.compress(b"other", mtime=0),
        b"\x1f\x8bBLENDER",
    ],
)
def test_other_files_are_not(head: bytes) -> None:
    assert not is_blend(head)


def test_a_picture_goes_into_a_folder_that_is_there(tmp_path: Path) -> None:
    assert path_checks.placed(tmp_path) == tmp_path
    assert path_checks.placed(tmp_path / "frame.png") == tmp_path / "frame.png"
    with pytest.raises(click.UsageError, match="not a folder"):
        path_checks.placed(tmp_path / "absent" / "frame.png")


def test_a_folder_that_is_closed_is_found_before(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):  # root may write everywhere
        assert path_checks.placed(closed) == closed
        return
    with pytest.raises(click.UsageError, match="is not writable"):
        path_checks.placed(closed)
