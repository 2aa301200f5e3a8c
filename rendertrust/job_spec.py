"""A job as its creator describes it: the body of a request, and the argument of the clients.

A new parameter of jobs is declared here, with its limits and its documentation. The gateway parses
requests with these classes and derives their schemas; the command line derives its options; and the
plan that is stored with a job contains the whole ``JobSpec``.

A term of the job is a field of ``JobSpec``. If ``rendertrust.api.jobs.Job`` has a field of the same
name, the gateway's answers show it. The Blender extension offers terms in ``extension/state.py``
and ``extension/panel.py``.

A requirement is a field of ``NodeNeeds``, and touches more places. Nodes say what they have:
``Hello`` in ``rendertrust/relay_frames.py``, filled in by ``rendertrust/node/hello.py``. The
Scheduler compares this with ``Requirements`` in ``actors/scheduler/node.py``. It counts the nodes
that lack it (``LACKS`` in ``actors/scheduler/queries.py``, ``WaitCounts`` in
``actors/scheduler/messages.py``), and ``web/jobs/wait_reasons.py`` says so. The option ``--needs``
is parsed in ``rendertrust/cli/requirements.py``. What a scene itself needs is added in
``rendertrust/cli/scene_dependencies.py``, also for the extension, and in
``web/jobs/preflights.py``.

A parameter of ``render`` is a field of ``RenderParams``. Nodes parse it in
``rendertrust/node/plugins/render_order.py`` (also add it to ``KNOWN``) and apply it in
``rendertrust/node/worker/scene/settings.py``; older nodes refuse it as unknown. The console's form
is ``web/console/pages/new_job.py``, the table for people is in ``docs/RENDERING.md``.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import attrs

from rendertrust.frame_range import FRAME_MAX, TEXT_MAX
from rendertrust.job_name import JobName
from rendertrust.value_types import Amount, Doc, Limits, Quoted

CHUNK_MAX: Final = 64  # frames in a unit
SIDE_LEAST: Final = 4  # pixels of a picture's width or height
SIDE_MAX: Final = 16_384
SAMPLES_MAX: Final = 65_536

# A job type is one word, because it appears in lists, labels and paths.
JobType: TypeAlias = Annotated[
    str,
    Limits(
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        description="one word of letters, digits and . _ : / -, like render",
    ),
]
Reference: TypeAlias = Annotated[str, Limits(min_length=1, max_length=500)]
Frames: TypeAlias = Annotated[str, Limits(min_length=1, max_length=TEXT_MAX)]
Chunk: TypeAlias = Annotated[int, Limits(ge=1, le=CHUNK_MAX)]
Tiles: TypeAlias = Annotated[
    str,
    Limits(
        pattern=r"^[1-9][0-9]?x[1-9][0-9]?$", description="columns x rows of each frame, like 2x2"
    ),
]
Order: TypeAlias = Literal["sequential", "every_nth", "middle_first"]
Priority: TypeAlias = Literal["low", "normal", "high"]
# Mails about a job: all, only if it fails or is paused at its cap, or none.
Notify: TypeAlias = Literal["all", "failure", "none"]
Endpoint: TypeAlias = Annotated[
    str,
    Limits(
        pattern=r"^(none|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$",
        description="the id of one of your webhook endpoints, or none",
    ),
]
Container: TypeAlias = Literal["MP4", "WEBM"]
Pool: TypeAlias = Literal["mine", "trusted", "any"]

Device: TypeAlias = Literal["cpu", "gpu"]
DeviceClass: TypeAlias = Annotated[str, Limits(min_length=1, max_length=200)]
Memory: TypeAlias = Annotated[int, Limits(ge=1, le=1 << 50)]
Version: TypeAlias = Annotated[
    str, Limits(pattern=r"^[2-9]\.[0-9]{1,2}$", description="of Blender, like 5.2")
]

Frame: TypeAlias = Annotated[int, Limits(ge=-FRAME_MAX, le=FRAME_MAX)]
Pixels: TypeAlias = Annotated[int, Limits(ge=SIDE_LEAST, le=SIDE_MAX)]
Samples: TypeAlias = Annotated[int, Limits(ge=1, le=SAMPLES_MAX)]
Format: TypeAlias = Literal["PNG", "JPEG", "OPEN_EXR"]
FORMATS: Final[tuple[str, ...]] = get_args(Format)


@attrs.frozen
class NodeNeeds:
    """Requirements that the nodes of a job must meet.

    A member that is left out requires nothing.
    """

    device: Annotated[Device | None, Doc("The kind of device that renders.")] = None
    blender: Annotated[
        Version | None,
        Doc(
            "Exactly this version of Blender, major and minor (default: the one that saved the"
            " scene); with ``or_newer`` also newer ones."
        ),
    ] = None
    memory: Annotated[Memory | None, Doc("Memory for a unit, in bytes.")] = None
    device_class: Annotated[
        DeviceClass | None,
        Doc(
            "Exactly this device class: device, instruction set and build of Blender, as nodes"
            " report them."
        ),
    ] = None
    alike: Annotated[
        bool | None,
        Doc("Run all units on nodes of one device class, which is chosen at submission."),
    ] = None
    opengl: Annotated[
        bool | None,
        Doc("Nodes with OpenGL, which EEVEE, Workbench and Grease Pencil need."),
    ] = None

    vram: Annotated[
        Memory | None,
        Doc("Graphics memory for a unit, in bytes; only graphics cards have it."),
    ] = None

    def members(self) -> dict[str, Any]:
        """Return the requirements that are given, by their names in the API."""
        return _said(self, NodeNeeds())


@attrs.frozen
class RenderParams:
    """Parameters of the job type ``render``.

    The scene's own settings replace parameters that are left out.
    """

    frame: Annotated[Frame | None, Doc("The frame (default: the scene's current one).")] = None
    width: Annotated[
        Pixels | None, Doc("Width in pixels, together with height (default: the scene's).")
    ] = None
    height: Annotated[
        Pixels | None, Doc("Height in pixels, together with width (default: the scene's).")
    ] = None
    samples: Annotated[Samples | None, Doc("Samples per pixel (default: the scene's).")] = None
    format: Annotated[Format | None, Doc("File format of the picture (default: the scene's).")] = (
        None
    )
    noisy: Annotated[bool | None, Doc("Also write the noisy pass of each frame.")] = None

    def members(self) -> dict[str, Any]:
        """Return the parameters that are given, by their names in the API."""
        return _said(self, RenderParams())


@attrs.frozen
class JobSpec:
    """A job to submit or to quote. A quote without ``payload_ref`` examines no file.

    With ``frames`` the job has a unit for each frame, or for each ``chunk`` of frames. With
    ``tiles`` a frame has a unit for each tile, and a last unit that puts the tiles together.
    """

    job_type: Annotated[JobType, Doc("``render``, ``video``, or what a plugin on a node does.")]
    payload_ref: Annotated[Reference | None, Doc("The ``payload_ref`` of an upload.")] = None
    params: Annotated[dict[str, Any], Doc("Parameters of the job type.")] = attrs.field(
        factory=dict[str, Any]
    )
    queue: Annotated[
        bool,
        Doc(
            "Queue the job if no node can take it now (default: refuse it; a job of several units"
            " waits for busy nodes)."
        ),
    ] = False
    manifest: Annotated[
        Reference | None, Doc("For a job of several files: the upload that lists them.")
    ] = None
    frames: Annotated[
        Frames | None,
        Doc("Frames to render, like 1-48, 1-100x2 or 10,15,20-30 (default: one frame)."),
    ] = None
    chunk: Annotated[Chunk, Doc("Frames per unit (default 1).")] = 1
    tiles: Annotated[Tiles | None, Doc("Cut each frame into tiles: COLUMNSxROWS, like 2x2.")] = None
    order: Annotated[
        Order,
        Doc(
            "Order of the frames or chunks (default sequential). every_nth renders every tenth"
            " first; middle_first both ends, then the middle of each gap."
        ),
    ] = "sequential"
    priority: Annotated[
        Priority,
        Doc("Order among your own jobs, and your share beside other users (default normal)."),
    ] = "normal"
    max_credits: Annotated[
        Amount | None, Doc("Pause the job before it costs more credits than this.")
    ] = None
    pool: Annotated[
        Pool,
        Doc(
            "Which nodes may do the job: yours and your organisations' (mine, for free), also those"
            " of users whom you trust (trusted), or any (default)."
        ),
    ] = "any"
    needs: Annotated[NodeNeeds | None, Doc("Requirements that the job's nodes must meet.")] = None
    or_newer: Annotated[
        bool,
        Doc(
            "Also render in newer versions of Blender than the one that saved the scene (default:"
            " only in that one)."
        ),
    ] = False
    saved_by: Annotated[
        Version | None,
        Doc("The version of Blender that saved the scene, for a file that is compressed."),
    ] = None
    start_after: Annotated[
        datetime | None, Doc("Start the job after this time, at most 30 days from now.")
    ] = None
    notify: Annotated[
        Notify | None,
        Doc(
            "Mails about the job: all, only if it fails or reaches its cap (failure), or none"
            " (default: as your account says)."
        ),
    ] = None
    webhook: Annotated[
        Endpoint | None,
        Doc(
            "The only one of your webhook endpoints that gets the job's events, by its id, or none"
            " (default: all, by their event types)."
        ),
    ] = None
    video: Annotated[
        Container | None,
        Doc(
            "Make a video of the frames when the job has completed, as a separate job: MP4 or WEBM."
        ),
    ] = None
    as_is: Annotated[bool, Doc("Submit despite errors that the preflight found in the scene.")] = (
        False
    )
    quoted: Annotated[
        Quoted | None,
        Doc("The price that you were quoted. A job that costs more now is refused with 409."),
    ] = None
    name: Annotated[
        JobName | None,
        Doc("The job's name (default: that of the scene's file). Downloads are named by it."),
    ] = None

    def body(self) -> dict[str, Any]:
        """Return the body of the request. Members with default values are left out."""
        return _said(self, JobSpec(""))


def _said(record: Any, usual: Any) -> dict[str, Any]:
    """Return the members of a record that differ from the ``usual`` record, as JSON."""
    names = [field.name for field in attrs.fields(type(record))]
    values = {name: getattr(record, name) for name in names}
    return {name: _json(value) for name, value in values.items() if value != getattr(usual, name)}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.members() if isinstance(value, NodeNeeds) else value
