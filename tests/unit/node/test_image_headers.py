"""Sizes of strangers' pictures, read from the header before anything is decoded."""

import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from rendertrust.node.worker.formats.bounds import NoPixels
from rendertrust.node.worker.formats.image_headers import READERS, size_of

SIZE = (67, 37)
KINDS = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".bmp": ("BMP", {}),
    ".tga": ("TGA", {"compression": "tga_rle"}),
    ".webp": ("WEBP", {}),
}
HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 37 +X 67\n"


def picture(kind: str, *, mode: str = "RGB", **how: object) -> bytes:
    written = io.BytesIO()
    Image.new(mode, SIZE).save(written, kind, **how)
    return written.getvalue()


def read(folder: Path, content: bytes, suffix: str) -> tuple[int, int] | None:
    path = folder / f"picture{suffix}"
    path.write_bytes(content)
    return size_of(str(path), suffix)


@pytest.mark.parametrize("suffix", KINDS)
def test_the_head_of_each_kind(suffix: str, tmp_path: Path) -> None:
    kind, how = KINDS[suffix]
    assert read(tmp_path, picture(kind, **how), suffix) == SIZE
    if kind != "JPEG":
        assert read(tmp_path, picture(kind, mode="RGBA", **how), suffix) == SIZE


def test_a_png_with_chunks_that_blender_does_not_write_is_refused(tmp_path: Path) -> None:
    """Viewers would show an animation, or transparent colors, instead of the compared pixels."""
    animation = picture("PNG", save_all=True, append_images=[Image.new("RGB", SIZE, "red")])
    clear = picture("PNG", transparency=(0, 0, 0))
    for content in (animation, clear):
        with pytest.raises(NoPixels, match="that Blender does not write"):
            read(tmp_path, content, ".png")


def test_other_ways_of_writing(tmp_path: Path) -> None:
    assert read(tmp_path, HDR, ".hdr") == SIZE
    assert read(tmp_path, picture("WEBP", lossless=True), ".webp") == SIZE
    assert read(tmp_path, picture("WEBP", mode="RGBA", exif=b"Exif\0\0"), ".webp") == SIZE
    assert read(tmp_path, picture("TIFF", mode="L"), ".tif") == SIZE
    assert read(tmp_path, picture("BMP", mode="L"), ".bmp") == SIZE
    assert read(tmp_path, picture("TGA", mode="L"), ".tga") == SIZE


@pytest.mark.parametrize("suffix", READERS)
def test_a_picture_of_another_kind_is_none(suffix: str, tmp_path: Path) -> None:
    others = [picture(kind, **how) for of, (kind, how) in KINDS.items() if of != suffix]
    gif = picture("GIF", mode="P")
    for content in (*others, gif, b"", b"this is no picture", b"\0" * 64):
        with pytest.raises(NoPixels):
            read(tmp_path, content, suffix)
    if suffix != ".hdr":
        with pytest.raises(NoPixels):
            read(tmp_path, HDR, suffix)


@pytest.mark.parametrize("suffix", KINDS)
def test_a_head_that_breaks_off(suffix: str, tmp_path: Path) -> None:
    kind, how = KINDS[suffix]
    with pytest.raises(NoPixels):
        read(tmp_path, picture(kind, **how)[:11], suffix)


def test_tiff_of_what_a_decoder_would_take_memory_for(tmp_path: Path) -> None:
    """Headers with tiles, slices, too many or wide channels, huge strips, or a repeated tag."""
    plain = {256: 67, 257: 37, 258: 8, 277: 1}
    assert read(tmp_path, tiff(plain), ".tif") == SIZE
    for more in ({322: 60_000}, {32997: 9}, {277: 40_000}, {258: 4_096}, {278: 1 << 30}, {259: 7}):
        with pytest.raises(NoPixels):
            read(tmp_path, tiff(plain | more), ".tif")
    with pytest.raises(NoPixels):
        read(tmp_path, tiff(plain, (256, 50_000)), ".tif")
    with pytest.raises(NoPixels):
        read(tmp_path, tiff({256: 0, 257: 37}), ".tif")


def tiff(entries: dict[int, int], *more: tuple[int, int]) -> bytes:
    given = [*entries.items(), *more]
    packed = b"".join(_entry(tag, value) for tag, value in given)
    return b"MM\0*" + struct.pack(">IH", 8, len(given)) + packed + bytes(4)


def _entry(tag: int, value: int) -> bytes:
    if value < 1 << 16:
        return struct.pack(">HHIHH", tag, 3, 1, value, 0)
    return struct.pack(">HHII", tag, 4, 1, value)


def test_no_picture_has_another_suffix(tmp_path: Path) -> None:
    assert read(tmp_path, picture("GIF", mode="P"), ".gif") is None
