"""Compiled shaders and kernels: given to new home folders, and kept for a job's next process."""

import os
from pathlib import Path

import attrs
import pytest

from rendertrust.node import driver_cache
from rendertrust.node.driver_cache import KERNELS, SHADERS, JobCaches, give, keep, turn

MESA = ".cache/mesa_shader_cache_db"


def home(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """Return a home folder with these files."""
    folder.mkdir(parents=True)
    for name, content in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_only_shaders_are_kept_and_given(tmp_path: Path) -> None:
    shaders = {f"{MESA}/index": b"i", f"{MESA}/part0/mesa_cache.db": b"code"}
    others = {".config/blender/x": b"c", ".cache/fonts": b"f", f"{MESA}/a/b/c": b"deep"}
    keep(home(tmp_path / "used", shaders | others), tmp_path / "kept" / "one", 3, SHADERS)
    fresh = home(tmp_path / "fresh")
    give(tmp_path / "kept" / "one", fresh, SHADERS)
    assert content(fresh) == shaders


def test_a_card_keeps_the_kernels_of_each_backend_and_no_shaders(tmp_path: Path) -> None:
    kernels = {
        f".cache/{path}": b"k"
        for path in (
            *("kernels-cuda/index", "kernels-cuda/3/f/8a", "kernels-optix/optix7cache.db"),
            *("cycles/kernels/cycles_gfx1101", "kernels-comgr/llvmcache-1"),
            *("kernels-sycl/1/2/3/4/0.bin", "neo_compiler_cache/1.l0_cache"),
        )
    }
    used = home(tmp_path / "used", kernels | {f"{MESA}/index": b"i", ".cache/fonts/f": b"f"})
    keep(used, tmp_path / "kept" / "one", 3, KERNELS)
    fresh = home(tmp_path / "fresh")
    give(tmp_path / "kept" / "one", fresh, KERNELS)
    assert content(fresh) == kernels


def test_nothing_is_given_to_a_home_folder_that_was_used(tmp_path: Path) -> None:
    keep(home(tmp_path / "used", {f"{MESA}/index": b"i"}), tmp_path / "kept", 3, SHADERS)
    outside = home(tmp_path / "outside")
    hostile = home(tmp_path / "hostile")
    (hostile / ".cache").symlink_to(outside)
    give(tmp_path / "kept", hostile, SHADERS)
    assert content(outside) == {}


@pytest.mark.parametrize("place", [".cache", MESA, f"{MESA}/part0", f"{MESA}/index"], ids=str)
def test_no_link_leads_to_files_outside(tmp_path: Path, place: str) -> None:
    secret = home(tmp_path / "secret", {"index": b"s", "mesa_shader_cache_db/index": b"s"})
    hostile = home(tmp_path / "hostile")
    link = hostile / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(secret / "index" if place.endswith("index") else secret)
    keep(hostile, tmp_path / "kept" / "one", 3, SHADERS)
    assert content(tmp_path / "kept") == {}


def test_a_pipe_does_not_stop_the_node(tmp_path: Path) -> None:
    hostile = home(tmp_path / "hostile", {f"{MESA}/index": b"i"})
    os.mkfifo(hostile / MESA / "pipe")
    keep(hostile, tmp_path / "kept" / "one", 3, SHADERS)
    assert content(tmp_path / "kept" / "one") == {f"{MESA}/index": b"i"}


@pytest.mark.parametrize(("files", "size"), [(20, 1), (1, 200)], ids=["files", "bytes"])
def test_too_many_shaders_are_forgotten(tmp_path: Path, files: int, size: int) -> None:
    bounded = attrs.evolve(SHADERS, files_max=10, bytes_max=100)
    jobs = JobCaches(tmp_path / "jobs")
    jobs.keep("a", home(tmp_path / "first", {f"{MESA}/index": b"i"}), bounded)
    many = {f"{MESA}/{number}": b"x" * size for number in range(files)}
    jobs.keep("a", home(tmp_path / "many", many), bounded)
    assert content(tmp_path / "jobs") == {}


def test_a_job_gets_its_own_shaders_only(tmp_path: Path) -> None:
    jobs = JobCaches(tmp_path / "jobs")
    jobs.keep("a", home(tmp_path / "first", {f"{MESA}/index": b"a"}), SHADERS)
    mine, others = home(tmp_path / "second"), home(tmp_path / "other")
    jobs.give("a", mine, SHADERS)
    jobs.give("b", others, SHADERS)
    assert (content(mine), content(others)) == ({f"{MESA}/index": b"a"}, {})


def test_the_job_that_was_unused_for_longest_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_cache, "JOBS_MAX", 2)
    jobs = JobCaches(tmp_path / "jobs")
    for at, job in enumerate(("a", "b")):
        jobs.keep(job, home(tmp_path / f"home-{job}", {f"{MESA}/index": job.encode()}), SHADERS)
        (stored,) = (path for path in jobs.folder.iterdir() if path.stat().st_mtime > 10)
        os.utime(stored, (at, at))
    jobs.give("a", home(tmp_path / "again"), SHADERS)
    jobs.keep("c", home(tmp_path / "home-c", {f"{MESA}/index": b"c"}), SHADERS)
    kept = {next(iter(content(path).values())) for path in jobs.folder.iterdir()}
    assert kept == {b"a", b"c"}


def test_one_node_of_a_user_compiles_at_a_time(tmp_path: Path) -> None:
    with turn(tmp_path / "shaders" / "one") as is_ours, turn(tmp_path / "shaders" / "two") as again:
        assert (is_ours, again) == (True, False)
    with turn(tmp_path / "shaders" / "two") as is_ours:
        assert is_ours
    keep(home(tmp_path / "used", {f"{MESA}/index": b"i"}), tmp_path / "shaders" / "two", 1, SHADERS)
    assert (tmp_path / "shaders" / ".lock").exists()
