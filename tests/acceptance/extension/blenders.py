"""Blenders as Python modules: that of this environment, and others that are found or made."""

import subprocess
import sys
import sysconfig
from pathlib import Path
from shutil import which

import attrs
import pytest

from tests.support.gateway_process import ROOT

# The packages that Blender brings; an extension sees nothing else of an environment.
BLENDERS = ("bpy", "bpy.libs", "numpy", "numpy.libs", "requests", "urllib3", "idna", "certifi")
BLENDERS_TOO = ("charset_normalizer", "zstandard", "typing_extensions.py")
SINCE_5_1 = ("attr", "attrs", "cattrs")
INSTALL_SECONDS = 900.0


@attrs.frozen
class Blender:
    """A Blender as a Python module. ``line``: the zip of the extension that fits it."""

    line: str
    python: str
    packages: Path

    def link(self, folder: Path) -> Path:
        """Fill a folder with what Blender brings, and return it."""
        folder.mkdir()
        names = (*BLENDERS, *BLENDERS_TOO, *(SINCE_5_1 if self.line == "5.1" else ()))
        for name in names:
            if (self.packages / name).exists():
                (folder / name).symlink_to(self.packages / name)
        return folder


def found(version: str) -> Blender:
    """Return the Blender of a version: 5.2 is this environment's, 5.0 that of ``dev`` on CPython
    3.11; others are installed from a lock. Skip the test where CPython 3.11 is lacking.
    """
    if version == "5.2":
        return Blender("5.1", sys.executable, Path(sysconfig.get_path("purelib")))
    folder = ROOT / ".venv" / "dev-3.11" if version == "5.0" else installed(version)
    packages = folder / "lib" / "python3.11" / "site-packages"
    if not (packages / "bpy").is_dir():
        pytest.skip(f"no Blender {version}: RENDERTRUST_PYTHON=python3.11 scripts/test installs it")
    return Blender("4.2", str(folder / "bin" / "python"), packages)


def installed(version: str) -> Path:
    """Return the environment with a Blender that its lock names; make it if necessary."""
    python = which("python3.11")
    if python is None:
        pytest.skip(f"Blender {version} needs CPython 3.11")
    script = str(ROOT / "scripts" / "environment.py")
    command = [python, script, f"blender-{version}"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
    )
    assert ran.returncode == 0, f"Blender {version} was not installed: {ran.stderr[-2000:]}"
    return Path(ran.stdout.strip())
