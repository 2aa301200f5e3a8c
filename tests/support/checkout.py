"""A checkout elsewhere, with an environment of its own, as somebody has it in his home."""

import asyncio
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path

import attrs

from tests.support.gateway_process import ROOT

SECONDS = 560.0


@attrs.frozen
class Checkout:
    """Where the sources are, its Python, and the variables that commands get; None: our own."""

    folder: Path = ROOT
    python: Path = Path(sys.executable)
    variables: Mapping[str, str] | None = None

    async def rendertrust(self, *words: str) -> tuple[int, str]:
        """Exit code and all that was said."""
        return await self.run("rendertrust", *words)

    async def run(self, module: str, *words: str, before: tuple[str, ...] = ()) -> tuple[int, str]:
        """``before``: a command that runs the module's."""
        process = await asyncio.create_subprocess_exec(
            *(*before, str(self.python), "-m", module, *words),
            cwd=self.folder,
            env=self.variables,
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()


def at_home(home: Path) -> Checkout:
    """Sources and environment as `scripts/demo` lays them out, and hardly a variable but a home."""
    checkout = home / "checkout"
    sources = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, sources.stdout.split("\0")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, checkout / name)
    environment = checkout / ".venv" / "demo"
    shutil.copytree(sys.prefix, environment, symlinks=True, copy_function=linked)
    variables = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return Checkout(checkout, environment / "bin" / "python", variables)


def linked(source: str, target: str) -> str:
    """Another name for the same file: an environment is more than a gigabyte."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target
