"""Program folders as the gateway's script makes them, and tools that make no real environments."""

from collections.abc import Callable
from pathlib import Path

import attrs

from rendertrust.node.program_folder import CONFIGURATION, ProgramFolder


def environment(path: Path, version: str) -> Path:
    """Make what stands for a whole environment; its program is a file with its version."""
    (path / "bin").mkdir(parents=True)
    (path / CONFIGURATION).write_text("")
    (path / "bin" / "rendertrust").write_text(version)
    return path


def program_folder(path: Path, version: str) -> ProgramFolder:
    """Return a folder in which a version is in use."""
    environment(path / "versions" / version, version)
    (path / "venv").symlink_to(f"versions/{version}")
    return ProgramFolder(path)


def in_use(folder: ProgramFolder) -> str:
    """Return the version of the program that a call would start."""
    return folder.program.read_text()


@attrs.define
class QuickTools:
    """Tools whose environments are whole once they are installed.

    ``faults``: what fails, by the tool's name; ``before`` is called with the name before each.
    """

    faults: dict[str, str] = attrs.field(factory=dict[str, str])
    before: Callable[[str], None] = lambda _: None
    installed: list[bytes] = attrs.field(factory=list[bytes])

    async def make(self, environment: Path) -> str | None:
        self.before("make")
        assert not list(environment.iterdir())
        return self.faults.get("make")

    async def install(self, environment: Path, wheel: Path, extra: str) -> str | None:
        self.before("install")
        self.installed.append(wheel.read_bytes())
        (environment / "bin").mkdir()
        self.before("half")
        (environment / "bin" / "rendertrust").write_text(wheel.name.split("-")[1])
        (environment / CONFIGURATION).write_text(extra)
        return self.faults.get("install")

    async def self_test(self, environment: Path, version: str) -> str | None:
        self.before("self_test")
        assert (environment / "bin" / "rendertrust").read_text() == version
        return self.faults.get("self_test")
