"""Check of whole frames that EEVEE drew.

EEVEE's pixels are not independent, so a region that is rendered alone differs from the same region
of the frame. Frames of one drawing class are equal to the last bit. Across drawing classes, the
delivered frame is compared with renders with all, three quarters and half of the samples. The
render with all samples must be the closest. If a scene has at most three samples, some of these
renders are equal.
"""

from typing import Any

import numpy as np

from ..render import passes
from ..render.frames import written_size
from ..scene.nondeterminism import drawing_class
from . import composited_check, image_comparison
from .delivered_files import pixels_of
from .open_watchdog import PICTURE, OpenProgress

Array = Any
SHARES = (1.0, 0.75, 0.5)  # shares of the samples
APART_MOST = 0.03  # maximum mean difference of two pictures, in units of white
EXACT, ACCEPTED, REFUSED, UNSAID = "exact", "accepted", "refused", "unsaid"
_FROM_WORST = (REFUSED, UNSAID, ACCEPTED, EXACT)
# Codes that say why a frame is refused, or why there is no decision.
FEWER_SAMPLES, FAR = "fewer-samples", "another-picture"
NO_NUMBERS = "not-comparable"
COMBINED = "Combined"


def numbers_of(samples: int) -> list[int]:
    """Return the different numbers of samples to render with, the scene's own number first."""
    return list(dict.fromkeys(max(round(samples * share), 1) for share in SHARES))


def distance(ours: Array, theirs: Array) -> float | None:
    """Return the mean difference of the displayed values, 0 to 1.

    Return None if the pictures cannot be compared. NaN counts as black, infinity as white.
    """
    if ours.shape != theirs.shape:
        return None
    one, other = (
        np.nan_to_num(np.clip(image_comparison.visible(of), 0.0, 1.0).astype(np.float64))
        for of in (ours, theirs)
    )
    return float(np.abs(one - other).mean()) if one.size else None


def outcome(distances: list[float | None]) -> tuple[str, list[str]]:
    """Return the outcome and its codes, from the distances to renders with fewer and fewer samples.

    The frame is accepted if the first distance is the smallest, and at most APART_MOST.
    """
    known = [of for of in distances if of is not None]
    if not known or len(known) < len(distances):
        return UNSAID, [NO_NUMBERS]
    wrong = {FEWER_SAMPLES: known[0] > min(known), FAR: known[0] > APART_MOST}
    codes = [code for code, is_so in wrong.items() if is_so]
    return (REFUSED if codes else ACCEPTED), codes


def compare(
    bpy: Any,
    order: dict[str, Any],
    frame: int,
    of: tuple[str, str],
    progress: OpenProgress,
    *,
    is_equal: bool,
) -> dict[str, Any]:
    """Compare the delivered picture with our render and, unless equal, with fewer samples."""
    ours, theirs = of
    scene = bpy.context.scene
    told: dict[str, Any] = {"drawing": drawing_class()}
    if is_equal:
        return {**told, "outcome": EXACT}
    numbers, size = numbers_of(scene.eevee.taa_render_samples), written_size(scene)
    told |= {"samples": numbers}
    with progress.about(PICTURE, size, theirs=theirs, ours=ours):
        delivered = _pixels(bpy, theirs, size)
    paths = [ours]
    for number in numbers[1:]:
        progress.next(f"whole frame, {number} samples")
        paths.append(
            composited_check.render(bpy, {**order, "samples": number}, frame, f"our-{number}")
        )
    distances = [distance(_pixels(bpy, path, size), delivered) for path in paths]
    rounded = [None if far is None else float(f"{far:.4g}") for far in distances]
    found, codes = outcome(distances)
    return {**told, "outcome": found, "reasons": codes, "distances": rounded}


def _pixels(bpy: Any, path: str, size: tuple[int, int]) -> Array:
    """Return the pixels of a picture, or of the images of all its layers."""
    pixels = pixels_of(bpy, path)
    if pixels.size:
        return pixels
    read = passes.read(bpy, path, size, passes.kinds_in(path))
    images = [bands[COMBINED] for bands in read.values() if COMBINED in bands]
    return np.concatenate(images) if images else pixels


def together(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the worst report of a chunk's frames."""
    return min(found, key=lambda one: _FROM_WORST.index(one["outcome"]))
