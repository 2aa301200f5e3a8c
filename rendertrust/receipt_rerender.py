"""Re-rendering of a receipt's frame: what to render, which regions, and the verdict.

Pure functions. A receipt names the scene and its linked files by SHA-256, and the parameters of the
unit. Therefore anybody with the files can repeat the work and compare the two pictures.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import attrs

from rendertrust import json_values
from rendertrust.manifest import Manifest, ManifestError, path_fault, read
from rendertrust.node.plugins.frame_zips import number_of
from rendertrust.node.worker.checks.crop_placement import SIDE, SIDE_LEAST
from rendertrust.receipt import Receipt, WorkStatement
from rendertrust.receipt_check import PictureFile

SPOTS_MOST: Final = 8  # maximum number of regions that a dispute can name
# Differences as multiples of the noise. Renders of different device classes differ by at most
# CONSISTENT_MOST, a render with only 2/3 of the samples by at least DIFFERENT_LEAST, and a picture
# rebuilt from its passes by at most FINISHED_MOST.
CONSISTENT_MOST: Final = 0.3
DIFFERENT_LEAST: Final = 0.5
FINISHED_MOST: Final = 0.1
EXACT: Final = "exact"
CONSISTENT: Final = "consistent"
DIFFERENT: Final = "different"
UNDECIDED: Final = "undecided"
HOLDING: Final = (EXACT, CONSISTENT)
OTHER_CLASS: Final = (
    "this machine has another Blender than the node, and the difference is larger than known "
    "differences between such machines; repeat it with the Blender that the receipt names"
)
LOOSE: Final = (
    "honest machines may render this scene differently: an engine other than Cycles, Grease "
    "Pencil, path guiding, a Render Time pass, drivers that read how it is rendered, or a "
    "simulation that is not baked"
)
BETWEEN: Final = (
    "the difference is larger than measured between device classes, but too small to show another "
    "picture; JPEG compression alone may cause it"
)
UNKNOWN_FILES: Final = (
    "scene and files may differ from those that were sent: the receipt has only the hash of their "
    "list; fetch it by rendertrust jobs receipt --manifest, and pass it as --manifest"
)


# ── the frame ────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class RerenderSubject:
    """A frame to render again.

    ``scene``: SHA-256 of a scene that was sent alone. For a job of several files, ``manifest`` is
    the SHA-256 of the manifest, and ``place`` the scene's path in the manifest. ``blender`` (name,
    version, build) and ``seconds`` (for this frame) are the node's statements. ``evidence``:
    SHA-256 of the frame's evidence. ``before``: the earlier frames of the same chunk, on which
    unbaked simulations depend.
    """

    parameters: Mapping[str, Any]
    scene: str | None
    place: str | None
    manifest: str | None
    blender: tuple[str, str, str]
    seconds: float | None
    evidence: str | None = None
    before: tuple[int, ...] = ()

    @property
    def frame(self) -> int | None:
        """Return the frame's number; None if the scene's current frame was rendered."""
        frame: int | None = self.parameters.get("frame")
        return frame


def subject_of(receipt: Receipt, picture: PictureFile) -> RerenderSubject | str:
    """Return the frame that a receipt's picture shows, or why nothing can be rendered again."""
    document = receipt.work.document
    if document["job_type"] != "render":
        return f"the receipt is for a {document['job_type']} job; only frames can be rendered again"
    asked = document["parameters"]
    if not isinstance(asked, dict):
        return "the receipt has only a hash of its parameters, because they are long"
    if "tile" in asked:
        return "the receipt is for one tile; use the receipt of the complete frame"
    parameters = _of_one_frame(receipt.work, picture)
    if isinstance(parameters, str):
        return parameters
    files = _files(document["inputs"], asked)
    if isinstance(files, str):
        return files
    told = json_values.members(document["renderer"])
    named = [str(told.get(name) or "") for name in ("name", "version", "build")]
    return RerenderSubject(
        parameters=parameters,
        **files,
        blender=(named[0], named[1], named[2]),
        seconds=_seconds(document, asked),
        evidence=_evidence(document["measured"]),
        before=_before(parameters.get("frame"), asked.get("frames")),
    )


def _before(frame: object, frames: object) -> tuple[int, ...]:
    """Return the frames of a chunk before ``frame``; empty if the chunk has no such frame."""
    if not isinstance(frames, list) or frame not in frames:
        return ()
    earlier = frames[: frames.index(frame)]
    return tuple(number for number in earlier if type(number) is int)


def _evidence(measured: object) -> str | None:
    """Return the SHA-256 of the node's evidence; None without evidence."""
    sha256 = json_values.members(json_values.members(measured).get("evidence")).get("sha256")
    return sha256 if isinstance(sha256, str) else None


def _files(inputs: Sequence[str], asked: Mapping[str, Any]) -> dict[str, str | None] | str:
    """Return the SHA-256 of the scene or of the manifest.

    The scene is the first input, a manifest the last.
    """
    tiles, place = asked.get("tiles"), asked.get("scene")
    if len(inputs) != 1 + (len(tiles) if isinstance(tiles, list) else 0):
        return "the receipt does not name the files of the scene"
    if place is not None and (not isinstance(place, str) or path_fault(place) is not None):
        return "the receipt names the scene by an invalid path"
    if place is not None:
        return {"scene": None, "place": place, "manifest": inputs[-1]}
    return {"scene": inputs[0], "place": None, "manifest": None}


def _of_one_frame(work: WorkStatement, picture: PictureFile) -> dict[str, Any] | str:
    """Return the parameters for the picture's frame, which may belong to a chunk."""
    asked: Mapping[str, Any] = work.document["parameters"]
    left = ("frames", "tiles", "noisy", "evidence", "scene")
    parameters = {name: value for name, value in asked.items() if name not in left}
    several = asked.get("frames")
    if several is None and not asked.get("noisy"):
        return parameters
    name = _name_in(work, picture)
    if name is None:
        return "the file is a zip of several pictures; extract one of them and name that"
    number = number_of(name)
    if number is None or ".noisy." in name:
        return f"{name} is not a finished frame"
    if isinstance(several, list) and number not in several:
        return f"frame {number} is not part of the receipt's unit"
    return {**parameters, "frame": number}


def _name_in(work: WorkStatement, picture: PictureFile) -> str | None:
    """Return the picture's name in the delivered zip; None if the zip has no such picture."""
    named = json_values.members(json_values.members(work.document["pixels"]).get("pictures"))
    if isinstance(picture.pixels, str):
        return None
    found = [name for name, sha256 in named.items() if sha256 == picture.pixels.hex()]
    return next((name for name in found if PurePosixPath(name).name == picture.name), None) or next(
        iter(found), None
    )


def _seconds(document: Mapping[str, Any], asked: Mapping[str, Any]) -> float | None:
    frames = asked.get("frames")
    count = len(frames) if isinstance(frames, list) and frames else 1
    try:
        seconds = float(json_values.members(document["measured"]).get("seconds"))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return seconds / count if 0 <= seconds < 1e9 else None


# ── the files ────────────────────────────────────────────────────────────────────────────────────


def listed(content: bytes, subject: RerenderSubject) -> Manifest | str:
    """Parse the receipt's manifest; a returned string says why ``content`` is not that manifest."""
    if subject.manifest is None:
        return "the receipt names no list of files, because the scene was sent alone"
    if hashlib.sha256(content).hexdigest() != subject.manifest:
        return "it is not the list of files that the receipt names"
    try:
        manifest = read(content, "key")
    except ManifestError as fault:
        return f"it is not a list of files: {fault}"
    if manifest.scene != subject.place:
        return "the list names another scene than the receipt"
    return manifest


def differing(manifest: Manifest, found: Mapping[str, str]) -> list[str]:
    """Return a message for each file that is missing or changed. ``found``: SHA-256 by path."""
    faults = list[str]()
    for entry in manifest.files:
        if entry.path not in found:
            faults.append(f"{entry.path} was sent but is missing here")
        elif found[entry.path] != entry.sha256:
            faults.append(f"{entry.path} differs from the file that was sent")
    return faults


# ── the regions ──────────────────────────────────────────────────────────────────────────────────


def draws(random: Callable[[], float], count: int) -> list[list[float | None]]:
    """Draw positions of regions.

    Every second region is anywhere, the rest where the contrast is high. ``random`` returns a
    number in [0, 1).
    """
    return [[random(), random(), random() if number % 2 else None] for number in range(count)]


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class RegionDifference:
    """Difference of two regions' pixels, in multiples of the noise.

    ``off`` is None if the regions are equal or cannot be compared. ``at``: x and y of the upper
    left corner, width, height.
    """

    equal: bool
    off: float | None = None
    at: tuple[int, int, int, int] | None = None

    @property
    def farness(self) -> float:
        """Return the difference as a number: 0 if equal, infinite if it cannot be measured."""
        if self.equal:
            return 0.0
        return float("inf") if self.off is None else self.off

    @property
    def words(self) -> str:
        if self.equal:
            return "equal to the last bit"
        return "cannot be compared" if self.off is None else f"{self.off:.2g} times the noise"


@attrs.frozen(kw_only=True)
class RerenderReport:
    """Result of rendering a frame again.

    ``regions``: the rendered regions. If the whole frame was rendered, only the regions that differ
    too much, worst first. ``whole``: the difference of the whole frame. ``why_whole`` is the reason
    for rendering the whole frame. ``finish``: the difference to the picture rebuilt from its
    evidence. ``is_loose``: honest machines may render different pictures. ``fault`` is the fault of
    the delivered picture. ``unable`` is the reason why the picture cannot be compared.
    ``amplified``: factor by which the comparison sheet amplifies differences.
    """

    regions: tuple[RegionDifference, ...] = ()
    whole: RegionDifference | None = None
    why_whole: str | None = None
    finish: RegionDifference | None = None
    is_loose: bool = False
    fault: str | None = None
    unable: str | None = None
    amplified: int = 1
    blender: str = ""

    @property
    def farness(self) -> float:
        """Return the largest difference.

        Return the whole frame's difference if the whole frame was rendered.
        """
        if self.whole is not None:
            return self.whole.farness
        compared = (*self.regions, *(() if self.finish is None else (self.finish,)))
        return max((one.farness for one in compared), default=0.0)


def spots(report: RerenderReport, size: tuple[int, int]) -> list[dict[str, float]]:
    """Return the positions of the regions that differ most, in the form of a dispute.

    Each coordinate is a share of the range in which a check can place a region within a frame of
    ``size``.
    """
    far = sorted((one for one in report.regions if one.farness > 0 and one.at is not None),
                 key=lambda one: -one.farness)  # fmt: skip
    found = list[dict[str, float]]()
    for one in far[:SPOTS_MOST]:
        assert one.at is not None, "regions without a place were left out above"
        x, y, across, down = one.at
        middle = zip((x + across / 2, y + down / 2), size, strict=True)
        shares = [_share(at, side) for at, side in middle]
        found.append({"x": shares[0], "y": shares[1]})
    return found


def _share(middle: float, side: int) -> float:
    """Return the position, 0 to 1, along a side of the frame of a region with this middle."""
    extent = min(max(side // SIDE, SIDE_LEAST), side)
    free = side - extent
    start = min(max(middle - extent / 2, 0.0), float(free))
    return (int(start) + 0.5) / (free + 1)


@attrs.frozen
class Judgement:
    """Verdict on a picture (EXACT, CONSISTENT, DIFFERENT or UNDECIDED) with its reason."""

    verdict: str
    reason: str

    @property
    def holds(self) -> bool:
        """Return True if the delivered picture is what the scene renders to."""
        return self.verdict in HOLDING


def judge(report: RerenderReport, *, is_same_blender: bool, knows_files: bool) -> Judgement:
    """Judge the delivered picture by its difference from the new render.

    Machines of one device class render equal pictures. A receipt does not name its node's
    processor, so differences that are known between device classes count as consistent. If the
    difference is larger and this machine has another build of Blender, the verdict is UNDECIDED.
    """
    if report.fault is not None:
        return Judgement(DIFFERENT, report.fault)
    if report.unable is not None:
        return Judgement(UNDECIDED, report.unable)
    farness = report.farness
    where = f"{len(report.regions)} regions" if report.whole is None else "the whole frame"
    if farness == 0.0:
        return Judgement(EXACT, f"{where}: equal to the last bit")
    said = f"{where}: at most {farness:.2g} times the noise"
    if farness <= CONSISTENT_MOST:
        return Judgement(CONSISTENT, f"{said}, as between device classes")
    for is_so, reason in (
        (report.is_loose, LOOSE),
        (not is_same_blender, OTHER_CLASS),
        (not knows_files, UNKNOWN_FILES),
        (farness <= DIFFERENT_LEAST, f"{said}: {BETWEEN}"),
    ):
        if is_so:
            return Judgement(UNDECIDED, reason)
    how = "cannot be the same picture" if farness == float("inf") else said
    return Judgement(DIFFERENT, how)
