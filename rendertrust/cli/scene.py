"""Looking at what is to be submitted before anything is sent."""

import os
from pathlib import Path
from typing import Final

import click

from rendertrust.blend_file import HEAD_BYTES, is_blend

FRAME_MAX: Final = 1_048_574  # Blender's own bound, both ways


class IntegerParam(click.IntRange):
    """A whole number within bounds, and called so when it is none."""

    name = "whole number"


PIXELS: Final = IntegerParam(4, 16_384)
SAMPLES: Final = IntegerParam(1, 65_536)
FRAME: Final = IntegerParam(-FRAME_MAX, FRAME_MAX)
FORMATS: Final = {
    "png": "PNG",
    "jpeg": "JPEG",
    "jpg": "JPEG",
    "exr": "OPEN_EXR",
    "open_exr": "OPEN_EXR",
}


def checked(path: Path) -> Path:
    """A .blend file that can be read, plain or compressed by Blender; else a usage error."""
    try:
        if path.is_dir():
            raise click.UsageError(f"{path} is a folder; name the .blend file in it")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise click.UsageError(f"{path} is empty; save it in Blender again")
    if not is_blend(head):
        raise click.UsageError(f"{path} is not a .blend file; save it in Blender as one")
    return path


def parameters(
    frame: int | None,
    width: int | None,
    height: int | None,
    samples: int | None,
    format: str | None,  # noqa: A002 - the option's name
) -> dict[str, int | str]:
    """What a render job is told; what was not given is as the artist set it."""
    if (width is None) != (height is None):
        raise click.UsageError("--width and --height must be given together")
    given = {
        "frame": frame,
        "width": width,
        "height": height,
        "samples": samples,
        "format": None if format is None else FORMATS[format],
    }
    return {name: value for name, value in given.items() if value is not None}


def placed(out: Path) -> Path:
    """Where the picture can go: a folder, or a file in a folder that is there."""
    folder = out if out.is_dir() else out.parent
    if not folder.is_dir():
        raise click.UsageError(f"{folder} is no folder; make it, or name another by --out")
    if not os.access(folder, os.W_OK):
        raise click.UsageError(f"{folder} cannot be written to; name another by --out")
    return out


def folder_of(out: Path) -> Path:
    """Where frames can go: a folder, which is made in one that is there."""
    if not (out.exists() or out.suffix):
        placed(out).mkdir()
    if not out.is_dir():
        raise click.UsageError(f"{out} is no folder, and frames need one: name another by --out")
    return placed(out)
