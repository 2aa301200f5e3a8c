"""Zips of Blender's extension as `scripts/extension` makes them, without other projects' wheels."""

from pathlib import Path

import rendertrust
from rendertrust.program_version import blender_version
from scripts.blender_extension import LINES, manifest, pack, zip_name
from web.downloads.wheel import Wheel, built_wheel


def make_zip(folder: Path, line: str, platform: str, wheel: Wheel | None = None) -> Path:
    """Make a zip for a line of Blender and a platform; ``wheel``: ours, unless another is given."""
    own = wheel or built_wheel()
    (folder / own.name).write_bytes(own.body)
    version = rendertrust.__version__
    target = folder / zip_name(version, line, platform)
    said = manifest(blender_version(version), platform, LINES[line], [own.name])
    pack(target, [folder / own.name], said)
    return target
