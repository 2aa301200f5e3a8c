"""What the demo needs of the place where its checkout is, and what it leaves there: nothing."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.gateway import ROOT
from tests.engines import engine_folder

pytestmark = pytest.mark.render
DEMO_SECONDS = 280.0


def copied_checkout(home: Path) -> tuple[Path, Path]:
    """Sources and environment as `scripts/demo` lays them out; the checkout and its Python."""
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
    return checkout, environment / "bin" / "python"


def linked(source: str, target: str) -> str:
    """Another name for the same file: an environment is more than a gigabyte."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that nobody but its owner can enter."""
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        yield Path(folder)


async def run(python: Path, checkout: Path, home: Path, *words: str) -> tuple[int, str]:
    """A command of that checkout."""
    return await called([str(python), "-m", "rendertrust", *words], checkout, home)


async def called(command: list[str], folder: Path, home: Path) -> tuple[int, str]:
    """Exit code and all that was said, in an environment with hardly more than a home."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with asyncio.timeout(DEMO_SECONDS):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_checkout_in_a_home_that_is_closed_to_others(home: Path) -> None:
    checkout, python = copied_checkout(home)
    with engine_folder() as base:
        words = ("demo", "--exit", "--data", str(base / "data"))
        code, said = await run(python, checkout, home, *words)
        assert code == 0, said
        assert list((base / "data" / "out").glob("*.png"))
    # What the engines' account cannot enter is named, with what to do; its owner's engines can.
    if os.geteuid() == 0:
        code, said = await run(python, checkout, home, "serve", "--data", str(home / "data"))
        assert code == 1, said
        assert said.splitlines()[-1].startswith(f"rendertrust: {home} is closed to the user ")
        assert f"chmod o+x {home}" in said


async def test_a_demo_changes_nothing_outside_its_data_folder(home: Path) -> None:
    """But for Python's own byte code beside the sources."""
    program = [sys.executable, "-m", "tests.acceptance.footprint"]
    code, said = await called([*undisturbed(), *program], ROOT, home)
    assert code == 0, said
    assert json.loads(said.splitlines()[-1]) == {"came": [], "went": [], "changed": []}


def undisturbed() -> list[str]:
    """A view of the file systems in which the program finds folders that nobody else uses."""
    return ["unshare", "--mount", "--propagation", "private"] if os.geteuid() == 0 else []
