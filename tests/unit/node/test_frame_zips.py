"""Bundles of strangers: files stay in their folder, names are unique, and sizes are bounded."""

import shutil
import struct
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rendertrust.node.disk_space import is_of_disk
from rendertrust.node.plugins import frame_zips
from rendertrust.node.plugins.frame_zips import ENTRIES_MAX, BundleError, number_of, unpack


def packed(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("0012.png", 12),
        ("shot_0012.PNG", 12),
        ("-0003.exr", -3),
        ("a/b/7.jpg", 7),
        ("frame.png", None),
        ("0012.txt", None),
        ("0012.png.exe", None),
        ("12345678.png", None),
    ],
)
def test_frame_is_told_by_its_name(name: str, number: int | None) -> None:
    assert number_of(name) == number


def test_entry_that_would_lie_elsewhere_lies_in_the_folder(tmp_path: Path) -> None:
    source = packed(tmp_path / "z.zip", ("../../0001.png", b"x"), ("/etc/0002.png", b"y"))
    target = tmp_path / "in"
    target.mkdir()
    written = unpack(source, target)
    assert [path.relative_to(target).as_posix() for path in written] == ["0001.png", "0002.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "z.zip"]


def test_only_numbered_pictures_are_taken(tmp_path: Path) -> None:
    names = ("0001.png", "0001.noisy.exr", "readme.txt", "run.sh")
    source = packed(tmp_path / "z.zip", *((name, b"x") for name in names))
    (tmp_path / "in").mkdir()
    assert [path.name for path in unpack(source, tmp_path / "in")] == ["0001.png"]


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    source = packed(tmp_path / "z.zip", ("a/0001.png", b"x"), ("b/0001.png", b"y"))
    (tmp_path / "in").mkdir()
    with pytest.raises(BundleError, match=r"two files are named 0001\.png"):
        unpack(source, tmp_path / "in")


def test_bomb_is_stopped_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_zips, "BYTES_MAX", 5 << 20)
    source = packed(tmp_path / "z.zip", ("0001.png", bytes(4 << 20)), ("0002.png", bytes(4 << 20)))
    assert source.stat().st_size < 20_000
    (tmp_path / "in").mkdir()
    with pytest.raises(BundleError, match="would unpack"):
        unpack(source, tmp_path / "in")


def crowded(path: Path, entries: int) -> Path:
    """Write a zip of ``entries`` empty files without names."""
    entry = b"PK\x01\x02".ljust(46, b"\0")
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, entries * len(entry), 0, 0)
    path.write_bytes(entry * entries + end)
    return path


def memory_to_refuse(source: Path) -> int:
    """Return the peak memory for refusing a zip with too many entries."""
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="over 100000 files in one zip"):
            unpack(source, source.parent)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_entries_are_counted_before_they_are_read(tmp_path: Path) -> None:
    source = crowded(tmp_path / "z.zip", ENTRIES_MAX + 1)
    assert memory_to_refuse(source) < 4 * source.stat().st_size


def test_a_directory_that_is_said_to_be_huge_is_not_read(tmp_path: Path) -> None:
    source = tmp_path / "z.zip"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 1 << 30, 0, 0)
    with source.open("wb") as file:
        file.seek(1 << 30)  # a hole in the file
        file.write(end)
    assert memory_to_refuse(source) < 4 << 20


def test_what_the_disk_has_no_room_for_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_zips, "DISK_LEFT", shutil.disk_usage(tmp_path).free - (2 << 20))
    source = packed(tmp_path / "z.zip", ("0001.png", bytes(1 << 20)), ("0002.png", bytes(2 << 20)))
    (tmp_path / "in").mkdir()
    with pytest.raises(OSError, match="No space left") as told:
        unpack(source, tmp_path / "in")
    assert is_of_disk(told.value)
    assert list((tmp_path / "in").iterdir()) == []


def test_a_file_that_holds_more_than_it_says_is_cut(tmp_path: Path) -> None:
    source = packed(tmp_path / "z.zip", ("0001.png", bytes(1 << 20)))
    content = bytearray(source.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<L", 10)
    source.write_bytes(content)
    (tmp_path / "in").mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        unpack(source, tmp_path / "in")
    assert sum(path.stat().st_size for path in (tmp_path / "in").iterdir()) <= 10


def test_broken_zip_is_refused(tmp_path: Path) -> None:
    source = packed(tmp_path / "z.zip", ("0001.png", b"x" * 5000))
    source.write_bytes(source.read_bytes()[:-30] + bytes(30))
    (tmp_path / "in").mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        unpack(source, tmp_path / "in")


def test_a_packing_that_nobody_needs_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "z.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("0001.png", b"x")
    (tmp_path / "in").mkdir()
    with pytest.raises(BundleError, match="neither stored nor deflated"):
        unpack(source, tmp_path / "in")


@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 60))
@example(place=3486, value=57, cut=0)  # a member that begins before the file
def test_whatever_becomes_of_its_bytes_nothing_else_is_raised(
    place: int, value: int, cut: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = packed(Path(folder) / "z.zip", ("0001.png", bytes(range(250)) * 4))
        content = bytearray(source.read_bytes())
        content[place % len(content)] = value
        source.write_bytes(content[: len(content) - cut])
        target = Path(folder) / "in"
        target.mkdir()
        try:
            unpack(source, target)
        except BundleError:
            assert len(list(target.iterdir())) <= 1
