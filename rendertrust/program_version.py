"""Versions of the program, and the lines that install the one that a gateway hands out."""

import re
import shlex
import sys
from importlib.util import find_spec
from typing import Final

DOWNLOAD: Final = "/download"
JOIN_SCRIPT: Final = "/join.sh"
_EXTRAS: Final = {"render": "bpy", "inference": "onnxruntime"}
_NUMBERS_MAX: Final = 4
_VERSION: Final = re.compile(
    r"(?P<numbers>[0-9]{1,6}(?:\.[0-9]{1,6}){0,3})(?:rc(?P<candidate>[0-9]{1,4}))?", re.ASCII
)
_FINAL: Final = 10_000  # a version without rc comes after all of its release candidates


def version_key(version: str) -> tuple[int, ...]:
    """Return a key by which versions like 1.2.3 and 1.2.3rc1 sort; () if it is no version.

    What follows the numbers and the release candidate is left out.
    """
    found = _VERSION.match(version)
    if found is None:
        return ()
    numbers = [int(part) for part in found["numbers"].split(".")]
    padded = (*numbers, *(0 for _ in range(_NUMBERS_MAX - len(numbers))))
    return (*padded, int(found["candidate"] or _FINAL))


def is_older(version: str, than: str) -> bool:
    """Return True if both are versions and the first is the older one."""
    return () < version_key(version) < version_key(than)


def blender_version(version: str) -> str:
    """Return a version as Blender's extensions write it: ``1.2.3-rc.1`` for ``1.2.3rc1``."""
    return version.replace("rc", "-rc.")


def install_line(url: str, wheel: str, sha256: str, *, extra: str = "", pip: str = "pip") -> str:
    """Return the line for a shell that installs the wheel of the gateway at ``url``.

    pip refuses a file with another hash. ``extra``: ``[render]`` to install Blender, too.
    """
    requirement = f"rendertrust{extra} @ {url}{DOWNLOAD}/{wheel}#sha256={sha256}"
    return f"{pip} install {shlex.quote(requirement)}"


def installed_extras() -> str:
    """Return the extras of this package that are installed here: ``[render,inference]``, or ''."""
    found = [name for name, module in _EXTRAS.items() if find_spec(module) is not None]
    return f"[{','.join(found)}]" if found else ""


def extra_command(extra: str) -> str:
    """Return the command that adds an extra of this package, such as ``render``.

    The command is for this program's own Python. There, pip sees that rendertrust is installed, and
    asks no package index for it.
    """
    return shlex.join([sys.executable, "-m", "pip", "install", f"rendertrust[{extra}]"])


def join_line(url: str, code: str) -> str:
    """Return the line for a machine where nothing is installed: it installs and joins."""
    return f"curl -fsSL {shlex.quote(url + JOIN_SCRIPT)} | sh -s -- {code}"
