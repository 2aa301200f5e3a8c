"""Create a Python environment from a lock file, once: ``environment.py SET`` prints its folder.

SET is ``demo`` (the gateway and Blender), ``dev`` (also the tools for checks and tests), ``site``
(the gateway and what builds the documentation), ``bench`` (the programs that benchmarks compare
with), ``release`` (the tools that make and check a release), or ``blender-4.2`` or ``blender-4.5``
(only a Blender, on CPython 3.11, for tests of its extension). Only the standard library is used,
because this runs before anything is installed.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOCKS = CHECKOUT / "scripts" / "locks"
PROJECT = CHECKOUT / "pyproject.toml"
BLENDERS = ("blender-4.2", "blender-4.5")
LOCK_OF = {
    "demo": "render",
    "dev": "dev",
    "site": "site",
    "bench": "bench",
    "release": "release",
    **{name: name for name in BLENDERS},
}
DOWNLOAD_MB = {
    "demo": 520,
    "dev": 640,
    "site": 170,
    "bench": 30,
    "release": 40,
    **dict.fromkeys(BLENDERS, 400),
}
PIP_WITH_GROUPS = "pip>=25.1"
LOCKED_VERSIONS = ("3.13", "3.11")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def folder_of(name: str) -> Path:
    """Return the environment's folder: in the checkout, or in the user's cache if the checkout is
    read-only.
    """
    version = ".".join(platform.python_version_tuple()[:2])
    home = CHECKOUT / ".venv"
    if not os.access(CHECKOUT, os.W_OK):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        checkout = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
        home = cache / "rendertrust" / checkout
    return home / f"{name}-{version}"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock the environment during the block; a second process waits."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def requirements(name: str) -> list[str]:
    """Return pip's arguments: the locked set with hashes, or ranges on a Python without a lock."""
    version = ".".join(platform.python_version_tuple()[:2])
    if name in BLENDERS and version != "3.11":
        raise SystemExit(f"{name} needs CPython 3.11; this is {version}")
    if version in LOCKED_VERSIONS:
        return ["--require-hashes", "-r", str(LOCKS / f"{LOCK_OF[name]}-{version}.txt")]
    say(f"Python {version} has no lock file (3.13 and 3.11 have): versions are resolved now.")
    group = "gateway" if name in ("demo", "site") else name
    builders = ["-r", str(LOCKS / "site.in")] if name == "site" else []
    own = f"rendertrust @ file://{CHECKOUT}"
    return ["setuptools", own, "--group", f"{PROJECT}:{group}", *builders]


def stamp_of(wanted: list[str]) -> str:
    """Return a hash that changes whenever the environment must be rebuilt."""
    digest = hashlib.sha256(f"{sys.version}{CHECKOUT}".encode())
    for word in wanted:
        path = Path(word)
        digest.update(path.read_bytes() if path.is_file() else word.encode())
    declared = tomllib.loads(PROJECT.read_text("utf-8"))
    packaging = [declared[table] for table in ("build-system", "project", "dependency-groups")]
    digest.update(json.dumps(packaging).encode())
    return digest.hexdigest()


def pip(python: Path, *words: str) -> None:
    """Run pip; on a terminal, show the current package on one line."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        collected = 0
        for line in process.stdout:
            if line.startswith("Collecting ") and sys.stderr.isatty():
                collected += 1
                name = line.split()[1].partition("==")[0]
                print(f"\r\x1b[K  package {collected}: {name}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if process.returncode:
        raise SystemExit(f"Installing failed; run the same command again.\n  {' '.join(command)}")


def make(name: str, folder: Path) -> None:
    wanted = requirements(name)
    stamp, mark = stamp_of(wanted), folder / "complete"
    if mark.is_file() and mark.read_text() == stamp:
        return
    say(f"Setting up {folder} with {platform.python_implementation()} {platform.python_version()}.")
    say(f"This downloads up to {DOWNLOAD_MB[name]} MB (from pip's cache if it is there) once.")
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    if "--group" in wanted:
        pip(python, PIP_WITH_GROUPS)
    pip(python, *wanted)
    if name not in BLENDERS:
        pip(python, "--no-deps", "--no-build-isolation", "-e", str(CHECKOUT))
    mark.write_text(stamp)


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in LOCK_OF:
        raise SystemExit(f"usage: environment.py {'|'.join(LOCK_OF)}")
    name = sys.argv[1]
    folder = folder_of(name)
    with exclusive(folder):
        make(name, folder)
    print(folder)


if __name__ == "__main__":
    main()
