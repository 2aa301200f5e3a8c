"""Settings of a scene that stay as they are set, whatever its keyframes and drivers say of them."""

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

from .image_sequences import curves_of


@contextlib.contextmanager
def held(scene: Any, *paths: str) -> Generator[None]:
    """Within, nothing animates these properties of the scene; they begin as they were last."""
    found = [of for of in animating(scene) if of.data_path in paths and not of.mute]
    for curve in found:
        curve.mute = True
    try:
        yield
    finally:
        for curve in found:
            curve.mute = False


def animating(scene: Any) -> Iterator[Any]:
    """The curves that move a setting of the scene's."""
    animation = scene.animation_data
    if animation is None:
        return
    yield from animation.drivers
    strips = (strip for track in animation.nla_tracks for strip in track.strips)
    for action in (animation.action, *(strip.action for strip in strips)):
        if action is not None:
            yield from curves_of(action)
