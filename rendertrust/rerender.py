"""A frame that a receipt names, rendered again: what is rendered, where, and what the result says.

Pure. A receipt names the scene and its linked files by SHA-256, and the parameters of the unit. So
whoever has the files can repeat the work, and compare the picture with what was delivered.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import attrs

from rendertrust import untrusted
from rendertrust.manifest import Manifest, ManifestError, path_fault, read
from rendertrust.node.plugins.bundle import number_of
from rendertrust.node.worker.crop_placement import SIDE, SIDE_LEAST
from rendertrust.receipt import Receipt, WorkStatement
from rendertrust.receipt_check import PictureFile

SPOTS_MOST: Final = 8  # places that a dispute names
CONSISTENT_MOST: Final = 0.3  # times the noise: as between two classes of machine
DIFFERENT_LEAST: Final = 0.5  # times the noise: what two thirds of the samples make
FINISHED_MOST: Final = 0.1  # a picture that was made anew of the same passes
EXACT: Final = "exact"
CONSISTENT: Final = "consistent"
DIFFERENT: Final = "different"
UNDECIDED: Final = "undecided"
HOLDING: Final = (EXACT, CONSISTENT)
OTHER_CLASS: Final = (
    "this machine has another Blender than the node had, and the difference is larger than such "
    "machines are known to make; repeat it with the Blender that the receipt names"
)
LOOSE: Final = (
    "honest machines may render this scene differently: an engine other than Cycles, path guiding, "
    "a Render Time pass, drivers that read how it is rendered, or a simulation that is not baked"
)
BETWEEN: Final = (
    "it is further off than machines of two classes were seen to be, and nearer than another "
    "picture is for certain; a JPEG may be, as it loses more than they differ by"
)
UNKNOWN_FILES: Final = (
    "scene and files may be others than those that were sent: the receipt names the list of them "
    "by its hash alone; fetch it by rendertrust jobs receipt --manifest, and give it by --manifest"
)


# ── what a receipt names ─────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class RerenderSubject:
    """A frame to render again.

    ``scene``: SHA-256 of a scene that was sent alone. Else ``manifest``: SHA-256 of the list of the
    job's files, and ``place``: the scene's path among them. ``blender``: name, version and build,
    and ``seconds``: what the frame took, both by the node's word. ``evidence``: SHA-256 of what it
    delivered beside the picture.
    """

    parameters: Mapping[str, Any]
    scene: str | None
    place: str | None
    manifest: str | None
    blender: tuple[str, str, str]
    seconds: float | None
    evidence: str | None = None

    @property
    def frame(self) -> int | None:
        """The frame's number; None: the scene's current one."""
        frame: int | None = self.parameters.get("frame")
        return frame


def subject_of(receipt: Receipt, picture: PictureFile) -> RerenderSubject | str:
    """The frame that a receipt's picture shows, or why it cannot be rendered again."""
    document = receipt.work.document
    if document["job_type"] != "render":
        return f"it is the work of a {document['job_type']} job; frames alone are rendered again"
    asked = document["parameters"]
    if not isinstance(asked, dict):
        return "the receipt has its parameters as a hash alone, as they are long"
    if "tile" in asked:
        return "it is one tile; repeat the receipt of the frame that is made of the tiles"
    parameters = _of_one_frame(receipt.work, picture)
    if isinstance(parameters, str):
        return parameters
    files = _files(document["inputs"], asked)
    if isinstance(files, str):
        return files
    told = untrusted.members(document["renderer"])
    named = [str(told.get(name) or "") for name in ("name", "version", "build")]
    return RerenderSubject(
        parameters=parameters,
        **files,
        blender=(named[0], named[1], named[2]),
        seconds=_seconds(document, asked),
        evidence=_evidence(document["measured"]),
    )


def _evidence(measured: object) -> str | None:
    """SHA-256 of what its node delivered beside the picture."""
    sha256 = untrusted.members(untrusted.members(measured).get("evidence")).get("sha256")
    return sha256 if isinstance(sha256, str) else None


def _files(inputs: Sequence[str], asked: Mapping[str, Any]) -> dict[str, str | None] | str:
    """The scene, then tiles; or tiles, then the list of files: then ``scene`` names one of them."""
    tiles, place = asked.get("tiles"), asked.get("scene")
    if len(inputs) != 1 + (len(tiles) if isinstance(tiles, list) else 0):
        return "the receipt does not name the files of the scene"
    if place is not None and (not isinstance(place, str) or path_fault(place) is not None):
        return "the receipt names a scene by a path that no job has"
    if place is not None:
        return {"scene": None, "place": place, "manifest": inputs[-1]}
    return {"scene": inputs[0], "place": None, "manifest": None}


def _of_one_frame(work: WorkStatement, picture: PictureFile) -> dict[str, Any] | str:
    """The parameters of the picture's frame: of the unit's, or of one of a chunk's."""
    asked: Mapping[str, Any] = work.document["parameters"]
    left = ("frames", "tiles", "noisy", "evidence", "scene")
    parameters = {name: value for name, value in asked.items() if name not in left}
    several = asked.get("frames")
    if several is None and not asked.get("noisy"):
        return parameters
    name = _name_in(work, picture)
    if name is None:
        return "the file is a zip of several pictures; take one out of it, and name that"
    number = number_of(name)
    if number is None or ".noisy." in name:
        return f"{name} is no finished frame"
    if isinstance(several, list) and number not in several:
        return f"the receipt was not asked for the frame {number}"
    return {**parameters, "frame": number}


def _name_in(work: WorkStatement, picture: PictureFile) -> str | None:
    """The picture's name in the zip that was delivered."""
    named = untrusted.members(untrusted.members(work.document["pixels"]).get("pictures"))
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
        seconds = float(untrusted.members(document["measured"]).get("seconds"))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return seconds / count if 0 <= seconds < 1e9 else None


# ── its files ────────────────────────────────────────────────────────────────────────────────────


def listed(content: bytes, subject: RerenderSubject) -> Manifest | str:
    """The list of a job's files, if it is the one that the receipt names; else what is wrong."""
    if subject.manifest is None:
        return "the receipt names no list of files: the scene was sent alone"
    if hashlib.sha256(content).hexdigest() != subject.manifest:
        return "it is not the list of files that the receipt names"
    try:
        manifest = read(content, "key")
    except ManifestError as fault:
        return f"it is no list of files: {fault}"
    if manifest.scene != subject.place:
        return "its scene is another one than the receipt's"
    return manifest


def differing(manifest: Manifest, found: Mapping[str, str]) -> list[str]:
    """What of a list's files is not here as it was sent, in words; ``found``: SHA-256 by path."""
    faults = list[str]()
    for entry in manifest.files:
        if entry.path not in found:
            faults.append(f"{entry.path} was sent, and is not here")
        elif found[entry.path] != entry.sha256:
            faults.append(f"{entry.path} is other content than what was sent")
    return faults


# ── where to look ────────────────────────────────────────────────────────────────────────────────


def draws(random: Callable[[], float], count: int) -> list[list[float | None]]:
    """Numbers that say where regions lie: every second anywhere, the others where much varies.

    ``random`` gives a number from 0 up to 1.
    """
    return [[random(), random(), random() if number % 2 else None] for number in range(count)]


# ── what the result says ─────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class RegionDifference:
    """How far pixels are off, in multiples of the noise. ``off`` is None where they are equal, or
    where there is no such number. ``at``: x, y from the upper left corner, width, height.
    """

    equal: bool
    off: float | None = None
    at: tuple[int, int, int, int] | None = None

    @property
    def farness(self) -> float:
        """``off`` as a number: 0 where they are equal, infinite where there is none."""
        if self.equal:
            return 0.0
        return float("inf") if self.off is None else self.off

    @property
    def words(self) -> str:
        """How far off, for people."""
        if self.equal:
            return "equal to the last bit"
        return "cannot be compared" if self.off is None else f"{self.off:.2g} times the noise"


@attrs.frozen(kw_only=True)
class RerenderReport:
    """What came of rendering again.

    ``regions``: all that were rendered, or of a frame that was rendered whole those that are too
    far off, the farthest first. ``whole``: all of it; ``why_whole``: why it was rendered so.
    ``finish``: the picture made anew of its evidence. ``is_loose``: honest machines may differ.
    ``fault``: of the picture; ``unable``: why it cannot be compared. ``amplified``: by how much
    differences are, where both are shown side by side.
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
        """How far off it is: the whole frame's word counts, where there is one."""
        if self.whole is not None:
            return self.whole.farness
        compared = (*self.regions, *(() if self.finish is None else (self.finish,)))
        return max((one.farness for one in compared), default=0.0)


def spots(report: RerenderReport, size: tuple[int, int]) -> list[dict[str, float]]:
    """Return where the regions lie that are farthest off, as a dispute names them.

    Each is a share of what the frame of ``size`` leaves free beside a region of a check.
    """
    far = sorted((one for one in report.regions if one.farness > 0 and one.at is not None),
                 key=lambda one: -one.farness)  # fmt: skip
    found = list[dict[str, float]]()
    for one in far[:SPOTS_MOST]:
        assert one.at is not None, "others were left out"
        x, y, across, down = one.at
        middle = zip((x + across / 2, y + down / 2), size, strict=True)
        shares = [_share(at, side) for at, side in middle]
        found.append({"x": shares[0], "y": shares[1]})
    return found


def _share(middle: float, side: int) -> float:
    """Where a region with this middle lies within a side of the frame, from 0 up to 1."""
    extent = min(max(side // SIDE, SIDE_LEAST), side)
    free = side - extent
    start = min(max(middle - extent / 2, 0.0), float(free))
    return (int(start) + 0.5) / (free + 1)


@attrs.frozen
class Judgement:
    """``verdict``: EXACT, CONSISTENT, DIFFERENT or UNDECIDED; ``reason``, in words."""

    verdict: str
    reason: str

    @property
    def holds(self) -> bool:
        """Whether the picture is what the scene gives."""
        return self.verdict in HOLDING


def judge(report: RerenderReport, *, is_same_blender: bool, knows_files: bool) -> Judgement:
    """What the comparison says of the delivered picture.

    Machines of one class render equal pictures. A receipt does not tell its node's processor, so
    what machines of two classes are known to differ by is consistent. Beyond that another build of
    Blender leaves it undecided: a statistical comparison across classes belongs here, where
    OTHER_CLASS is answered.
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
        return Judgement(CONSISTENT, f"{said}, as machines of another class differ")
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
