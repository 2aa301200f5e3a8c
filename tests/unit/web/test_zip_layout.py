"""Zips with a known layout, read by Python's reader; large zips are checked by their numbers."""

import contextlib
import io
import struct
import zipfile
import zlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.objects.archives import Archive
from web.objects.zip_layout import NotABundle, ZipLayout, ZipMember, laid_out, members_of

CONTENTS = st.lists(st.binary(max_size=300), min_size=1, max_size=8)


def written(contents: list[bytes]) -> tuple[ZipLayout, bytes]:
    members = [ZipMember(f"{n:04}.png", "k", 0, len(content)) for n, content in enumerate(contents)]
    layout = laid_out(members)
    crcs = {number: zlib.crc32(content) for number, content in enumerate(contents)}
    parts = [layout.head(number, crcs[number]) + each for number, each in enumerate(contents)]
    return layout, b"".join(parts) + layout.ending(crcs)


@given(CONTENTS)
def test_it_is_a_zip_as_long_as_it_was_said(contents: list[bytes]) -> None:
    layout, content = written(contents)
    assert len(content) == layout.size
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        assert [file.read(name) for name in file.namelist()] == contents


@given(CONTENTS)
def test_a_zip_of_a_node_is_taken_apart_by_its_end_alone(contents: list[bytes]) -> None:
    bundle = node_zip(contents)
    found = members_of(bundle[-2000:], len(bundle), "key")
    assert [bundle[each.start : each.start + each.size] for each in found] == contents
    assert [each.crc for each in found] == [zlib.crc32(content) for content in contents]


def node_zip(contents: list[bytes], packed: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packed) as file:
        for number, content in enumerate(contents):
            entry = zipfile.ZipInfo(f"{number:04}.png", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = packed
            entry.file_size = len(content)
            with file.open(entry, "w") as part:
                part.write(content)
    return target.getvalue()


def with_directory_reversed(bundle: bytes) -> bytes:
    """Return the zip of two files with the entries of its directory in the other order."""
    first = bundle.index(b"PK\1\2")
    second, end = bundle.index(b"PK\1\2", first + 1), bundle.index(b"PK\5\6")
    return bundle[:first] + bundle[second:end] + bundle[first:second] + bundle[end:]


def test_large_files_and_far_offsets_are_told_in_64_bits() -> None:
    large = [ZipMember("0001.exr", "a", 0, 5 << 30), ZipMember("0002.exr", "b", 0, 7)]
    layout = laid_out(large)
    end = layout.ending({0: 1, 1: 2})
    assert layout.size == layout.directory + len(end)
    assert layout.offsets[1] > 5 << 30
    assert struct.pack("<QQ", 5 << 30, 5 << 30) in layout.head(0, 1)
    assert struct.pack("<Q", layout.offsets[1]) in end
    assert b"PK\x06\x06" in end
    assert b"PK\x06\x07" in end
    assert end.endswith(b"\xff" * 12 + b"\0\0")


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"PK\x05\x06" + bytes(18),
        node_zip([b"x" * 100], zipfile.ZIP_DEFLATED),
        node_zip([b"x"])[:-1] + b"\1",
        b"before" + node_zip([b"x"]),
        node_zip([b"x"] * 129),
        with_directory_reversed(node_zip([b"one", b"two"])),
    ],
)
def test_what_our_nodes_would_not_write_is_refused(hostile: bytes) -> None:
    with pytest.raises(NotABundle):
        members_of(hostile, len(hostile), "key")


@given(st.binary(max_size=400))
def test_whatever_bytes_come_nothing_else_is_raised(hostile: bytes) -> None:
    mangled = node_zip([b"one", b"two"])
    for content in (hostile, mangled[:40] + hostile, mangled[:-30] + hostile + mangled[-22:]):
        with contextlib.suppress(NotABundle):
            members_of(content, len(content), "key")


def test_the_layout_of_a_job_at_work_is_made_again_after_a_while() -> None:
    user, at = UUID(int=1), datetime(2026, 3, 13, tzinfo=UTC)
    older, newer = ((user, "film", "RUNNING", done, at) for done in (2, 3))
    archive = Archive("film", laid_out([]), 0, "tag", older, 100.0)
    assert archive.is_of(newer, 109.0)
    assert not archive.is_of(newer, 111.0)
    assert archive.is_of(older, 111.0), "nothing was completed"
    assert not archive.is_of((user, "other", "RUNNING", 2, at), 101.0), "it was renamed"
    assert not archive.is_of((user, "film", "COMPLETED", 3, at), 101.0), "it is whole"
