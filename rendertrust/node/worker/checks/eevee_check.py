"""Check of whole frames that EEVEE drew.

EEVEE's pixels are not independent, so a region renders differently than within the frame. Within a
drawing class frames are equal to the last bit. Across classes the delivered frame is compared with
three renders, with all, three quarters and half of the samples; the first must be the closest.
"""

from typing import Any

import numpy as np

from ..render.frames import written_size
from ..scene.reproducibility import drawing_class
from . import composited_check, image_comparison
from .delivered_files import pixels_of
from .open_watchdog import PICTURE, OpenProgress

Array = Any
SHARES = (1.0, 0.75, 0.5)  # of the samples
APART_MOST = 0.03  # in units of white, as a mean over all values
EXACT, ACCEPTED, REFUSED, UNSAID = "exact", "accepted", "refused", "unsaid"
_FROM_WORST = (REFUSED, UNSAID, ACCEPTED, EXACT)
# Codes of the reasons for a refusal, or for no decision.
FEWER_SAMPLES, FAR = "fewer-samples", "another-picture"
FEW_SAMPLES, NO_NUMBERS = "few-samples", "not-comparable"


def distance(ours: Array, theirs: Array) -> float | None:
    """Return the mean difference of the displayed values, 0 to 1.

    None if they cannot be compared.
    """
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return None
    one, other = (
        np.clip(image_comparison.visible(of), 0.0, 1.0).astype(np.float64) for of in (ours, theirs)
    )
    return float(np.abs(one - other).mean()) if one.size else None


def outcome(distances: list[float | None]) -> tuple[str, list[str]]:
    """Return the outcome and its codes, from the distances to renders with ``SHARES`` of the
    samples.

    The first distance must be the smallest, and small.
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
    """Compare their picture with our render and, unless they are equal, with renders of fewer
    samples.
    """
    ours, theirs = of
    scene = bpy.context.scene
    told: dict[str, Any] = {"drawing": drawing_class()}
    if is_equal:
        return {**told, "outcome": EXACT}
    samples = scene.eevee.taa_render_samples
    fewer = [max(round(samples * share), 1) for share in SHARES[1:]]
    told |= {"samples": [samples, *fewer]}
    if len({samples, *fewer}) < len(SHARES):
        return {**told, "outcome": UNSAID, "reasons": [FEW_SAMPLES]}
    with progress.about(PICTURE, written_size(scene), theirs=theirs, ours=ours):
        delivered = pixels_of(bpy, theirs)
    paths = [ours]
    for number in fewer:
        progress.next(f"whole frame, {number} samples")
        paths.append(
            composited_check.render(bpy, {**order, "samples": number}, frame, f"our-{number}")
        )
    distances = [distance(pixels_of(bpy, path), delivered) for path in paths]
    rounded = [None if far is None else float(f"{far:.4g}") for far in distances]
    found, codes = outcome(distances)
    return {**told, "outcome": found, "reasons": codes, "distances": rounded}


def together(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the worst report of a chunk's frames."""
    return min(found, key=lambda one: _FROM_WORST.index(one["outcome"]))
