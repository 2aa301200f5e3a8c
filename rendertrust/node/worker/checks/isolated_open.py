"""Opening of a file that crashed a check, without the scene.

A test file of the same size and kind is opened first. Therefore no honest file is blamed because
the scene is large or the machine is small.
"""

import os
import time
from typing import Any

import numpy as np

from ..formats import picture_digest
from ..formats.bounds import NoPixels
from ..ipc import Say
from ..render import passes
from ..render.passes import channels_in
from ..scene.output import SUFFIXES
from .composited_check import beside
from .delivered_files import DeliveryFault, pixels_of
from .open_watchdog import EVIDENCE, OpenProgress

LONGER = 20.0  # time limit as a multiple of the time for the test file
FORMATS = {suffix: name for name, suffix in reversed(SUFFIXES.items())}
ANY = "PNG"  # format for unknown suffixes, because Blender recognises files by content


def alone(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Open the delivered file ``theirs``, a picture or evidence (``what``) of this ``size``.

    The report says that the file was ``opened``, and how a picture compares with ``ours``, if
    given. Instead, the report may name a ``fault`` of the file.
    """
    what, size, kinds = order["what"], tuple(order["size"]), _kinds(order.get("kinds"))
    theirs, like = order["theirs"], os.path.join(order["out"], "like")
    ours = order.get("ours") or _like(bpy, like + os.path.splitext(theirs)[1], size, kinds)
    began = time.process_time()
    _open(bpy, ours, size, kinds)
    longer = {"open_seconds": max(LONGER * (time.process_time() - began), order["open_seconds"])}
    progress = OpenProgress(say, 1, {**order, **longer})
    told: dict[str, Any] = {"opened": True}
    try:
        with progress.about(what, size, channels_in(kinds) or 4):
            _open(bpy, theirs, size, kinds)
            if order.get("ours"):
                told |= {"finish": beside(bpy, ours, theirs, size)}
            told |= {} if what == EVIDENCE else picture_digest.seen(theirs)
    except DeliveryFault as fault:
        told = {"fault": str(fault)}
    say("done", **told)


def _kinds(told: Any) -> passes.Kinds:
    return {
        layer: {name: (of, kind) for name, (of, kind) in bands.items()}
        for layer, bands in (told or {}).items()
    }


def _open(bpy: Any, path: str, size: tuple[int, int], kinds: passes.Kinds) -> None:
    if kinds:
        passes.read(bpy, path, size, kinds)
    elif not pixels_of(bpy, path).size:  # the picture has several layers
        try:
            passes.read(bpy, path, size, passes.kinds_in(path))
        except NoPixels:
            return


def _like(bpy: Any, path: str, size: tuple[int, int], kinds: passes.Kinds) -> str:
    """Write a test file of this size.

    The test file has random content, which compresses worse than pictures.
    """
    chance = np.random.default_rng(1)
    if kinds:
        layers = {
            layer: {
                name: chance.random((size[1], size[0], len(of)), np.float32)
                for name, (of, _) in bands.items()
            }
            for layer, bands in kinds.items()
        }
        passes.write(bpy, path, layers, kinds)
        return path
    image = bpy.data.images.new("like", *size, alpha=True, float_buffer=path.endswith(".exr"))
    image.pixels.foreach_set(chance.random(size[0] * size[1] * 4, np.float32))
    image.file_format = FORMATS.get(os.path.splitext(path)[1], ANY)
    image.save(filepath=path)
    bpy.data.images.remove(image)
    return path
