"""Data folders of test runs: abandoned folders are removed, folders of live runs stay."""

import os
from pathlib import Path

from tests.support.engines import LOCK, engine_folder


def test_the_folder_of_a_run_that_was_killed_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = os.fork()
    if not killed:
        with engine_folder(str(tmp_path)) as folder:
            (folder / "data").write_text("much")
            os._exit(0)
    os.waitpid(killed, 0)
    [left] = tmp_path.iterdir()
    with engine_folder(str(tmp_path)) as folder:
        assert [*tmp_path.iterdir()] == [folder]
        assert folder != left
    assert not [*tmp_path.iterdir()]


def test_the_folder_of_a_live_run_stays(tmp_path: Path) -> None:
    with engine_folder(str(tmp_path)) as one, engine_folder(str(tmp_path)) as other:
        assert {*tmp_path.iterdir()} == {one, other}
        assert (one / LOCK).exists()
