"""Check of frames that cannot be split: format and size, and a render of the whole frame."""

import os
import shutil
from typing import Any

from . import composited_check as rendering_again
from . import drawing_class, image_comparison, picture_digest, raster_check, tile_hazards
from .delivered_files import DeliveryFault
from .guarded_open import may_be_opened, pixels_of, undecoded
from .open_watchdog import PICTURE, OpenProgress
from .rendering import written_size
from .scene import choose_format
from .scene_inspector import unbaked
from .scene_output import compositor_nodes, shows_strips

CHANNELS_MOST = 256  # of four bytes each, uncompressed


def seen(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> tuple[bool, dict[str, str]]:
    """Return True if ``picture`` has one colour, and its hash. Raises DeliveryFault."""
    suffix, size = choose_format(scene.render, order.get("format")), written_size(scene)
    if os.path.getsize(order["picture"]) > size[0] * size[1] * CHANNELS_MOST * 4 + (1 << 20):
        raise DeliveryFault("the picture is larger than possible for this frame")
    path = shutil.copyfile(order["picture"], os.path.join(order["out"], "their" + suffix))
    with progress.about(PICTURE, size, theirs=path):
        is_known = may_be_opened(path, suffix, size)
        found = image_comparison.visible(pixels_of(bpy, path))
        told = {**picture_digest.seen(path), **(undecoded(path, found) if is_known else {})}
    if not is_known and found.shape[:2] != size[::-1]:
        raise DeliveryFault("the picture cannot be decoded, or has another size")
    return bool(found.size) and not (found != found[0, 0]).any(), told


def shows_itself(scene: Any) -> bool:
    """Return True if a small Cycles render shows the same content as the picture.

    Another engine, a compositor, strips or a render region would change the content.
    """
    composed = shows_strips(scene) or compositor_nodes(scene)
    return scene.render.engine == "CYCLES" and not (composed or scene.render.use_border)


def again(
    bpy: Any, order: dict[str, Any], frame: int, progress: OpenProgress
) -> dict[str, Any] | None:
    """Render the whole frame as its node had to, and compare it.

    ``loose``: honest renders of this scene may differ. None: the format cannot be read.
    """
    progress.next("whole frame")
    path = rendering_again.render(bpy, order, frame, "our")
    is_drawn = drawing_class.is_drawn(bpy.context.scene)
    is_loose = differs(bpy, bpy.context.scene, by_driver=not is_drawn)
    theirs = os.path.join(order["out"], "their" + os.path.splitext(path)[1])
    found = rendering_again.compared(bpy, order, frame, (path, theirs), progress)
    if found is None:
        return None
    told: dict[str, Any] = {"whole": True, "crops": [found], "finish": {"equal": True, "off": None}}
    told |= {"loose": True} if is_loose else {}
    if is_drawn:
        told["across"] = raster_check.compare(
            bpy, order, frame, (path, theirs), progress, is_equal=found["equal"]
        )
    return told


def differs(bpy: Any, scene: Any, *, by_driver: bool = True) -> bool:
    """Return True if two machines of one class may render the scene differently.

    They may have other drivers or numbers of threads. ``by_driver``: EEVEE counts as different, as
    between drivers; otherwise only differences within one drawing class count.
    """
    cycles, layers = scene.cycles, [layer for layer in scene.view_layers if layer.use]
    learns = cycles.use_guiding and not cycles.use_deterministic_guiding
    engines = {
        of.render.engine for of in bpy.data.scenes if by_driver or not drawing_class.is_drawn(of)
    }
    return bool(
        engines - {"CYCLES"}
        or (scene.render.engine == "CYCLES" and learns)
        or any(layer.cycles.pass_render_time for layer in layers)
        or tile_hazards.reasons(bpy)
        or next(iter(unbaked(scene)), None)
    )
