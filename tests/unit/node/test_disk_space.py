"""Free space on a node's disk, and failures to write to it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rendertrust.node.disk_space import MIB, DiskSpace, is_of_disk, of_disk


def room(tmp_path: Path, free: Callable[[Path], int]) -> DiskSpace:
    return DiskSpace(tmp_path, tmp_path / "cache", 100 * MIB, free=free)


def test_it_rests_below_the_least_until_half_as_much_again_is_free(tmp_path: Path) -> None:
    left = [0]
    looked = room(tmp_path, lambda _: left[0])
    rests: list[bool] = []
    for left[0] in (MIB * part for part in (150, 100, 99, 100, 149, 150, 100, 99)):
        rests.append(looked.why_not() is not None)
    assert rests == [False, False, True, True, True, False, False, True]
    assert looked.why_not() == ("this machine's disk is nearly full: 99 MiB left, 150 needed")


def test_what_is_cached_goes_first_and_no_more_of_it_than_helps(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "ab"
    folder.mkdir(parents=True)
    for number in range(4):
        file = folder / str(number)
        file.write_bytes(b"")
        os.truncate(file, 60 * MIB)
        os.utime(file, (number, number))

    def free(_: Path) -> int:
        return (330 - 60 * len(list(folder.iterdir()))) * MIB  # 90 MiB with all four files

    assert room(tmp_path, free).why_not() is None
    assert sorted(file.name for file in folder.iterdir()) == ["2", "3"]


def test_a_disk_that_does_not_answer_has_no_room(tmp_path: Path) -> None:
    def gone(_: Path) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    assert "disk fails" in (room(tmp_path, gone).why_not() or "")


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "is full"), (errno.EDQUOT, "is full"), (errno.EIO, "fails")]
)
def test_a_disks_failure_is_the_nodes(number: int, said: str) -> None:
    fault = OSError(number, os.strerror(number))
    assert is_of_disk(fault)
    assert of_disk(fault).failure == "node"
    assert said in of_disk(fault).error
    assert not is_of_disk(ConnectionResetError())
