"""Build Blender's extension: zips of its sources and every wheel that it imports.

Blender installs bundled wheels and downloads none, so a zip is for one platform and one version of
Python: there are two lines of Blender, each with its own. Other projects' wheels are those of
``locks/client-3.11.txt`` and ``client-3.13.txt``, checked by hash; RenderTrust's own wheel is built
from this checkout, and its version is the extension's. A gateway hands out the zips in ``dist``.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = CHECKOUT / "extension"
LOCKS = CHECKOUT / "scripts" / "locks"


class Blenders(NamedTuple):
    """The versions of Blender with one version of Python; ``before`` is the first of the next."""

    python: str
    first: str
    before: str | None


LINES = {"4.2": Blenders("3.11", "4.2.0", "5.1.0"), "5.1": Blenders("3.13", "5.1.0", None)}
# Blender's name of a platform -> pip's name, for the oldest system that this Blender runs on.
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_11_0_arm64",),
}
NOT_IMPORTED = ("setuptools-",)
# One time for all members of a zip, so that equal sources make equal zips.
LONG_AGO = (2020, 1, 1, 0, 0, 0)


def pip(*words: str) -> None:
    """Run pip. Raises CalledProcessError."""
    options = ("--quiet", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", *words, *options]
    subprocess.run(command, check=True, cwd=CHECKOUT, stdin=subprocess.DEVNULL)


def foreign_wheels(folder: Path, platform: str, python: str) -> None:
    """Download the locked wheels that RenderTrust's own wheel imports."""
    tags = [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
    chosen = ("--only-binary=:all:", "--no-deps", "--python-version", python, *tags)
    lock = LOCKS / f"client-{python}.txt"
    pip("download", "--require-hashes", "-r", str(lock), *chosen, "--dest", str(folder))
    for wheel in folder.glob("*.whl"):
        if wheel.name.startswith(NOT_IMPORTED):
            wheel.unlink()


def manifest(version: str, platform: str, blenders: Blenders, wheels: list[str]) -> str:
    """Return the sources' manifest with this zip's versions, platform and wheels."""
    said = (SOURCES / "blender_manifest.toml").read_text("utf-8")
    head, found, tail = said.partition("[permissions]")
    lines = [
        f'version = "{version}"',
        f'blender_version_min = "{blenders.first}"',
        *([f'blender_version_max = "{blenders.before}"'] if blenders.before else []),
        f'platforms = ["{platform}"]',
        "wheels = [",
        *(f'  "./wheels/{name}",' for name in wheels),
        "]",
    ]
    return head + "\n".join(lines) + f"\n\n{found}{tail}"


def build(platform: str, line: str, out: Path) -> Path:
    """Build the zip for one platform and line of Blender, and return its path.

    Imports ours late: the help runs before anything is installed.
    """
    sys.path.insert(0, str(CHECKOUT))
    from rendertrust import __version__  # noqa: PLC0415 - as said
    from rendertrust.program_version import blender_version  # noqa: PLC0415 - as said
    from web.downloads.wheel import built_wheel  # noqa: PLC0415 - as said

    target = out / zip_name(__version__, line, platform)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        foreign_wheels(Path(folder), platform, LINES[line].python)
        own = built_wheel()
        (Path(folder) / own.name).write_bytes(own.body)
        wheels = sorted(Path(folder).glob("*.whl"))
        names = [wheel.name for wheel in wheels]
        said = manifest(blender_version(__version__), platform, LINES[line], names)
        pack(target, wheels, said)
    return target


def zip_name(version: str, line: str, platform: str) -> str:
    """Return the name of a zip, by which gateways find it."""
    return f"rendertrust-{version}-blender-{line}-{platform}.zip"


def pack(target: Path, wheels: list[Path], said: str) -> None:
    """Write the zip with the manifest ``said``."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        add(packed, "blender_manifest.toml", said.encode())
        for source in sorted(SOURCES.glob("*.py")):
            add(packed, source.name, source.read_bytes())
        add(packed, "LICENSE", (CHECKOUT / "LICENSE").read_bytes())
        for wheel in wheels:
            add(packed, f"wheels/{wheel.name}", wheel.read_bytes())


def add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member to the zip, with a fixed time and no owner."""
    packed.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)


def end_with_input() -> None:
    """Wait for the end of standard input, then kill this program and its children.

    Reads without a lock: Python aborts at its end if a thread waits in ``sys.stdin``.
    """
    while os.read(0, 2**12):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Build the zips: ``blender_extension.py [--platform …] [--blender …] [--out dist]``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="default: all")
    parser.add_argument("--blender", choices=LINES, action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "dist")
    parser.add_argument(
        "--end-with-input", action="store_true", help="end when standard input is closed"
    )
    arguments = parser.parse_args()
    if arguments.end_with_input:
        threading.Thread(target=end_with_input, daemon=True).start()
    for platform in arguments.platform or PLATFORMS:
        for line in arguments.blender or LINES:
            print(build(platform, line, arguments.out))


if __name__ == "__main__":
    main()
