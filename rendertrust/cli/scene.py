"""Checks a scene file and options before anything is sent."""

import os
from pathlib import Path
from typing import Final

import click

from rendertrust.blend_file import HEAD_BYTES, is_blend

FRAME_MAX: Final = 1_048_574  # Blender's own limit, positive and negative


class IntegerParam(click.IntRange):
    """An integer within bounds; error messages call it a whole number."""

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
    """Return the path of a readable .blend file, plain or compressed; raise a usage error
    otherwise.
    """
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
    """Return the render parameters; options that were not given are left to the scene."""
    if (width is None) != (height is None):
        raise click.UsageError("Give --width and --height together")
    given = {
        "frame": frame,
        "width": width,
        "height": height,
        "samples": samples,
        "format": None if format is None else FORMATS[format],
    }
    return {name: value for name, value in given.items() if value is not None}


def placed(out: Path) -> Path:
    """Return where to save the picture: a folder, or a file in an existing folder."""
    folder = out if out.is_dir() else out.parent
    if not folder.is_dir():
        raise click.UsageError(f"{folder} is not a folder; create it, or name another with --out")
    if not os.access(folder, os.W_OK):
        raise click.UsageError(f"{folder} is not writable; name another with --out")
    return out


def folder_of(out: Path) -> Path:
    """Return the folder for frames; it is created if its parent exists."""
    if not (out.exists() or out.suffix):
        placed(out).mkdir()
    if not out.is_dir():
        raise click.UsageError(
            f"{out} is not a folder, and frames need one: name another with --out"
        )
    return placed(out)
