"""Builds of the gateway with a deliberate mistake, which the checks must find."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Final

from tests.kills.run import Round
from tests.support.engines import engine_folder
from tests.support.gateway_process import ROOT, ForkedGateway, Gateway, started

PATCHES: Final = Path(__file__).parent / "mistakes"
MISTAKES: Final = tuple(sorted(path.stem for path in PATCHES.glob("*.patch")))
ROOMS: Final = ("rendertrust", "config", "sql", "actors", "supervisors", "web")


def fault_prefixes(mistake: str) -> tuple[str, ...]:
    """Return how the mistake's faults begin: the first words of the patch file."""
    return tuple((PATCHES / f"{mistake}.patch").read_text().partition(":")[0].split(" or "))


def is_found_by(mistake: str, each: Round) -> bool:
    """Return whether a round has found the mistake."""
    return any(fault.startswith(fault_prefixes(mistake)) for fault in each.faults)


@contextlib.asynccontextmanager
async def gateway_with(mistake: str | None, **settings: str) -> AsyncGenerator[Gateway]:
    """Start a gateway with the mistake, or without a mistake."""
    with build_with(mistake) as root, engine_folder() as base:
        # a fork would have the code of this checkout
        kind = ForkedGateway if mistake is None else Gateway
        gateway = kind(base / "data", **settings)
        gateway.root = root
        async with started(gateway):
            yield gateway


@contextlib.contextmanager
def build_with(mistake: str | None) -> Generator[Path]:
    """Yield a folder with the patched code; without a mistake it is this checkout."""
    if mistake is None:
        yield ROOT
        return
    with tempfile.TemporaryDirectory(prefix="mistake-") as folder:
        copy = Path(folder) / "copy"
        for room in ROOMS:
            shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
        apply(PATCHES / f"{mistake}.patch", copy)
        # The tether runs as the engines' account, which must be able to read the code.
        Path(folder).chmod(0o755)
        yield copy


def apply(patch: Path, copy: Path) -> None:
    applied = subprocess.run(
        ["git", "apply", "--recount", str(patch)],
        cwd=copy,
        # Keeps git from treating the copy as part of a repository around it and doing nothing.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert applied.returncode == 0, f"{patch.name} no longer applies: {applied.stderr.strip()}"
