"""Environments made by ``venv``, filled by pip, and tested by the program in them."""

import asyncio
import sys
from collections.abc import Sequence
from importlib.metadata import Distribution, entry_points
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from rendertrust.node.child_process import WORDS_MAX, fault_of, run_program
from rendertrust.node.plugins import GROUP

MAKE_SECONDS_MAX: Final = 300.0
INSTALL_SECONDS_MAX: Final = 3600.0  # Blender as a Python module has hundreds of megabytes
TEST_SECONDS_MAX: Final = 900.0


@attrs.frozen
class VenvTools:
    """Environments of this machine. ``state``: the node's state folder.

    ``kinds``: the kinds of work that a program must be able to do to pass its self-test.
    """

    state: Path
    kinds: Sequence[str] = ()

    async def make(self, environment: Path) -> str | None:
        """Make an environment by this program's Python."""
        command = [sys.executable, "-m", "venv", "--clear", str(environment)]
        return fault_of(await run_program(command, MAKE_SECONDS_MAX))

    async def install(self, environment: Path, wheel: Path, extra: str) -> str | None:
        """Install a wheel; everything else comes from the index that is set for pip."""
        quiet = ("--disable-pip-version-check", "--no-input", "--quiet")
        wanted = (f"rendertrust{extra} @ {wheel.as_uri()}", *await asyncio.to_thread(plugins_here))
        command = [str(environment / "bin" / "python"), "-m", "pip", "install", *quiet, *wanted]
        return fault_of(await run_program(command, INSTALL_SECONDS_MAX))

    async def self_test(self, environment: Path, version: str) -> str | None:
        """Let the environment's program test itself on the node's state folder."""
        kinds = [word for kind in self.kinds for word in ("--kind", kind)]
        own = (str(environment / "bin" / "rendertrust"), "--json", "node", "self-test")
        ended = await run_program([*own, "--state", str(self.state), *kinds], TEST_SECONDS_MAX)
        error: Any = ended.last.get("error")
        if isinstance(error, dict):
            return str(error.get("detail", ""))[:WORDS_MAX]
        if (fault := fault_of(ended)) is not None:
            return fault
        said = str(ended.last.get("version"))[:WORDS_MAX]
        return None if said == version else f"the program says that it is version {said}"


def plugins_here() -> list[str]:
    """Return the packages with plugins that others wrote, for pip to install them again."""
    found = {entry.dist.name: entry.dist for entry in entry_points(group=GROUP) if entry.dist}
    return [_requirement(found[name]) for name in sorted(found)]


def _requirement(package: Distribution) -> str:
    """Return the package's version, or the place from which it was installed (PEP 610)."""
    try:
        told = orjson.loads(package.read_text("direct_url.json") or "{}")
    except orjson.JSONDecodeError:
        told = {}
    if not (place := told.get("url")):
        return f"{package.name}=={package.version}"
    if (kept := told.get("vcs_info")) is not None:
        place = f"{kept['vcs']}+{place}@{kept['commit_id']}"
    below = told.get("subdirectory")
    return f"{package.name} @ {place}" + (f"#subdirectory={below}" if below else "")
