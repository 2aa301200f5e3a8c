"""Settings of a scene that keyframes and drivers must not change."""

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

from .image_sequences import curves_of


@contextlib.contextmanager
def held(scene: Any, *paths: str) -> Generator[None]:
    """Mute the animation of these properties inside this context; they keep their last values."""
    found = [of for of in animating(scene) if of.data_path in paths and not of.mute]
    for curve in found:
        curve.mute = True
    try:
        yield
    finally:
        for curve in found:
            curve.mute = False


def animating(scene: Any) -> Iterator[Any]:
    """Yield the curves that animate settings of the scene."""
    animation = scene.animation_data
    if animation is None:
        return
    yield from animation.drivers
    strips = (strip for track in animation.nla_tracks for strip in track.strips)
    for action in (animation.action, *(strip.action for strip in strips)):
        if action is not None:
            yield from curves_of(action)
