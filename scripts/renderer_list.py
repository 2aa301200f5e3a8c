"""The list of renderers that gateways hand out: makes it from the newest patches of Blender.

    python -m scripts.renderer_list            # writes web/downloads/renderers.json

Each version is installed into a temporary environment from the index that is set for pip, by the
Python that it needs, and asked for its build. The list then names the hashes of the wheels.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any, Final

from rendertrust.renderer_list import NAME, RendererRelease, RendererWheel, encode
from web.downloads.wheel import CHECKOUT

TARGET: Final = CHECKOUT / "web" / "downloads" / NAME
# What Blender's scripts import, and its wheel does not require.
ALSO: Final = ("requests", "zstandard")
VERSIONS: Final = {
    "4.2": ("3.11", "numpy<2"),
    "4.5": ("3.11",),
    "5.0": ("3.11",),
    "5.1": ("3.13",),
    "5.2": ("3.13",),
    "5.3": ("3.13",),
}
# Blender may crash in Python's clean-up, which the program therefore leaves out.
ASK: Final = (
    "import bpy, json; print(json.dumps("
    "['.'.join(map(str, bpy.app.version)), bpy.app.build_hash.decode()]), flush=True); "
    "import os; os._exit(0)"
)


def release_of(version: str, folder: Path) -> RendererRelease:
    """Install a version into a folder, and describe it."""
    needed, *more = VERSIONS[version]
    python = which(f"python{needed}")
    if python is None:
        raise SystemExit(f"Blender {version} needs CPython {needed}")
    report, own = folder / "report.json", folder / "environment"
    run(python, "-m", "venv", str(own))
    wanted = (f"bpy=={version}.*", *ALSO, *more)
    own_python = str(own / "bin" / "python")
    before = size_of(own)
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    run(own_python, *pip, "--only-binary=:all:", "--report", str(report), *wanted)
    size = size_of(own) - before
    told, build = json.loads(run(own_python, "-I", "-c", ASK).splitlines()[-1])
    installed = json.loads(report.read_text())["install"]
    wheels = tuple(sorted((wheel_of(each) for each in installed), key=lambda each: each.name))
    return RendererRelease(version=told, build=build, python=needed, size=size, wheels=wheels)


def wheel_of(installed: Any) -> RendererWheel:
    """Return a wheel of pip's report."""
    about = installed["metadata"]
    sha256 = installed["download_info"]["archive_info"]["hashes"]["sha256"]
    return RendererWheel(about["name"].lower(), about["version"], sha256)


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(each.lstat().st_size for each in folder.rglob("*") if not each.is_dir())


def run(*command: str) -> str:
    """Run a program and return its output."""
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout


def main(versions: Sequence[str]) -> None:
    found: list[RendererRelease] = []
    for version in versions:
        with tempfile.TemporaryDirectory(prefix="renderer-") as folder:
            found.append(release_of(version, Path(folder)))
        print(f"Blender {found[-1].version}: {found[-1].size >> 20} MiB", flush=True)
    TARGET.write_text(encode(found))
    print(f"{TARGET}: {len(found)} versions")


if __name__ == "__main__":
    main(sys.argv[1:] or tuple(VERSIONS))
