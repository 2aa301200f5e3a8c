"""Choice of the Blender to use, and its command line."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from rendertrust.node import blender_discovery


def _found(name: str) -> ModuleSpec:
    return ModuleSpec(name, None, origin="/venv/lib/site-packages/bpy/__init__.so")


def _missing(_: str) -> None:
    return None


def test_module_is_preferred_and_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", _found)
    monkeypatch.delitem(sys.modules, "bpy", raising=False)  # another test may have imported it
    found = blender_discovery.find()
    assert found is not None
    assert found.kind == "bpy"
    assert found.program("/worker.py", "{}") == [sys.executable, "-I", "-B", "/worker.py", "{}"]
    assert Path("/venv/lib/site-packages") in found.readable
    assert Path(sys.base_prefix) in found.readable
    assert "bpy" not in sys.modules


def test_binary_serves_where_there_is_no_module(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = tmp_path / "blender-5.2" / "blender"
    real.parent.mkdir()
    real.touch(mode=0o755)
    (tmp_path / "blender").symlink_to(real)
    monkeypatch.setattr("importlib.util.find_spec", _missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = blender_discovery.find()
    assert found is not None
    assert found.readable == (real.parent,)
    program = found.program("/worker.py", "{}")
    assert program[0] == str(real)
    assert {"-b", "--factory-startup", "--disable-autoexec"} < set(program)
    assert program[-4:] == ["--python", "/worker.py", "--", "{}"]


def test_neither_gives_none_and_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", _missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert blender_discovery.find() is None
    assert blender_discovery.no_blender().startswith("no Blender here: ")


@pytest.mark.parametrize(
    ("version", "has_module"),
    [((3, 11, 9), True), ((3, 12, 1), False), ((3, 13, 5), True), ((3, 14, 0), False)],
    ids=["3.11", "3.12", "3.13", "3.14"],
)
def test_the_hint_names_the_module_where_there_is_one_for_this_python(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], *, has_module: bool
) -> None:
    monkeypatch.setattr("sys.version_info", version)
    monkeypatch.setattr("sys.executable", "/home/jane doe/bin/python")
    said = blender_discovery.how_to_get_blender()
    command = "'/home/jane doe/bin/python' -m pip install 'rendertrust[render]'"
    assert (command in said) is has_module
    assert "put a `blender` binary" in said
