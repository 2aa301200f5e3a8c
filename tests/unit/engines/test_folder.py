"""An engine's account, folder, lock, secrets, ports and programs, before it starts."""

import os
import socket
from pathlib import Path

import pytest

from supervisors.engines.current_endpoint import CurrentEndpoint, NotStarted
from supervisors.engines.engine_account import EngineAccount, check_way
from supervisors.engines.engine_folder import EngineFolder
from supervisors.engines.engine_programs import EnginePrograms
from supervisors.engines.errors import EngineError, FolderBusy, FolderClosed
from supervisors.engines.free_ports import fits_unix_socket, free_ports, is_free, keep_ports
from supervisors.engines.secret import keep_secret, write_private

SOMEBODY = EngineAccount("somebody", 54_321, 54_321)


def make(path: Path, mode: int) -> Path:
    path.mkdir(mode=0o700, parents=True)
    path.chmod(mode)
    return path


def test_the_outermost_closed_folder_is_named(tmp_path: Path) -> None:
    outer = make(tmp_path / "outer", 0o700)
    make(outer / "inner", 0o700)
    tmp_path.chmod(0o711)
    closed = SOMEBODY.closed_folder(outer / "inner" / "data")
    assert closed is not None
    assert closed in (outer, *outer.parents)
    with pytest.raises(FolderClosed, match=f"{closed} is closed to the user somebody"):
        check_way(outer / "inner" / "data", SOMEBODY)


def test_a_closed_folder_behind_a_link_is_seen(tmp_path: Path) -> None:
    make(tmp_path / "closed", 0o700)
    make(tmp_path / "closed" / "data", 0o711)
    (tmp_path / "link").symlink_to(tmp_path / "closed" / "data")
    me = EngineAccount("me", tmp_path.stat().st_uid + 1, 54_321)
    folders = [tmp_path, *tmp_path.parents]
    closed = me.closed_folder(tmp_path / "link" / "x")
    assert closed == tmp_path / "closed" or closed in folders


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "allowed"),
    [
        (0o100, 0, 1, True),
        (0o011, 0, 1, False),
        (0o010, 1, 0, True),
        (0o101, 1, 0, False),
        (0o001, 1, 1, True),
        (0o110, 1, 1, False),
    ],
)
def test_the_class_of_user_that_counts(
    tmp_path: Path, mode: int, uid: int, gid: int, allowed: bool
) -> None:
    """``uid`` and ``gid`` are added to the ids of the folder's owner and group, so 1 gives another
    account.
    """
    folder = make(tmp_path / "folder", mode)
    status = folder.stat()
    account = EngineAccount("a", status.st_uid + uid, status.st_gid + gid)
    assert account.can_enter(folder) is allowed


def test_nobody_needs_leave_when_engines_run_as_ourselves(tmp_path: Path) -> None:
    check_way(make(tmp_path / "closed", 0o700) / "data", None)


async def test_a_folder_in_use_is_told_with_its_process(tmp_path: Path) -> None:
    folder = EngineFolder(tmp_path, "dummy", None)
    folder.make()
    lock = await folder.lock(within=60.0)
    with pytest.raises(FolderBusy, match=f"process {os.getpid()}"):
        await folder.lock(within=0.1)
    os.close(lock)
    os.close(await folder.lock(within=60.0))


def test_a_secret_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    first = keep_secret(tmp_path / "secret")
    assert len(first) == 32
    assert keep_secret(tmp_path / "secret") == first
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert keep_secret(tmp_path / "other") != first


def test_what_a_kill_left_of_a_secret_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    (tmp_path / "secret.new").write_text("half")
    assert len(keep_secret(tmp_path / "secret")) == 32


def test_a_private_file_does_not_follow_a_planted_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "secret.new").symlink_to(victim)
    write_private(tmp_path / "secret", "text")
    assert victim.read_text() == "untouched"


def test_ports_are_kept_while_they_are_free(tmp_path: Path) -> None:
    first = keep_ports(tmp_path / "ports", ("a", "b"))
    assert len(set(first.values())) == 2
    assert keep_ports(tmp_path / "ports", ("a", "b")) == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["a"]))
        taken.listen()
        assert not is_free(first["a"])
        second = keep_ports(tmp_path / "ports", ("a", "b"))
    assert second["a"] != first["a"]
    assert second["b"] == first["b"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "x"}'])
def test_a_spoilt_file_of_ports_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports").write_text(text)
    assert keep_ports(tmp_path / "ports", ("a",))["a"] > 0


def test_ports_are_none_that_a_connection_may_be_given_meanwhile() -> None:
    assert all(16_384 <= port < 32_768 for port in free_ports(20))


def test_only_usable_ports_are_chosen() -> None:
    assert all(port % 3 == 0 for port in free_ports(5, lambda port: port % 3 == 0))
    with pytest.raises(EngineError, match="no 1 free ports"):
        free_ports(1, lambda _port: False)


def test_a_path_of_107_bytes_fits_a_socket() -> None:
    assert fits_unix_socket(Path("/" + "x" * 106))
    assert not fits_unix_socket(Path("/" + "x" * 107))
    assert not fits_unix_socket(Path("/" + "ü" * 54))


def test_programs_out_of_reach_are_copied_whole_and_open(tmp_path: Path) -> None:
    root = make(tmp_path / "closed", 0o700)
    make(root / "parts" / "bin", 0o700)
    (root / "parts" / "bin" / "program").write_text("#!/bin/sh\n")
    (root / "parts" / "bin" / "program").chmod(0o700)
    (root / "parts" / "library").write_text("x")
    (root / "parts" / "library").chmod(0o600)
    programs = EnginePrograms("pytest", root, ("parts",), "parts/bin/program")
    assert programs.within_reach(None, tmp_path / "data") == root
    kept = programs.within_reach(SOMEBODY, tmp_path / "data")
    assert kept.name == f"pytest-{pytest.__version__}"
    modes = [path.stat().st_mode & 0o777 for path in (kept, *sorted(kept.rglob("*")))]
    assert modes == [0o755, 0o755, 0o755, 0o755, 0o644]
    assert programs.within_reach(SOMEBODY, tmp_path / "data") == kept
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_an_endpoint_is_there_after_the_first_start() -> None:
    current: CurrentEndpoint[str] = CurrentEndpoint()
    with pytest.raises(NotStarted):
        current.get()
    current.set("here")
    assert current.get() == "here"
