"""Wheels that pip takes for Blender, and lists of renderers that name them."""

import hashlib
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust.renderer_list import RendererRelease, RendererWheel
from web.downloads.wheel import packed, record

ORIGIN: Final = "farm.example/log"
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x07")
BUILD: Final = "0123456789ab"
MODULE: Final = """\
class app:
    version = {numbers}
    version_string = "{version}"
    build_hash = b"{build}"
"""
# The worker imports numpy, and uses it only for pictures.
NUMPY: Final = """\
class Anything(type):
    def __getattr__(cls, name):
        return cls
    def __getitem__(cls, item):
        return cls
    def __or__(cls, other):
        return cls
    __ror__ = __or__

class anything(metaclass=Anything):
    def __new__(cls, *given, **named):
        return cls

def __getattr__(name):
    return anything
"""
ABOUT: Final = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path, version: str, build: str = BUILD) -> RendererWheel:
    """Write a wheel whose module ``bpy`` says that it is this version of Blender."""
    about = f"bpy-{version}.dist-info"
    numbers = tuple(map(int, version.split(".")))
    members = [
        ("bpy/__init__.py", MODULE.format(numbers=numbers, version=version, build=build).encode()),
        ("numpy/__init__.py", NUMPY.encode()),
        (f"{about}/METADATA", f"Metadata-Version: 2.1\nName: bpy\nVersion: {version}\n".encode()),
        (f"{about}/WHEEL", ABOUT.encode()),
    ]
    body = packed([*members, (f"{about}/RECORD", record(members, f"{about}/RECORD"))])
    (folder / f"bpy-{version}-py3-none-any.whl").write_bytes(body)
    return RendererWheel("bpy", version, hashlib.sha256(body).hexdigest())


def release_of(
    wheel: RendererWheel, python: str, *, build: str = BUILD, size: int = 1000
) -> RendererRelease:
    """Return the list's entry for a wheel."""
    return RendererRelease(
        version=wheel.version, build=build, python=python, size=size, wheels=(wheel,)
    )


def release(version: str, *, python: str = "3.13", size: int = 1000) -> RendererRelease:
    """Return an entry without a file."""
    return release_of(RendererWheel("bpy", version, "ab" * 32), python, size=size)
