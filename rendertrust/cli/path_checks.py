"""Check scene files, and the places where results are saved, before anything is sent."""

import os
from pathlib import Path

import click

from rendertrust.blend_file import HEAD_BYTES, is_blend


def checked(path: Path) -> Path:
    """Return the path of a readable .blend file, plain or compressed.

    Raise UsageError for any other file.
    """
    try:
        if path.is_dir():
            raise click.UsageError(f"{path} is a folder; name the .blend file in this folder")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise click.UsageError(f"{path} is empty; save the scene in Blender again")
    if not is_blend(head):
        raise click.UsageError(f"{path} is not a .blend file; save the scene in Blender")
    return path


def placed(out: Path) -> Path:
    """Return ``out``, a folder or a file in a folder. Raise UsageError if nothing can be saved."""
    folder = out if out.is_dir() else out.parent
    if not folder.is_dir():
        raise click.UsageError(
            f"{folder} is not a folder; create the folder, or name another folder with --out"
        )
    if not os.access(folder, os.W_OK):
        raise click.UsageError(f"{folder} is not writable; name another folder with --out")
    return out


def folder_of(out: Path) -> Path:
    """Return the folder for frames; create the folder if its parent exists."""
    if not (out.exists() or out.suffix):
        placed(out).mkdir()
    if not out.is_dir():
        raise click.UsageError(
            f"{out} is not a folder, and frames need a folder: name another path with --out"
        )
    return placed(out)
