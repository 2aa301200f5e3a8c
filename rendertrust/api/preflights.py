"""Response models for preflights of scenes."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import attrs

from rendertrust.value_types import ABSENT, Id, Limits, one_of

FindingLevel: TypeAlias = Annotated[str, Limits(enum=("error", "note", "warning"))]


WaitCode: TypeAlias = Literal[
    "paused",  # the owner of the job paused the job
    "cap",  # the job would cost more than its cap
    "parts",  # the unit is assembled from units that are not complete yet
    "turn",  # other units of the job come first
    "soon",  # a node can take the unit, or no other reason is known
    "retry",  # an attempt at the unit has just failed
    "scheduled",  # the unit may not begin before the job's ``start_after``
    "no_node",  # no node that can do the unit has joined yet
    "full",  # all nodes that can do the unit are busy
    # the nodes for the unit are away, drained, resting, in another pool, or lack a requirement
    "nobody",
    "unreachable",  # the unit's node is not connected
    "begins",  # the unit's node is about to begin
    "copied",  # another node tries the unit, too, because the first attempt takes too long
    "checked",  # the unit was delivered and waits for a verdict
]


CheckWaitCode: TypeAlias = Literal[
    "no_verifier",  # no verifier that may check the result is connected
    "no_build",  # no verifier has the build of Blender of the result's node
    "running",  # a verifier is checking the result
    "repeated",  # a check failed or took too long; it is repeated when no other result waits
    "share",  # the creator's results have used the creator's share of the verifiers' time
    "queue",  # other results are checked first
]


@attrs.frozen
class Waiting:
    """The reason why a unit has not begun or is not charged: a ``code``, and ``words`` for people.

    ``since`` is the time of delivery of a unit that waits for its check. ``check_reason`` says why
    that takes long; missing until the unit has waited for the gateway's ``wait_seconds``.
    """

    code: Annotated[str, one_of(WaitCode)]
    words: str
    since: datetime | None = None
    check_reason: Annotated[str, one_of(CheckWaitCode)] | None = attrs.field(
        default=None, metadata=ABSENT
    )


@attrs.frozen
class SceneFinding:
    """A finding of a preflight: an ``error`` (the job would be refused), ``warning`` or ``note``.

    ``object`` or ``path`` locate the finding in the scene; ``setting`` names the place in Blender
    to fix the cause. ``written`` is the path of a missing file as the scene has it, which the input
    ``rendertrust-paths.json`` can map to another file of the job.
    """

    code: str
    level: FindingLevel
    message: str
    setting: str
    object: str | None
    path: str | None
    written: str | None = None


@attrs.frozen
class SceneSummary:
    """Render settings of a scene.

    ``frame`` is the scene's current frame; the frame rate is ``fps`` / ``fps_base``. An animation
    shows every ``frame_step``-th frame of its range.
    """

    engine: str
    samples: int | None
    width: int
    height: int
    format: str
    frame: int
    frame_start: int
    frame_end: int
    fps: int
    fps_base: float
    frame_step: int = 1


@attrs.frozen
class Estimate:
    """Estimated seconds of a node's work for all ``frames``: ``likely``, ``least`` and ``most``.

    ``least`` assumes that all pixels are as fast as the fastest measured piece; ``most`` assumes
    the slowest measured piece. ``elapsed`` is ``likely`` divided by the number of ``slots`` that
    could work on the job now; null without such slots. ``how`` describes the measurement.
    """

    frames: int
    least: float
    likely: float
    most: float
    slots: int
    elapsed: float | None
    how: str


@attrs.frozen
class Preflight:
    """A preflight. ``DONE``: ``findings`` are complete, and the job is refused if ``stops``.

    ``PENDING``: a node is checking the scene, or ``waiting`` says why no node is. ``FAILED``: no
    node could check the scene, for the reason ``error``. ``nodes`` is the number of nodes that
    could render the scene now; the findings are for these nodes. ``estimate`` is null if frames
    could not be tried, for the reason ``not_estimated``. ``thumbnail`` is the address of a small
    picture of the scene's current frame; null until that picture arrives.
    """

    status: Annotated[str, Limits(enum=("DONE", "FAILED", "PENDING"))]
    job_id: Id
    waiting: Waiting | None
    error: str | None
    nodes: int
    stops: bool
    findings: tuple[SceneFinding, ...]
    scene: SceneSummary | None
    estimate: Estimate | None
    not_estimated: str | None
    thumbnail: str | None
