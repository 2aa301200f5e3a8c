"""Parser of a node's preflight report on a scene or model. The report is untrusted, so one fault
refuses the whole report.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import attrs
from msgspec import Meta

from rendertrust.blender_version import BlenderVersion
from rendertrust.preflight.frame_probe import MeasuredFrame, Probe
from web.http.converter import structure
from web.http.json_document import parse, unwritable
from web.http.problem import Fault

BYTES_MAX: Final = 256 * 1024

Text = Annotated[str, Meta(max_length=1000)]
Names = Annotated[list[Text], Meta(max_length=500)]
Version = Annotated[list[Annotated[int, Meta(ge=0, le=9999)]], Meta(min_length=2, max_length=3)]
Seconds = Annotated[float, Meta(ge=0, le=1e6)]
Count = Annotated[int, Meta(ge=0, le=10**15)]
Side = Annotated[int, Meta(ge=0, le=10**6)]
ShownIn = Annotated[
    str,
    Meta(
        max_length=1000,
        pattern=r"^-?[0-9]{1,7}(?:[-,x]-?[0-9]{1,7})*$",
        description="frames, like 1-250, 1-100x5 or 3,7",
    ),
]
Samples = Annotated[int, Meta(ge=1, le=2**31)]
Frame = Annotated[int, Meta(ge=-(2**31), le=2**31)]


@attrs.frozen
class MissingFile:
    """A file that the scene refers to, and that is not among the inputs.

    ``file``: its name. ``frames``: the frames that show the file; None if all frames do.
    """

    kind: Text
    owner: Text
    path: Text
    file: Text
    frames: ShownIn | None = None
    bytes: None = None  # findings read the size of each file; a missing file has none


@attrs.frozen
class Script:
    kind: Literal["text", "driver"]
    object: Text


@attrs.frozen
class Needing:
    """The bytes that one object or texture needs."""

    object: Text
    bytes: Count


@attrs.frozen
class MemoryNeed:
    bytes: Count = 0
    most: Annotated[list[Needing], Meta(max_length=10)] = attrs.field(factory=list[Needing])


@attrs.frozen
class ProbedFrame:
    frame: Frame
    base: Seconds
    pixel: Seconds
    least: Seconds
    most: Seconds
    flat: Seconds = 0.0
    sample: Seconds = 0.0


@attrs.frozen
class SceneProbe:
    width: Annotated[int, Meta(ge=1, le=10**6)]
    height: Annotated[int, Meta(ge=1, le=10**6)]
    samples: Samples
    threads: Annotated[int, Meta(ge=1, le=4096)]
    frames: Annotated[list[ProbedFrame], Meta(min_length=1, max_length=3)]
    peak_bytes: Count = 0  # memory that Cycles counted at most; 0: not measured

    def probe(self) -> Probe:
        """Return the probe in the form that estimates and prices use, sorted by frame."""
        frames = tuple(
            MeasuredFrame(**attrs.asdict(one))
            for one in sorted(self.frames, key=lambda one: one.frame)
        )
        return Probe(width=self.width, height=self.height, samples=self.samples, frames=frames)


def _names() -> list[str]:
    return []


@attrs.frozen
class SceneFacts:
    """Facts that a node reports about a scene; the input of ``rendertrust.preflight.findings``.

    If the scene could not be opened, only the first few attributes are set. ``measured_range``: the
    first and last of the frames for which the node measured some, or tells why not; None means
    those of the scene. ``timed_out``: the node's time limit ended the inspection or the
    measurement, for the reason ``error`` or ``unprobed``.
    """

    opened: bool
    saved_by: Version
    error: Text = ""
    is_newer: bool = False
    blender: Version = attrs.field(factory=lambda: [0, 0])
    engine: Text = ""
    samples: Samples | None = None
    is_adaptive: bool = False
    time_limit: Seconds = 0.0
    denoiser: Text | None = None
    width: Side = 0
    height: Side = 0
    format: Text = ""
    is_movie: bool = False
    burns_in: bool = False
    renders_region: bool = False
    cameras: Names = attrs.field(factory=_names)
    has_camera: bool = False
    output_nodes: Names = attrs.field(factory=_names)
    frame_start: Frame = 0
    frame_end: Frame = 0
    frame_current: Frame = 0
    frame_step: Annotated[int, Meta(ge=1, le=2**31)] = 1
    fps: Side = 0
    fps_base: Seconds = 1.0
    files: Annotated[list[MissingFile], Meta(max_length=500)] = attrs.field(
        factory=list[MissingFile]
    )
    missing_blocks: Names = attrs.field(factory=_names)
    scripts: Annotated[list[Script], Meta(max_length=500)] = attrs.field(factory=list[Script])
    unknown_nodes: Names = attrs.field(factory=_names)
    computed_paths: Names = attrs.field(factory=_names)
    lost_views: Names = attrs.field(factory=_names)
    unbaked: Names = attrs.field(factory=_names)
    memory: MemoryNeed = attrs.field(factory=MemoryNeed)
    unmade: Names = attrs.field(factory=_names)
    tile_obstacles: Names = attrs.field(factory=_names)
    device_dependent: Names = attrs.field(factory=_names)
    grease_pencil: Text | None = None
    probe: SceneProbe | None = None
    starting: Seconds = 0.0  # time until Blender had opened the scene; 0: not measured
    unprobed: Text = ""
    probe_failed: bool = False
    timed_out: bool = False
    measured_range: Annotated[list[Frame], Meta(min_length=2, max_length=2)] | None = None

    @property
    def measured(self) -> tuple[int, int]:
        """The first and last of the frames for which the measurement counts."""
        first, last = self.measured_range or (self.frame_start, self.frame_end)
        return first, last

    @property
    def lacked_version(self) -> BlenderVersion | None:
        """The version of Blender that saved a scene that another version could not open."""
        saved, tried = (self.saved_by[0], self.saved_by[1]), (self.blender[0], self.blender[1])
        return None if self.opened or not self.is_newer or saved == tried else saved

    def counts_for(self, frames: Sequence[int]) -> bool:
        """Return False if some of the ascending ``frames`` must be measured first."""
        first, last = self.measured
        return not (self.opened and frames) or (first <= frames[0] and frames[-1] <= last)


@attrs.frozen
class ModelFacts:
    """Facts that a node reports about a model: seconds until it was loaded, and of a row.

    ``params``: the parameters of the job for which it was measured. ``batches``: how many batches
    of rows were measured. ``error``: why nodes do not run it.
    """

    start: Seconds = 0.0
    row: Seconds = 0.0
    batches: Annotated[int, Meta(ge=0, le=10**6)] = 0
    error: Text = ""
    params: Annotated[dict[str, int], Meta(max_length=10)] = attrs.field(factory=dict[str, int])

    def counts_for(self, params: Mapping[str, Any]) -> bool:
        """Return False if a job with these parameters must be measured first."""
        return self.params == params


MODEL_MEMBER: Final = "model"
KNOWN: Final = frozenset(field.name for field in attrs.fields(SceneFacts))


def facts_in(report: bytes) -> SceneFacts | ModelFacts | str:
    """Return the facts of a report, or why it is invalid."""
    document = parse(report)
    if isinstance(document, Fault):
        return document.message
    return facts_of(document)


def facts_of(document: dict[str, Any]) -> SceneFacts | ModelFacts | str:
    """Return the facts of a parsed report; unknown members, which a newer node may send, are
    ignored.
    """
    if fault := next(unwritable(document), None):
        return fault.message
    model = document.get(MODEL_MEMBER)
    if isinstance(model, dict):
        found: SceneFacts | ModelFacts | list[Fault] = structure(model, ModelFacts)
    else:
        known = {name: value for name, value in document.items() if name in KNOWN}
        found = structure(known, SceneFacts)
    if isinstance(found, list):
        return f"{found[0].field} {found[0].message}"
    return found
