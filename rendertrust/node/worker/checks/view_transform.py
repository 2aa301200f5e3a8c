"""View transform of linear light, by the scene's settings.

Blender applies the same transform as to saved pictures, with the scene's exposure, look, curves and
display device. Both pictures of a comparison are transformed in the same way, so equal light gives
equal pictures.
"""

import os
from typing import Any

import numpy as np

from ..render.frames import other_format
from ..scene.output import set_format
from ..scene.settings import held

Array = Any
DITHER = "render.dither_intensity"


def shown(bpy: Any, scene: Any, light: Array, out: str) -> Array:
    """Return the displayed values (height, width, 3), 0 to 1, of light over black.

    ``light``: (height, width, 3 or 4). Non-finite pixels become NaN. Temporary files are written to
    the folder ``out`` and removed.
    """
    height, width = light.shape[:2]
    path = os.path.join(out, "shown.png")
    image = bpy.data.images.new("RenderTrust light", width, height, alpha=True, float_buffer=True)
    try:
        pixels = np.ones((height, width, 4), np.float32)
        pixels[..., :3] = light[..., :3]
        image.pixels.foreach_set(pixels.ravel())
        _save(scene, image, path)
    finally:
        bpy.data.images.remove(image)
    try:
        found = _read(bpy, path)
    finally:
        os.unlink(path)
    found[~np.isfinite(light[..., :3]).all(-1)] = np.nan
    return found


def _save(scene: Any, image: Any, path: str) -> None:
    dither = scene.render.dither_intensity
    with held(scene, DITHER), other_format(scene) as settings:
        set_format(settings, "IMAGE", "PNG")
        settings.color_mode, settings.color_depth = "RGB", "16"
        management = settings.color_management
        settings.color_management, scene.render.dither_intensity = "FOLLOW_SCENE", 0.0
        try:
            image.save_render(path, scene=scene)
        finally:
            settings.color_management, scene.render.dither_intensity = management, dither


def _read(bpy: Any, path: str) -> Array:
    """Read the file's values without a colour transform."""
    image = bpy.data.images.load(path)
    try:
        image.colorspace_settings.is_data = True  # a configuration may have any names
        width, height = image.size
        found = np.empty(width * height * image.channels, np.float32)
        image.pixels.foreach_get(found)
        return found.reshape(height, width, image.channels)[..., :3]
    finally:
        bpy.data.images.remove(image)
