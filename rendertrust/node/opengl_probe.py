"""Test whether EEVEE and Workbench can draw with OpenGL. Without OpenGL drivers Blender crashes.

The test runs in the sandbox, and again when Blender, the sandbox or the drivers have changed. The
last result is cached for all nodes of this user.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import platformdirs

from rendertrust.node.blender import Blender
from rendertrust.node.rmtree import clear
from rendertrust.node.state_folder import write_private

SECONDS_MAX: Final = 180.0
HOW_TO_GET_OPENGL: Final = (
    "EEVEE and Workbench need OpenGL, which does not work here; on Debian or Ubuntu run: "
    "apt-get install --no-install-recommends libegl1 libegl-mesa0 libgl1-mesa-dri"
)
# Places of the OpenGL drivers: the vendor files and the libraries.
_VENDORS: Final = ("/usr/share/glvnd/egl_vendor.d", "/etc/glvnd/egl_vendor.d")
_LIBRARIES: Final = ("libEGL*", "libGLX*", "libGLdispatch*", "libgallium*", "dri/*_dri.so")
_FOLDERS: Final = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
)


def cache_file() -> Path:
    """Return the path of the cached result."""
    return platformdirs.user_cache_path("rendertrust") / "opengl.json"


async def draws(blender: Blender, folder: Path, kept: Path | None = None) -> bool | None:
    """Return True if EEVEE and Workbench can draw.

    Return None if the test could not be started, or exceeded its limits.
    The test runs in the work folder ``folder``, which is removed.
    """
    kept, state = kept or cache_file(), state_of(blender)
    told = _read(kept)
    if isinstance(told.get(state), bool):
        return bool(told[state])
    found = await _tried(blender, folder)
    if found is not None:
        _keep(kept, {state: found})
    return found


def state_of(blender: Blender) -> str:
    """Return a hash over all that the result depends on: Blender, sandbox, user and drivers."""
    facts = [blender.build, blender.version, blender.is_sandboxed, os.getuid(), *_drivers()]
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()


def _drivers() -> Iterator[list[Any]]:
    vendors = (path for place in _VENDORS for path in Path(place).glob("*.json"))
    libraries = (p for place in _FOLDERS for name in _LIBRARIES for p in Path(place).glob(name))
    for path in sorted({*vendors, *libraries}):
        try:
            facts = path.stat()
        except OSError:
            continue
        yield [str(path), facts.st_size, facts.st_mtime_ns]


async def _tried(blender: Blender, folder: Path) -> bool | None:
    (folder / "in").mkdir(parents=True, exist_ok=True)
    try:
        blender.box.prepare(folder)
        ending = await blender.obey({"do": "draw"}, folder, within=SECONDS_MAX, hear=lambda _: None)
    except OSError:
        return None
    finally:
        clear(folder)
    if ending.last.get("event") == "done":
        return True
    return None if ending.code is None or ending.excess is not None else False


def _read(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(path: Path, told: dict[str, Any]) -> None:
    """Store the result, which replaces earlier results.

    If storing fails, the next start tests again.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, orjson.dumps(told), durable=False)
    except OSError:
        pass
