"""Picture digests that do not depend on the encoding: JPEG, OpenEXR, and zips of pictures."""

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rendertrust.node.worker.formats.bounds import NoPixels
from rendertrust.node.worker.formats.image_headers import size_of
from rendertrust.node.worker.formats.jpeg import showing_of
from rendertrust.node.worker.formats.picture_digest import of_file, told, told_of_several
from tests.unit.proof import receipts

WIDTH, HEIGHT = 53, 37


def noise(seed: int = 7) -> Any:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    found = np.random.default_rng(seed).integers(0, 9, (HEIGHT, WIDTH, 3))
    return (np.stack([x * 4, y * 6, x + y], -1) + found).astype(np.uint8)


def jpeg(seed: int = 7, **options: Any) -> bytes:
    file = io.BytesIO()
    given = {"quality": 90, **options}
    Image.fromarray(noise(seed)).save(file, "JPEG", **given)
    return file.getvalue()


def written(tmp_path: Path, content: bytes, name: str = "x") -> str:
    (tmp_path / name).write_bytes(content)
    return str(tmp_path / name)


def hash_of(tmp_path: Path, content: bytes) -> str:
    return str(of_file(written(tmp_path, content))["sha256"])


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_what_is_written_beside_a_jpeg_does_not_count(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    plain = of_file(written(tmp_path, jpeg(**options)))
    size = {"width": WIDTH, "height": HEIGHT, "channels": 3, "bits": 8}
    assert plain == {**size, "sha256": plain["sha256"]}
    assert size_of(written(tmp_path, jpeg(**options)), ".jpg") == (WIDTH, HEIGHT)
    beside = jpeg(comment=b"rendered at noon", dpi=(72, 72), **options)
    assert beside != jpeg(**options)
    assert hash_of(tmp_path, beside) == plain["sha256"]
    assert hash_of(tmp_path, jpeg(**options) + b"behind the end") == plain["sha256"]


def test_any_other_bit_of_a_jpeg_counts(tmp_path: Path) -> None:
    content = jpeg()
    known = {hash_of(tmp_path, content)}
    known |= {hash_of(tmp_path, jpeg(8)), hash_of(tmp_path, jpeg(quality=89))}
    assert len(known) == 3
    scan = content.index(b"\xff\xda") + 14
    for begin in (content.index(b"\xff\xdb") + 9, scan + 40, scan + 400):
        # Avoid bytes whose change would create or remove a marker.
        place = next(at for at in range(begin, begin + 9) if content[at - 1] < 254 > content[at])
        changed = bytearray(content)
        changed[place] ^= 1
        assert hash_of(tmp_path, bytes(changed)) not in known


@pytest.mark.parametrize("cut", [2, 3, 30, 200, -1, -2])
def test_a_jpeg_that_breaks_off_is_none(tmp_path: Path, cut: int) -> None:
    with pytest.raises(NoPixels):
        of_file(written(tmp_path, jpeg()[:cut]))


def test_a_jpeg_that_never_says_its_size_is_none(tmp_path: Path) -> None:
    for content in (b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"\xff\xdb\x00\x02" * 1000):
        with pytest.raises(NoPixels):
            of_file(written(tmp_path, content))


def with_segment(content: bytes, marker: int, body: bytes) -> bytes:
    """Return the JPEG with another segment behind its frame header."""
    at = 2
    while True:
        found, size = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        at += 2 + size
        if 0xC0 <= found <= 0xC2:
            segment = bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body
            return content[:at] + segment + content[at:]


@pytest.mark.parametrize("marker", [0xE1, 0xE2])
def test_what_turns_a_jpeg_is_found_before_its_scan(marker: int) -> None:
    assert showing_of(io.BytesIO(jpeg())) == set()
    changed = with_segment(jpeg(), marker, b"Exif or a profile")
    assert showing_of(io.BytesIO(changed)) != set()


def with_chunk_in_data(picture: bytes) -> bytes:
    """Return the PNG with its samples in two chunks, and a text between them."""
    begin = picture.index(b"IDAT") - 4
    size = int.from_bytes(picture[begin : begin + 4], "big")
    body, end = picture[begin + 8 : begin + 8 + size], begin + 12 + size
    parts = ((b"IDAT", body[:5]), (b"tEXt", b"a\0b"), (b"IDAT", body[5:]))
    return picture[:begin] + b"".join(receipts.chunk(*part) for part in parts) + picture[end:]


def test_a_png_whose_samples_are_divided_is_none(tmp_path: Path) -> None:
    """Browsers show only the samples before the other chunk."""
    with pytest.raises(NoPixels, match="divides"):
        hash_of(tmp_path, with_chunk_in_data(receipts.PICTURE))


# -- OpenEXR

ROW = WIDTH * 3 * 2  # three channels of half floats


def attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<I", len(value)) + value


def exr(
    lines: bytes,
    packing: int = 3,
    *,
    level: int = 6,
    raw: bool = False,
    backwards: bool = False,
    more: bytes = b"",
    window: tuple[int, int] = (WIDTH, HEIGHT),
    version: int = 2,
) -> bytes:
    """Return an OpenEXR file with these samples, from the top row down."""
    channels = b"".join(
        name + b"\0" + struct.pack("<iiii", 1, 0, 1, 1) for name in (b"B", b"G", b"R")
    )
    box = struct.pack("<iiii", 0, 0, window[0] - 1, window[1] - 1)
    head = b"\x76\x2f\x31\x01" + struct.pack("<I", version)
    head += attribute("channels", "chlist", channels + b"\0")
    head += attribute("compression", "compression", bytes([packing])) + more
    head += attribute("dataWindow", "box2i", box) + b"\0"
    rows = 16 if packing == 3 else 1
    parts = [lines[start : start + rows * ROW] for start in range(0, len(lines), rows * ROW)]
    blocks = [part if raw or packing == 0 else packed(part, level) for part in parts]
    stored = [
        struct.pack("<iI", number * rows, len(block)) + block for number, block in enumerate(blocks)
    ]
    order = range(len(stored))[:: -1 if backwards else 1]
    offsets, at = [0] * len(stored), len(head) + 8 * len(stored)
    for number in order:
        offsets[number], at = at, at + len(stored[number])
    table = struct.pack(f"<{len(offsets)}Q", *offsets)
    return head + table + b"".join(stored[number] for number in order)


def packed(part: bytes, level: int) -> bytes:
    """Return the data in OpenEXR's ZIP compression: bytes reordered, differences, deflated."""
    apart = np.frombuffer(part[0::2] + part[1::2], np.uint8).astype(np.int64)
    apart[1:] = apart[1:] - apart[:-1] + 128
    return zlib.compress((apart % 256).astype(np.uint8).tobytes(), level)


LINES = (np.arange(HEIGHT * ROW // 2) // 7).astype("<u2").tobytes()


@pytest.mark.parametrize(
    "other",
    [
        {"level": 1},
        {"level": 9},
        {"raw": True},
        {"backwards": True},
        {"more": attribute("owner", "string", b"nobody")},
    ],
)
def test_how_an_exr_is_packed_does_not_count(tmp_path: Path, other: dict[str, Any]) -> None:
    plain = of_file(written(tmp_path, exr(LINES)))
    size = {"width": WIDTH, "height": HEIGHT, "channels": 3, "bits": 16}
    assert plain == {**size, "sha256": plain["sha256"]}
    assert exr(LINES, **other) != exr(LINES)
    assert hash_of(tmp_path, exr(LINES, **other)) == plain["sha256"]


@pytest.mark.parametrize("packing", [0, 2, 3])
def test_any_other_sample_of_an_exr_counts(tmp_path: Path, packing: int) -> None:
    known = hash_of(tmp_path, exr(LINES, packing))
    for place in (0, len(LINES) // 2, len(LINES) - 1):
        changed = bytearray(LINES)
        changed[place] ^= 1
        assert hash_of(tmp_path, exr(bytes(changed), packing)) != known


@pytest.mark.parametrize(
    "content",
    [
        exr(LINES)[:-3],
        exr(LINES)[:120],
        exr(LINES, window=(WIDTH, HEIGHT + 16)),
        exr(LINES, window=(WIDTH + 1, HEIGHT)),
        exr(LINES, window=(1 << 17, HEIGHT)),
        exr(LINES, packing=77),
        exr(LINES, version=2 | 0x1000),
        exr(LINES, version=2 | 0x200),
        exr(bytes(16 << 20)),
    ],
)
def test_an_exr_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NoPixels):
        of_file(written(tmp_path, content))


def with_attribute(name: str, kind: str, value: bytes) -> bytes:
    """Return an EXR file with another value of one attribute."""
    picture, begin = exr(LINES), f"{name}\0{kind}\0".encode()
    at = picture.index(begin)
    size = int.from_bytes(picture[at + len(begin) : at + len(begin) + 4], "little")
    return picture[:at] + attribute(name, kind, value) + picture[at + len(begin) + 4 + size :]


@pytest.mark.parametrize(
    "content",
    [
        with_attribute("channels", "chlist", b"R\0abc"),
        with_attribute("channels", "chlist", b"R\0"),
        with_attribute("channels", "chlist", b"R"),
        with_attribute("channels", "chlist", b"\0"),
        with_attribute("channels", "chlist", b"R\0" + struct.pack("<iii", 1, 0, 1)),
        with_attribute("compression", "compression", b""),
        with_attribute("compression", "compression", b"\3\0"),
        with_attribute("dataWindow", "box2i", bytes(15)),
    ],
)
def test_an_exr_with_a_broken_attribute_is_refused(tmp_path: Path, content: bytes) -> None:
    assert with_attribute("compression", "compression", b"\3") == exr(LINES)
    with pytest.raises(NoPixels):
        of_file(written(tmp_path, content))


def test_an_exr_whose_rows_are_one_block_is_refused(tmp_path: Path) -> None:
    content = exr(LINES, 0)
    begin = len(content) - HEIGHT * (8 + 8 + ROW)  # start of the table of offsets, one per row
    head, block = content[:begin], content[-8 - ROW :]
    offsets = struct.pack("<Q", begin + 8 * HEIGHT) * HEIGHT
    with pytest.raises(NoPixels, match="the file's blocks overlap"):
        of_file(written(tmp_path, head + offsets + block))


def test_an_exr_whose_blocks_take_much_memory_is_refused(tmp_path: Path) -> None:
    """Of one block of 65,536 by 16 pixels and 64 channels, 256 KiB would become 256 MiB."""
    width, rows, number = 65_536, 16, 64
    names = b"".join(b"c%d\0" % n + struct.pack("<iiii", 2, 0, 1, 1) for n in range(number))
    box = struct.pack("<iiii", 0, 0, width - 1, rows - 1)
    head = b"\x76\x2f\x31\x01" + struct.pack("<I", 2)
    head += attribute("channels", "chlist", names + b"\0")
    head += attribute("compression", "compression", b"\3")
    head += attribute("dataWindow", "box2i", box) + b"\0"
    body = b"any"
    file = head + struct.pack("<Q", len(head) + 8) + struct.pack("<iI", 0, len(body)) + body
    with pytest.raises(NoPixels, match="too long"):
        hash_of(tmp_path, file)


def multi_part(*pictures: bytes, numbers: tuple[int, ...] = ()) -> bytes:
    """Return a multi-part EXR file made of these EXR files; ``numbers`` override the part
    numbers.
    """
    names = [f"part {number}".encode() for number in range(len(pictures))]
    heads, blocks = b"", list[list[bytes]]()
    for name, picture in zip(names, pictures, strict=True):
        head, count, found = split_exr(picture)
        more = attribute("chunkCount", "int", struct.pack("<i", count))
        more += attribute("name", "string", name)
        heads += head + more + attribute("type", "string", b"scanlineimage") + b"\0"
        blocks.append(found)
    begin = b"\x76\x2f\x31\x01" + struct.pack("<I", 2 | 0x1000) + heads + b"\0"
    offsets, body = list[int](), b""
    start = len(begin) + 8 * sum(map(len, blocks))
    for number, part in enumerate(blocks):
        for block in part:
            offsets.append(start + len(body))
            body += struct.pack("<i", (numbers or range(len(blocks)))[number]) + block
    return begin + struct.pack(f"<{len(offsets)}Q", *offsets) + body


def split_exr(picture: bytes) -> tuple[bytes, int, list[bytes]]:
    """Split a single-part EXR file; return its attributes, its number of blocks, and the blocks."""
    end = picture.index(b"dataWindow") + len(b"dataWindow\0box2i\0") + 4 + 16
    count = (struct.unpack("<Q", picture[end + 1 : end + 9])[0] - end - 1) // 8
    offsets = struct.unpack(f"<{count}Q", picture[end + 1 : end + 1 + 8 * count])
    ends = [*offsets[1:], len(picture)]
    return picture[8:end], count, [picture[a:b] for a, b in zip(offsets, ends, strict=True)]


def test_an_exr_of_several_parts_counts_by_all_of_them(tmp_path: Path) -> None:
    other = bytes(reversed(LINES))
    plain = of_file(written(tmp_path, multi_part(exr(LINES), exr(other))))
    size = {"width": WIDTH, "height": HEIGHT, "channels": 6, "bits": 16}
    assert plain == {**size, "sha256": plain["sha256"]}
    assert size_of(written(tmp_path, multi_part(exr(LINES), exr(other))), ".exr") == (WIDTH, HEIGHT)
    packed_otherwise = multi_part(exr(LINES, level=1), exr(other, raw=True))
    assert hash_of(tmp_path, packed_otherwise) == plain["sha256"]
    changed = bytearray(other)
    changed[-1] ^= 1
    different = (
        multi_part(exr(other), exr(LINES)),
        multi_part(exr(LINES), exr(bytes(changed))),
        multi_part(exr(LINES)),
        exr(LINES),
    )
    found = {hash_of(tmp_path, one) for one in different}
    assert len(found | {plain["sha256"]}) == 5


@pytest.mark.parametrize(
    "content",
    [
        multi_part(exr(LINES), exr(LINES))[:-3],
        multi_part(exr(LINES), exr(LINES))[:300],
        multi_part(exr(LINES), exr(LINES), numbers=(0, 0)),
        multi_part(exr(LINES), exr(LINES[:ROW], window=(WIDTH, 1))),
        multi_part(exr(LINES), exr(LINES)).replace(b"scanlineimage", b"deepscanline!"),
        multi_part(exr(LINES), exr(LINES)).replace(b"\x03\0\0\0name", b"\x04\0\0\0name"),
        multi_part(*[exr(LINES[:ROW], window=(WIDTH, 1))] * 300),
    ],
)
def test_an_exr_of_several_parts_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NoPixels):
        of_file(written(tmp_path, content))


# -- zips of several pictures


def zipped(files: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return file.getvalue()


FILES = {"0001.png": receipts.PICTURE, "0002.jpg": jpeg(), "0002.noisy.exr": exr(LINES)}


def test_a_zip_is_the_pictures_in_it(tmp_path: Path) -> None:
    paths = {name: written(tmp_path, content, name) for name, content in FILES.items()}
    found = of_file(written(tmp_path, zipped(FILES)))
    assert {"pixels": found} == told_of_several(paths)
    assert found["files"] == 3
    assert found["pictures"]["0001.png"] == receipts.PIXELS
    other = dict(reversed(FILES.items())) | {"0002.jpg": jpeg(comment=b"x")}
    assert hash_of(tmp_path, zipped(other)) == found["sha256"]
    assert hash_of(tmp_path, zipped(FILES | {"0002.jpg": jpeg(8)})) != found["sha256"]
    renamed = {name.replace("1", "3"): content for name, content in FILES.items()}
    assert hash_of(tmp_path, zipped(renamed)) != found["sha256"]


def test_many_are_not_named_one_by_one(tmp_path: Path) -> None:
    found = of_file(written(tmp_path, zipped({f"{n:04}.png": receipts.PICTURE for n in range(65)})))
    assert (found["files"], "pictures" in found) == (65, False)


def test_a_zip_that_holds_something_else_has_no_pixels(tmp_path: Path) -> None:
    for content in (
        zipped(FILES | {"x.txt": b"text"}),
        zipped(FILES, zipfile.ZIP_DEFLATED),
        zipped(FILES)[:-30],
        zipped(FILES)[:40] + zipped(FILES)[60:],  # the first picture would begin before the file
    ):
        assert told(written(tmp_path, content)) == {}
