"""A downloaded file is named after what it is."""

from pathlib import Path

import pytest

from rendertrust.client.downloads import named
from rendertrust.client.kinds import suffix_of


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", ".png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", ".jpg"),
        (b"\x76\x2f\x31\x01\x02", ".exr"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", ".webp"),
        (b'{"echo": 1}', ".json"),
        (b"", ""),
        (b"RIFF\x10\x00\x00\x00WAVE", ""),
        (b"what is this?", ""),
    ],
)
def test_the_first_bytes_tell_the_kind(head: bytes, suffix: str) -> None:
    assert suffix_of(head) == suffix


def test_a_file_without_suffix_is_given_one(tmp_path: Path) -> None:
    place = tmp_path / "frame-0001"
    place.write_bytes(b"\x89PNG\r\n\x1a\nrest")
    assert named(place) == tmp_path / "frame-0001.png"
    assert [path.name for path in tmp_path.iterdir()] == ["frame-0001.png"]


def test_a_file_of_an_unknown_kind_keeps_its_name(tmp_path: Path) -> None:
    place = tmp_path / "result"
    place.write_bytes(b"nothing known")
    assert named(place) == place
    assert place.exists()
