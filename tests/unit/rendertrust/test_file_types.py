"""A downloaded file gets the suffix of its actual type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.file_types import BEGINNINGS, FRAME_FILE, MEDIA, suffix_of
from rendertrust.node.worker.scene.output import SUFFIXES


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", ".png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", ".jpg"),
        (b"\x76\x2f\x31\x01\x02", ".exr"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", ".webp"),
        (b"PK\x03\x04", ".zip"),
        (bytes.fromhex("00000a00000000000000000040003000 2028"), ".tga"),
        (bytes.fromhex("000002000000000000000000800748044018"[:32] + "1800"), ".tga"),
        (bytes(18), ""),
        (b'{"echo": 1}', ".json"),
        (b"", ""),
        (b"RIFF\x10\x00\x00\x00WAVE", ""),
        (b"what is this?", ""),
    ],
)
def test_the_first_bytes_tell_the_kind(head: bytes, suffix: str) -> None:
    assert suffix_of(head) == suffix


def test_every_kind_has_a_media_type() -> None:
    assert set(BEGINNINGS.values()) <= set(MEDIA)
    assert set(SUFFIXES.values()) <= set(MEDIA)


@given(st.binary(max_size=64))
def test_what_is_not_known_has_no_suffix(head: bytes) -> None:
    assert suffix_of(head) in {"", *MEDIA}


@pytest.mark.parametrize("name", ["0001.png", "-0003.exr", "0012.noisy.exr", "1000000.tif"])
def test_frames_have_the_names_that_nodes_give_them(name: str) -> None:
    assert FRAME_FILE.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["0001.exe", "0001.zip", "0001.html", "0001.mp4", "0001.PNG", "1.png", "0001.png\n"]
)
def test_no_frame_has_another_name(name: str) -> None:
    assert not FRAME_FILE.fullmatch(name)
