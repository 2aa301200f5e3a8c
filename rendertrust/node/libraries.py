"""System libraries that Blender links against, and advice if one is missing."""

import re
from typing import Final

# Libraries that `bpy` needs even without a screen (`ldd bpy/__init__.so`), and their packages.
LIBRARIES: Final = {
    "libGL.so.1": "libgl1",
    "libICE.so.6": "libice6",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libXrender.so.1": "libxrender1",
}
_MISSING: Final = re.compile(r"([\w.+-]+\.so[\w.]*): cannot open shared object file")


def missing_library(text: str) -> str | None:
    """Return the shared library that a loader's error message names, if any."""
    found = _MISSING.search(text)
    return found[1] if found else None


def advice(library: str) -> str:
    """Return one line of advice about a missing ``library``."""
    return (
        f"Blender needs the library {library}, which is missing here; on Debian or Ubuntu run: "
        f"apt-get install --no-install-recommends {' '.join(LIBRARIES.values())}"
    )
