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
    assert "pip install" in blender_discovery.HOW_TO_GET_BLENDER
