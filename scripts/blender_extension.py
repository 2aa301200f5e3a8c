"""Build Blender's extension: a zip of its sources and every wheel that it imports.

Blender installs bundled wheels and downloads none, so a zip is for one platform. Other projects'
wheels are those of ``locks/client-3.13.txt``, checked by hash; RenderTrust's own wheel is built
from this checkout.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = CHECKOUT / "extension"
LOCK = CHECKOUT / "scripts" / "locks" / "client-3.13.txt"
PYTHON = "3.13"  # version in Blender 5.2
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
    subprocess.run([sys.executable, "-m", "pip", *words, *options], check=True, cwd=CHECKOUT)


def own_wheel(folder: Path) -> None:
    """Build the wheel of this checkout: client, node agent, verifier."""
    with tempfile.TemporaryDirectory() as clean:
        place = Path(clean)
        shutil.copy(CHECKOUT / "setup.py", place)
        shutil.copy(CHECKOUT / "pyproject.toml", place)
        shutil.copytree(
            CHECKOUT / "rendertrust",
            place / "rendertrust",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), clean)


def foreign_wheels(folder: Path, platform: str) -> None:
    """Download the locked wheels that RenderTrust's own wheel imports."""
    tags = [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
    chosen = ("--only-binary=:all:", "--no-deps", "--python-version", PYTHON, *tags)
    pip("download", "--require-hashes", "-r", str(LOCK), *chosen, "--dest", str(folder))
    for wheel in folder.glob("*.whl"):
        if wheel.name.startswith(NOT_IMPORTED):
            wheel.unlink()


def manifest(platform: str, wheels: list[str]) -> str:
    """Return the sources' manifest with this zip's platform and wheels."""
    said = (SOURCES / "blender_manifest.toml").read_text("utf-8")
    head, found, tail = said.partition("[permissions]")
    listed = "".join(f'  "./wheels/{name}",\n' for name in wheels)
    return f'{head}platforms = ["{platform}"]\nwheels = [\n{listed}]\n\n{found}{tail}'


def build(platform: str, out: Path) -> Path:
    """Build the zip for one platform and return its path."""
    version = tomllib.loads((SOURCES / "blender_manifest.toml").read_text("utf-8"))["version"]
    target = out / f"rendertrust-{version}-{platform}.zip"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        foreign_wheels(Path(folder), platform)
        own_wheel(Path(folder))
        pack(target, sorted(Path(folder).glob("*.whl")), platform)
    return target


def pack(target: Path, wheels: list[Path], platform: str) -> None:
    """Write the zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        add(
            packed,
            "blender_manifest.toml",
            manifest(platform, [one.name for one in wheels]).encode(),
        )
        for source in sorted(SOURCES.glob("*.py")):
            add(packed, source.name, source.read_bytes())
        add(packed, "LICENSE", (CHECKOUT / "LICENSE").read_bytes())
        for wheel in wheels:
            add(packed, f"wheels/{wheel.name}", wheel.read_bytes())


def add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member to the zip, with a fixed time and no owner."""
    packed.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)


def main() -> None:
    """Build the zips: ``blender_extension.py [--platform linux-x64 …] [--out dist]``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "dist")
    arguments = parser.parse_args()
    for platform in arguments.platform or PLATFORMS:
        print(build(platform, arguments.out))


if __name__ == "__main__":
    main()
