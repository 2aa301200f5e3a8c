"""Environments with one version of Blender each: the Python that it needs, and pip.

pip installs only wheels whose hashes the list of renderers names, and runs no code of theirs. What
is installed runs only in the sandbox.
"""

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import attrs
import orjson

from rendertrust.node.blender_discovery import Renderer, in_environment
from rendertrust.node.child_process import fault_of, run_program
from rendertrust.node.rmtree import clear
from rendertrust.renderer_list import RendererRelease

MAKE_SECONDS_MAX: Final = 300.0
INSTALL_SECONDS_MAX: Final = 2700.0  # less than the time after which a unit counts as stuck
ASK_SECONDS_MAX: Final = 20.0
REQUIREMENTS: Final = "requirements.txt"
NO_PIP: Final = "this program's Python has no pip"
# Written by people who install Pythons by hand; the first that fits is taken.
PLACES: Final = (
    "/usr/local/bin/python{}",
    "/opt/python{}/bin/python{}",
    "~/.pyenv/versions/{}.*/bin/python{}",
    "~/.local/share/uv/python/cpython-{}.*/bin/python{}",
)
_ASK: Final = (
    "import json, sys; print(json.dumps({'name': sys.implementation.name, 'version': "
    "'%d.%d' % sys.version_info[:2], 'executable': sys.executable, 'base': sys.base_prefix}))"
)


@attrs.frozen
class Python:
    """A CPython on this machine: its program, and the folder of its installation."""

    executable: Path
    base: Path


class RendererTools(Protocol):
    """Port to this machine's Pythons and to pip, for the store of renderers."""

    async def python(self, version: str) -> Python | None:
        """Return a CPython of this version, like ``3.11``; None if this machine lacks it."""
        ...

    async def install(self, release: RendererRelease, python: Python, folder: Path) -> str | None:
        """Install a renderer into an empty folder; return why that failed, or None."""
        ...


@attrs.frozen
class PipTools:
    """Environments made by ``venv`` and filled by pip, from the index that is set for pip."""

    async def python(self, version: str) -> Python | None:
        """Return this program's Python, or one on PATH or in a usual place."""
        for place in candidates(version):
            if (found := await asked(place, version)) is not None:
                return found
        return None

    async def install(self, release: RendererRelease, python: Python, folder: Path) -> str | None:
        """Make an environment and let this program's pip fill it, by hashes alone."""
        if importlib.util.find_spec("pip") is None:
            return NO_PIP
        command = [str(python.executable), "-m", "venv", "--without-pip", str(folder)]
        if (fault := fault_of(await run_program(command, MAKE_SECONDS_MAX))) is not None:
            return f"no environment could be made: {fault}"
        wanted = folder / REQUIREMENTS
        wanted.write_text("".join(f"{wheel.requirement}\n" for wheel in release.wheels))
        pip = (sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install")
        quiet = ("--disable-pip-version-check", "--no-input", "--quiet")
        only = ("--require-hashes", "--no-deps", "--only-binary=:all:", "-r", str(wanted))
        ended = await run_program([*pip, *quiet, *only], INSTALL_SECONDS_MAX)
        fault = fault_of(ended)
        return None if fault is None else f"pip could not install it: {fault}"


def candidates(version: str) -> Sequence[Path]:
    """Return the programs that may be a Python of this version, without duplicates."""
    own = [sys.executable] if version == "{}.{}".format(*sys.version_info[:2]) else []
    named = shutil.which(f"python{version}")
    found = [Path(path) for path in (*own, *([named] if named else []))]
    for place in PLACES:
        path = Path(place.replace("{}", version)).expanduser()
        found += sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))), reverse=True)
    return list(dict.fromkeys(found))


async def asked(place: Path, version: str) -> Python | None:
    """Return the Python at this place; None if it is no CPython of this version."""
    command = [str(place), "-I", "-c", _ASK]
    ended = await run_program(command, ASK_SECONDS_MAX)
    told = ended.last
    if ended.code != 0 or (told.get("name"), told.get("version")) != ("cpython", version):
        return None
    return Python(Path(str(told["executable"])), Path(str(told["base"])))


def new_environment(store: Path, prefix: str) -> Path:
    """Return a new, empty folder; its name is its own, as pip may survive a killed agent."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=store))
    folder.chmod(0o755)  # Blender in the sandbox may have another user id
    return folder


def renderer_in(folder: Path) -> Renderer | None:
    """Return the Blender of an installed environment; None if the environment is damaged."""
    try:
        base = Path(str(orjson.loads((folder / "python.json").read_bytes())["base"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return in_environment(folder, base)


def write_base(folder: Path, python: Python) -> None:
    """Note in an environment where its Python is installed."""
    (folder / "python.json").write_bytes(orjson.dumps({"base": str(python.base)}))


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(each.lstat().st_size for each in folder.rglob("*") if not each.is_dir())


def remove(folder: Path) -> None:
    """Remove an environment: first its name, so that no half of one is taken for a whole."""
    gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=folder.parent)) / folder.name
    folder.rename(gone)
    clear(gone.parent)
