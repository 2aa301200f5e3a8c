"""The system libraries that Blender links against, and what to say where one is missing."""

import re
from typing import Final

# Blender's module needs these even without a screen (`ldd bpy/__init__.so`).
PACKAGES: Final = (
    "libgl1",
    "libice6",
    "libsm6",
    "libx11-6",
    "libxext6",
    "libxfixes3",
    "libxi6",
    "libxkbcommon0",
    "libxrender1",
)
_MISSING: Final = re.compile(r"([\w.+-]+\.so[\w.]*): cannot open shared object file")


def missing_library(text: str) -> str | None:
    """The shared library that a loader's error message names, if it is one."""
    found = _MISSING.search(text)
    return found[1] if found else None


def advice(library: str) -> str:
    """What to do about a missing ``library``, as one line for people."""
    return (
        f"Blender needs the library {library}, which is missing here; on Debian or Ubuntu run: "
        f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
    )
