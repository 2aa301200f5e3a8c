"""Response models for preflights of scenes."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import attrs

from rendertrust.value_types import Id, Limits, one_of

FindingLevel: TypeAlias = Annotated[str, Limits(enum=("error", "note", "warning"))]


WaitCode: TypeAlias = Literal[
    "paused",  # paused by its owner
    "cap",  # its job would cost more than its cap
    "parts",  # it is assembled from other units
    "turn",  # other units of its job come first
    "soon",  # a node can take it, or no other reason is known
    "retry",  # an attempt has just failed
    "scheduled",  # it may not start before its job's ``start_after``
    "no_node",  # no node that can do it was ever connected
    "full",  # all nodes that can do it are busy
    # nodes that could do it are away, drained, resting, in another pool, or lack what it needs
    "nobody",
    "unreachable",  # its node is not connected
    "begins",  # its node has it, and is about to begin
    "copied",  # another node tries it, too, as it takes far longer than others
    "checked",  # it was delivered and waits for its verdict
]


@attrs.frozen
class Waiting:
    """The reason why a unit has not begun or is not charged: a ``code``, and ``words`` for people.

    ``since``: when a unit that waits for its check was delivered.
    """

    code: Annotated[str, one_of(WaitCode)]
    words: str
    since: datetime | None = None


@attrs.frozen
class SceneFinding:
    """A finding of a preflight: an ``error`` (the job would be refused), ``warning`` or ``note``.

    ``object`` or ``path`` locate it in the scene; ``setting`` says where to fix it in Blender.
    """

    code: str
    level: FindingLevel
    message: str
    setting: str
    object: str | None
    path: str | None


@attrs.frozen
class SceneSummary:
    """Render settings of a scene.

    ``frame`` is its current frame; its frame rate is ``fps`` / ``fps_base``.
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


@attrs.frozen
class Estimate:
    """Estimated seconds of one node's work for all ``frames``: ``likely``, and its bounds.

    ``least`` and ``most`` assume that everything is as fast, or as slow, as the fastest or slowest
    piece that was measured. ``elapsed`` is ``likely`` divided by the ``slots`` that could work on
    it now; null without any. ``how`` says what was measured.
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

    ``PENDING``: a node is checking it, or ``waiting`` says why none is yet. ``FAILED``: none could,
    for the reason ``error``. ``nodes``: how many nodes could render it now; findings are for these.
    ``estimate`` is null if frames could not be tried, for the reason ``not_estimated``.
    ``thumbnail``: the address of a small picture of the scene's current frame, once there is one.
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
