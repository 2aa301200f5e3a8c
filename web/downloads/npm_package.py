"""The TypeScript client as a package for npm, which ``scripts/npm-package`` builds."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

import attrs

import rendertrust

FOLDER: Final = Path(__file__).parent / "built"
NAME: Final = f"rendertrust-{rendertrust.__version__}.tgz"


@attrs.frozen
class NpmPackage:
    """The package as a file. ``sha256`` is in hexadecimal."""

    name: str
    sha256: str
    body: bytes = attrs.field(repr=False)


def npm_package(folder: Path = FOLDER) -> NpmPackage | None:
    """Return the package of this version; None if it was not built."""
    path = folder / NAME
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=1)
def _read(path: Path, _changed: int) -> NpmPackage:
    """Return the package, which is read again once the file has changed. Raises OSError."""
    body = path.read_bytes()
    return NpmPackage(path.name, hashlib.sha256(body).hexdigest(), body)
