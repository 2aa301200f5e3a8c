"""Discovery of Blender: the module ``bpy``, or a ``blender`` binary."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from rendertrust.program_version import extra_command

PYTHONS_OF_THE_MODULE: Final = ((3, 13), (3, 11))
ON_THE_PATH: Final = "put a `blender` binary (https://www.blender.org/download/) on PATH"


@attrs.frozen(kw_only=True)
class Renderer:
    """A program that runs the worker. The command line is ``before``, worker, ``after``, order.

    ``readable``: the folders that the program must be able to read.
    """

    kind: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    readable: tuple[Path, ...]

    def program(self, worker: str, order: str) -> list[str]:
        """Return the command line that runs ``order`` (JSON)."""
        return [*self.before, worker, *self.after, order]


def how_to_get_blender() -> str:
    """Return what to do so that this program finds a Blender."""
    if sys.version_info[:2] not in PYTHONS_OF_THE_MODULE:
        return ON_THE_PATH
    return f"run `{extra_command('render')}`, or {ON_THE_PATH}"


def no_blender() -> str:
    """Return the sentence that there is no Blender, and what to do."""
    return f"no Blender here: {how_to_get_blender()}"


def find() -> Renderer | None:
    """Find Blender without loading it into this process."""
    module = importlib.util.find_spec("bpy")
    if module is not None and module.origin is not None:
        return _module(Path(module.origin).parent)
    binary = shutil.which("blender")
    return None if binary is None else binary_at(Path(binary))


def in_environment(folder: Path, base: Path) -> Renderer:
    """Return the module of an environment whose Python is installed in ``base``."""
    python = folder / "bin" / "python"
    readable = (folder, base, base.resolve(), *_targets(python))
    return Renderer(kind="bpy", before=(str(python), "-I", "-B"), after=(), readable=readable)


def _module(package: Path) -> Renderer:
    # -I ignores the environment and the user's site-packages.
    return Renderer(
        kind="bpy",
        before=(sys.executable, "-I", "-B"),
        after=(),
        readable=(*interpreter(), package.parent, package.resolve().parent),
    )


def binary_at(binary: Path) -> Renderer:
    """Return the ``blender`` binary at a path."""
    flags = ("-b", "--factory-startup", "--disable-autoexec", "-noaudio", "--python-exit-code", "1")
    real = binary.resolve()
    return Renderer(
        kind="blender",
        before=(str(real), *flags, "--python"),
        after=("--",),
        readable=(real.parent,),
    )


def interpreter() -> Iterator[Path]:
    """Yield the folders of this interpreter: environment, base, and targets of symbolic links."""
    yield from (Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_prefix).resolve())
    yield from _targets(Path(sys.executable))


def _targets(executable: Path) -> Iterator[Path]:
    """Yield the folders of the Pythons to which a program's chain of links leads."""
    while executable.is_symlink():
        executable = executable.parent / executable.readlink()
        yield executable.parent.parent
