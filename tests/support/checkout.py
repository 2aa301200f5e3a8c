"""Copies of this checkout in another folder, with a separate Python environment."""

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
    """Sources, Python interpreter and environment variables for commands.

    ``variables=None`` passes on the variables of the test process.
    """

    folder: Path = ROOT
    python: Path = Path(sys.executable)
    variables: Mapping[str, str] | None = None

    async def rendertrust(self, *words: str) -> tuple[int, str]:
        """Run ``python -m rendertrust`` and return its exit code and output."""
        return await self.run("rendertrust", *words)

    async def run(self, module: str, *words: str, before: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run ``python -m MODULE`` and return exit code and output.

        ``before``: a command that gets this command as its arguments.
        """
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
    """Copy sources and Python environment into ``home``, in the layout that
    `scripts/demo` makes.
    """
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
    """Hard-link the file, as environments exceed a gigabyte; copy it where linking fails."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target
