"""Device classes of machines: machines that render differently have different classes."""

from pathlib import Path

import pytest

from rendertrust.node import machine_facts

OLD = "fpu sse sse2 ssse3 sse4_1 sse4_2"
NEWER = f"{OLD} avx fma bmi1 bmi2 f16c avx2"
NEWEST = f"{NEWER} avx512f avx512dq avx512cd avx512bw avx512vl"


@pytest.fixture(autouse=True)
def intel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.delenv("CYCLES_CPU_NO_AVX2", raising=False)


def processor(folder: Path, flags: str) -> Path:
    """Write a ``/proc/cpuinfo`` with these flags and return its path."""
    file = folder / "cpuinfo"
    file.write_text(f"processor\t: 0\nmodel name\t: some\nflags\t\t: {flags}\nbugs\t\t: avx2\n")
    return file


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [(OLD, "x86_64/sse42"), (NEWER, "x86_64/avx2"), (NEWEST, "x86_64/avx512")],
)
def test_instruction_sets_that_render_otherwise_are_told_apart(
    tmp_path: Path, flags: str, wanted: str
) -> None:
    assert machine_facts.isa(processor(tmp_path, flags)) == wanted
    assert machine_facts.has_two_kernels(processor(tmp_path, flags)) == (flags != OLD)


def test_a_renderer_that_is_kept_from_avx2_is_of_another_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYCLES_CPU_NO_AVX2", "1")
    assert machine_facts.isa(processor(tmp_path, NEWER)) == "x86_64/avx2/CYCLES_CPU_NO_AVX2"
    assert not machine_facts.has_two_kernels(processor(tmp_path, NEWER))


def test_a_system_that_does_not_tell_is_one_class(tmp_path: Path) -> None:
    assert machine_facts.isa(tmp_path / "none") == "x86_64"
    assert not machine_facts.has_two_kernels(tmp_path / "none")


def test_other_machines_have_one_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert machine_facts.isa(processor(tmp_path, NEWER)) == "aarch64"
