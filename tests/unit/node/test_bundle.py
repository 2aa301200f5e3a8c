"""Bundles from elsewhere: nothing leaves its folder, nothing is named twice, sizes are bounded."""

import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rendertrust.node.plugins import bundle
from rendertrust.node.plugins.bundle import BundleError, number_of, unpack


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
    monkeypatch.setattr(bundle, "BYTES_MAX", 5 << 20)
    source = packed(tmp_path / "z.zip", ("0001.png", bytes(4 << 20)), ("0002.png", bytes(4 << 20)))
    assert source.stat().st_size < 20_000
    (tmp_path / "in").mkdir()
    with pytest.raises(BundleError, match="holds over"):
        unpack(source, tmp_path / "in")


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
    with pytest.raises(BundleError, match="neither as stored nor as deflated"):
        unpack(source, tmp_path / "in")


@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 60))
@example(place=3486, value=57, cut=0)  # a member that lies before the beginning
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
