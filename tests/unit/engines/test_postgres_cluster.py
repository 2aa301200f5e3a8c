"""Files and strings of a PostgreSQL cluster, without a server."""

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from supervisors.engines import postgres
from supervisors.engines.errors import OtherMajor
from supervisors.engines.postgres import (
    MAJOR_UPGRADE,
    available_memory,
    check_major,
    dsn,
    postmaster,
    remove_stale_pid_file,
    server_arguments,
    shared_buffers,
    works_in,
)


def test_a_dsn_by_socket_leaves_nothing_to_the_environment() -> None:
    parts = urlsplit(dsn(("/run/a b", 5432), "rendertrust", "p@ss/word", "rendertrust"))
    assert parts.password == "p%40ss%2Fword"
    query = parse_qs(parts.query)
    assert query == {"host": ["/run/a b"], "port": ["5432"], "sslmode": ["disable"]}


def test_a_dsn_by_port() -> None:
    text = dsn(("127.0.0.1", 5433), "a", "b", "c")
    assert text == "postgresql://a:b@127.0.0.1:5433/c?sslmode=disable"


def test_settings_of_ours_are_placed_last(tmp_path: Path) -> None:
    arguments = server_arguments(
        Path("postgres"), tmp_path, ("/run", 1), {"port": "2", "fsync": "off"}
    )
    assert "port=1" in arguments
    assert "port=2" not in arguments
    assert "fsync=off" in arguments


@pytest.mark.parametrize(("gib", "mib"), [(0, 128), (1, 128), (2, 256), (3, 384), (24, 512)])
def test_the_buffers_are_a_part_of_the_memory(gib: int, mib: int) -> None:
    assert shared_buffers(gib << 30) == mib << 20


@pytest.mark.parametrize(("limit", "found"), [("1048576", 1 << 20), ("max", None), (None, None)])
def test_a_container_may_have_less_memory_than_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, found: int | None
) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(postgres, "MEMORY_LIMIT", tmp_path / "memory.max")
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert available_memory() == (machine if found is None else found)


@pytest.mark.parametrize("text", ["", "nonsense\n"])
def test_a_spoilt_pid_file_is_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "postmaster.pid").write_text(text)
    assert postmaster(tmp_path) is None
    remove_stale_pid_file(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_the_pid_file_says_when_the_server_is_ready(tmp_path: Path) -> None:
    assert postmaster(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text("12\n/pg\n1\n5432\n/run\n\n1 2\nready   \n")
    assert postmaster(tmp_path) == (12, "ready")
    (tmp_path / "postmaster.pid").write_text("12\n/pg\n")
    assert postmaster(tmp_path) == (12, "")


def test_a_server_that_works_in_the_cluster_keeps_its_pid_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n")
    assert not works_in(os.getpid(), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert works_in(os.getpid(), tmp_path)
    remove_stale_pid_file(tmp_path)
    assert (tmp_path / "postmaster.pid").exists()


@pytest.mark.parametrize(("theirs", "same"), [("18", True), ("17", False), ("19", False)])
def test_another_major_is_refused(tmp_path: Path, theirs: str, same: bool) -> None:
    (tmp_path / "PG_VERSION").write_text(f"{theirs}\n")
    if same:
        check_major(tmp_path, "18.6.3")
    else:
        with pytest.raises(OtherMajor, match=f"made by PostgreSQL {theirs}.*{MAJOR_UPGRADE}"):
            check_major(tmp_path, "18.6.3")


def test_the_error_names_a_section_of_the_operations_page() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "OPERATIONS.md"
    assert f"\n## {MAJOR_UPGRADE}\n" in page.read_text()
