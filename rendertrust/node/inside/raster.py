"""Check of a frame that EEVEE drew, by the whole frame.

EEVEE is no sum of independent pixels, so a region is not a part of the frame. Within a drawing
class a frame is equal to the last bit. Across classes the render with as many samples must be the
nearest of three: with as many, with three quarters, and with half of them.
"""

from typing import Any

import numpy as np

from . import again, comparing
from .graphics import drawing_class
from .opening import pixels_of
from .rendering import written_size
from .risking import PICTURE, Opening

Array = Any
SHARES = (1.0, 0.75, 0.5)  # of the samples
APART_MOST = 0.03  # of white, mean over all values
EXACT, ACCEPTED, REFUSED, UNSAID = "exact", "accepted", "refused", "unsaid"


def distance(ours: Array, theirs: Array) -> float | None:
    """Mean difference of what is shown, 0 to 1. None where there is no such number."""
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return None
    one, other = (
        np.clip(comparing.visible(of), 0.0, 1.0).astype(np.float64) for of in (ours, theirs)
    )
    return float(np.abs(one - other).mean()) if one.size else None


def outcome(distances: list[float | None]) -> str:
    """Outcome by the distances from renders with ``SHARES`` of the samples: the first must be the
    least, and small.
    """
    if not distances or any(of is None for of in distances):
        return UNSAID
    nearest = min(of for of in distances if of is not None)
    return ACCEPTED if distances[0] == nearest <= APART_MOST else REFUSED


def across(
    bpy: Any, order: dict[str, Any], frame: int, of: tuple[str, str], progress: Opening
) -> dict[str, Any]:
    """Compare their picture with ours, just rendered, and with ours of fewer samples."""
    ours, theirs = of
    scene = bpy.context.scene
    samples = scene.eevee.taa_render_samples
    fewer = [max(round(samples * share), 1) for share in SHARES[1:]]
    told: dict[str, Any] = {"drawing": drawing_class(), "samples": [samples, *fewer]}
    if len({samples, *fewer}) < len(SHARES):
        return {**told, "outcome": UNSAID}
    with progress.about(PICTURE, written_size(scene), theirs=theirs, ours=ours):
        delivered = pixels_of(bpy, theirs)
    paths = [ours]
    for number in fewer:
        progress.next(f"whole frame, {number} samples")
        paths.append(again.render(bpy, {**order, "samples": number}, frame, f"our-{number}"))
    distances = [distance(pixels_of(bpy, path), delivered) for path in paths]
    rounded = [None if far is None else float(f"{far:.4g}") for far in distances]
    return {**told, "outcome": outcome(distances), "distances": rounded}
