"""Check of whole frames that EEVEE or Workbench drew.

EEVEE's pixels are not independent, so a region that is rendered alone differs from the same region
of the frame. Frames of one drawing class are equal to the last bit. Across drawing classes, the
delivered frame is compared with renders with all, three quarters and half of the samples. The
render with all samples must be the closest. If a scene has at most three samples, or its engine has
none, some of these renders are equal. A frame that was drawn smaller and enlarged is close, too,
but lacks the detail.
"""

from typing import Any

import numpy as np

from ..render import passes
from ..render.frames import written_size
from ..scene.nondeterminism import drawing_class
from ..scene.settings import samples_of
from . import composited_check, image_comparison
from .delivered_files import pixels_of
from .open_watchdog import PICTURE, OpenProgress

Array = Any
SHARES = (1.0, 0.75, 0.5)  # shares of the samples
APART_MOST = 0.03  # maximum mean difference of two pictures, in units of white
# Least correlation of the detail. It is 0.99 with three quarters of the samples, and below 0.7 for
# enlarged frames of half the size, however they are sharpened.
ALIKE_LEAST = 0.8
DETAIL_LEAST = 0.01  # least detail of a block that is compared; less may be rounding
BLOCKS_LEAST = 16
EXACT, ACCEPTED, REFUSED, UNSAID = "exact", "accepted", "refused", "unsaid"
_FROM_WORST = (REFUSED, UNSAID, ACCEPTED, EXACT)
# Codes that say why a frame is refused, or why there is no decision.
FEWER_SAMPLES, FAR, OTHER_DETAIL = "fewer-samples", "another-picture", "other-detail"
NO_NUMBERS = "not-comparable"
COMBINED = "Combined"


def numbers_of(samples: int) -> list[int]:
    """Return the different numbers of samples to render with, the scene's own number first."""
    return list(dict.fromkeys(max(round(samples * share), 1) for share in SHARES))


def _shown(picture: Array) -> Array:
    """Return the displayed values, 0 to 1. NaN counts as black, infinity as white."""
    seen = np.clip(image_comparison.visible(picture), 0.0, 1.0)
    return np.nan_to_num(seen.astype(np.float64))


def distance(ours: Array, theirs: Array) -> float | None:
    """Return the mean difference of the displayed values, 0 to 1.

    Return None if the pictures cannot be compared.
    """
    if ours.shape != theirs.shape:
        return None
    one, other = _shown(ours), _shown(theirs)
    return float(np.abs(one - other).mean()) if one.size else None


def alikeness(ours: Array, theirs: Array) -> float:
    """Return the correlation of the detail of two pictures of equal shape, where ours has detail:
    the differences within blocks of two by two pixels.

    Return 1 if ours has too little detail.
    """
    one, other = _detail(_shown(ours)), _detail(_shown(theirs))
    has_detail = np.abs(one).max(axis=0) >= DETAIL_LEAST
    if has_detail.sum() < BLOCKS_LEAST:
        return 1.0
    one, other = one[:, has_detail], other[:, has_detail]
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / size if size > 0 else 0.0


def _detail(shown: Array) -> Array:
    height, width = (side // 2 * 2 for side in shown.shape[:2])
    grey = shown[:height, :width, :3].mean(axis=2)
    one, two, three, four = (grey[row::2, column::2] for row in (0, 1) for column in (0, 1))
    return np.stack([one - two + three - four, one + two - three - four, one - two - three + four])


def outcome(distances: list[float | None], alike: float = 1.0) -> tuple[str, list[str]]:
    """Return the outcome and its codes, from the distances to renders with fewer and fewer samples.

    The frame is accepted if the first distance is the smallest and at most APART_MOST, and if its
    detail is ``alike``.
    """
    known = [of for of in distances if of is not None]
    if not known or len(known) < len(distances):
        return UNSAID, [NO_NUMBERS]
    wrong = {FEWER_SAMPLES: known[0] > min(known), FAR: known[0] > APART_MOST}
    wrong |= {OTHER_DETAIL: alike < ALIKE_LEAST}
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
    numbers, size = numbers_of(samples_of(scene) or 1), written_size(scene)
    told |= {"samples": numbers}
    with progress.about(PICTURE, size, theirs=theirs, ours=ours):
        delivered = _pixels(bpy, theirs, size)
    paths = [ours]
    for number in numbers[1:]:
        progress.next(f"whole frame, {number} samples")
        paths.append(
            composited_check.render(bpy, {**order, "samples": number}, frame, f"our-{number}")
        )
    made = [_pixels(bpy, path, size) for path in paths]
    distances = [distance(one, delivered) for one in made]
    rounded = [None if far is None else float(f"{far:.4g}") for far in distances]
    alike = 1.0 if distances[0] is None else alikeness(made[0], delivered)
    found, codes = outcome(distances, alike)
    told |= {"alike": round(alike, 3)}
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
