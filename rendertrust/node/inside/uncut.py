"""A look at the frame of a scene that cannot be cut: nothing is held against it, but it must be a
picture, of the format and the size of such a frame.
"""

import os
import shutil
from typing import Any

from . import comparing
from .delivered import Fault
from .opening import may_be_opened, pixels_of
from .output import compositor_nodes, shows_strips
from .rendering import written_size
from .scene import choose_format

CHANNELS_MOST = 256  # of four bytes each, packed badly


def is_plain(bpy: Any, scene: Any, order: dict[str, Any]) -> bool:
    """Whether ``picture`` is of one colour. Raises Fault where it is no such picture."""
    suffix, size = choose_format(scene.render, order.get("format")), written_size(scene)
    if os.path.getsize(order["picture"]) > size[0] * size[1] * CHANNELS_MOST * 4 + (1 << 20):
        raise Fault("the picture is larger than that of such a frame can be")
    path = shutil.copyfile(order["picture"], os.path.join(order["out"], "their" + suffix))
    is_known = may_be_opened(path, suffix, size)
    found = comparing.visible(pixels_of(bpy, path))
    if not is_known and found.shape[:2] != size[::-1]:
        raise Fault("the picture is none, or has another size")
    return bool(found.size) and not (found != found[0, 0]).any()


def shows_itself(scene: Any) -> bool:
    """Whether a small picture by Cycles says what of this scene varies: neither its engine, nor its
    compositor, its strips or its region make another one of it.
    """
    composed = shows_strips(scene) or compositor_nodes(scene)
    return scene.render.engine == "CYCLES" and not (composed or scene.render.use_border)
