"""Finished frames: their thumbnails in the panel, and loading them into Blender.

Blender makes the thumbnails of the downloaded files, in the background.
"""

# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

THUMBNAILS_MAX = 64

thumbnails: list[Any] = []  # Blender's collection of them, while the extension is enabled


def icon_of(path: str) -> int:
    """Return the icon with the thumbnail of a picture; 0, an empty icon, if it is missing."""
    (kept,) = thumbnails
    try:
        key = f"{path} {Path(path).stat().st_mtime_ns}"
    except OSError:
        return 0
    if key not in kept:
        if len(kept) >= THUMBNAILS_MAX:
            kept.clear()
        kept.load(key, path, "IMAGE")
    icon: int = kept[key].icon_id
    return icon


def load(path: str) -> Any:
    """Load a picture into the open file, or read it again; return Blender's image.

    Raise ValueError if the file is missing.
    """
    if not Path(path).is_file():
        raise ValueError(f"The frame is not there any more: {path}. Choose Fetch Frames")
    image = bpy.data.images.load(path, check_existing=True)
    image.reload()
    return image


def show(context: Any, image: Any) -> bool:
    """Show an image in the open image editors; return False if none is open."""
    areas = [area for window in context.window_manager.windows for area in window.screen.areas]
    editors = [area for area in areas if area.type == "IMAGE_EDITOR"]
    for editor in editors:
        editor.spaces.active.image = image
    return bool(editors)


def register() -> None:
    """Make the collection of thumbnails."""
    thumbnails.append(bpy.utils.previews.new())


def unregister() -> None:
    """Remove the thumbnails."""
    bpy.utils.previews.remove(thumbnails.pop())
