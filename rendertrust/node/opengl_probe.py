"""Test whether EEVEE and Workbench can draw with OpenGL. Without OpenGL drivers Blender crashes.

The test runs in the sandbox, and again when Blender, the sandbox or the drivers have changed. The
last result is cached for all nodes of this user. So are the shaders of a scene that the node draws
(``driver_cache``).
"""

import asyncio
import os
from pathlib import Path
from typing import Any, Final

import attrs
import orjson
import platformdirs

from rendertrust.node.blender import Blender
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.driver_cache import (
    LIBRARY_FOLDERS,
    SHADERS,
    STATES_MAX,
    hash_of,
    is_stored,
    keep,
    turn,
    warm_folder,
)
from rendertrust.node.resource_monitor import available_bytes
from rendertrust.node.rmtree import clear
from rendertrust.node.state_folder import write_private
from rendertrust.preflight.findings import OPENGL_PACKAGES

SECONDS_MAX: Final = 180.0
WARM_SECONDS_MAX: Final = 4 * 3600.0  # on a busy machine, as only idle processors compile
WARM_BYTES: Final = 4 * 2**30  # memory that must be available; drawing takes half
LAST_NICENESS: Final = 19  # compiling shaders must not delay units
DRIVER_MAX: Final = 200
HOW_TO_GET_OPENGL: Final = (
    "EEVEE and Workbench need OpenGL, which does not work here; on Debian or Ubuntu run: "
    f"apt-get install --no-install-recommends {' '.join(OPENGL_PACKAGES)}"
)
# Places of the OpenGL drivers: the vendor files and the libraries.
_VENDORS: Final = ("/usr/share/glvnd/egl_vendor.d", "/etc/glvnd/egl_vendor.d")
_FILES: Final = (
    *("libEGL*", "libGLX*", "libGLdispatch*", "libgallium*", "dri/*_dri.so"),
    "*.json",
)


def cache_file() -> Path:
    """Return the path of the cached result."""
    return platformdirs.user_cache_path("rendertrust") / "opengl.json"


@attrs.frozen
class OpenGL:
    """Result of the test; ``works``: None if the test could not be started, or exceeded its limits.

    ``driver``: the graphics driver with its version, and for one in software the processor's maker.
    Frames that EEVEE draws with the same driver are equal.
    """

    works: bool | None = None
    driver: str | None = None


async def probe(blender: Blender, folder: Path, kept: Path | None = None) -> OpenGL:
    """Test whether EEVEE and Workbench can draw, in the folder ``folder``, which is removed."""
    kept, state = kept or cache_file(), state_of(blender)
    told = _read(kept).get(state)
    if isinstance(told, dict) and isinstance(told.get("works"), bool):
        return OpenGL(told["works"], told.get("driver"))
    found = await _tried(blender, folder)
    if found.works is not None:
        _keep(kept, {state: attrs.asdict(found)})
    return found


def with_opengl(blender: Blender, found: OpenGL) -> Blender:
    """Return the Blender, which knows the test's result and where its shaders are stored."""
    compiled = warm_folder(state_of(blender)) if found.works else None
    return attrs.evolve(blender, opengl=found.works, drawing=found.driver, compiled=compiled)


async def warm(blender: Blender, folder: Path, shaders: Path) -> None:
    """Store in ``shaders`` what the driver compiles for a scene of ours, unless it is stored.

    The scene is drawn in the work folder ``folder``, which is removed. If that fails, another node
    of this user does it now, or units might lack the memory, each unit compiles its shaders. Raises
    OSError if nothing can be stored.
    """
    try:
        with turn(shaders) as is_ours:
            if not is_stored(shaders) and is_ours and not 0 <= available_bytes() < WARM_BYTES:
                last = attrs.evolve(blender, compiled=None, nice=LAST_NICENESS)
                ending = await _draw(last, folder, "warm", WARM_SECONDS_MAX)
                if ending is not None and ending.last.get("event") == "done":
                    await asyncio.to_thread(keep, folder / "home", shaders, STATES_MAX, SHADERS)
    finally:
        clear(folder)


def state_of(blender: Blender) -> str:
    """Return a hash over all that the result depends on: Blender, sandbox, user and drivers."""
    facts = [blender.build, blender.version, blender.is_sandboxed, os.getuid()]
    return hash_of(facts, (*_VENDORS, *LIBRARY_FOLDERS), _FILES)


async def _tried(blender: Blender, folder: Path) -> OpenGL:
    try:
        ending = await _draw(blender, folder, "draw", SECONDS_MAX)
    finally:
        clear(folder)
    if ending is None or ending.code is None or ending.excess is not None:
        return OpenGL()
    if ending.last.get("event") != "done":
        return OpenGL(works=False)
    return OpenGL(True, str(ending.last.get("drawing") or "")[:DRIVER_MAX] or None)


async def _draw(blender: Blender, folder: Path, what: str, within: float) -> ProcessExit | None:
    (folder / "in").mkdir(parents=True, exist_ok=True)
    try:
        blender.box.prepare(folder)
        return await blender.obey({"do": what}, folder, within=within, hear=lambda _: None)
    except OSError:
        return None


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
