"""A downloaded file is named after what it is."""

import pytest

from rendertrust.kinds import suffix_of


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
