"""Signed releases for tests: wheels of newer versions, and what a gateway says of them."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import release
from rendertrust.release import ReleaseStatement
from web.downloads.wheel import CHECKOUT, Wheel, build

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEY_TEXT: Final = release.key_text(KEY)
# A file that stands for the wheel of a newer version, where nothing is installed.
BODY: Final = b"the wheel of another version"
NEWER: Final = Wheel("rendertrust-9.0.0-py3-none-any.whl", hashlib.sha256(BODY).hexdigest(), BODY)


def copied(target: Path) -> Path:
    """Copy the files of which the wheel is made, and return the copy."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "rendertrust", target / "rendertrust", ignore=ignored)
    for name in ("pyproject.toml", "LICENSE", "docs/PACKAGE.md"):
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, target / name)
    return target


def wheel_of(checkout: Path, version: str) -> Wheel:
    """Build the wheel of a copy, which becomes this version."""
    own = checkout / "rendertrust" / "__init__.py"
    before = own.read_text("utf-8").partition('__version__ = "')
    own.write_text(f'{before[0]}{before[1]}{version}"{before[2].partition(chr(34))[2]}', "utf-8")
    return build(checkout, version)


def statement_of(wheel: Wheel) -> ReleaseStatement:
    return ReleaseStatement(wheel.version, wheel.name, wheel.sha256, len(wheel.body))


def handed_out(wheel: Wheel, *keys: Ed25519PrivateKey) -> dict[str, Any]:
    """Return what a gateway says that it hands out, signed by the keys."""
    statement = statement_of(wheel)
    return {
        "version": statement.version,
        "wheel": {"name": wheel.name, "sha256": wheel.sha256, "size": len(wheel.body)},
        "release_key": release.key_text(keys[0]) if keys else None,
        "signature": release.sign(statement, *keys) if keys else None,
    }


def download_packages(folder: Path) -> None:
    """Fill a folder with the packages that the wheel needs: a machine's own package index."""
    lock = CHECKOUT / "scripts" / "locks" / "client-3.13.txt"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes"]
    subprocess.run([*command, "-r", str(lock), "-d", str(folder)], check=True)
