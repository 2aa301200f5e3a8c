"""Response models for preflights of scenes."""

from datetime import datetime

import attrs


@attrs.frozen
class Waiting:
    """Why a unit has not begun, or is not charged: ``code`` is one of few, ``words`` for people.

    ``since``: of one that is ``checked``, when it was delivered.
    """

    code: str
    words: str
    since: datetime | None = None


@attrs.frozen
class SceneFinding:
    """One thing that pre-flight found. ``level``: ``error`` (the job would be refused),
    ``warning`` or ``note``. ``object`` or ``path`` say where; ``setting`` is where Blender mends
    it.
    """

    code: str
    level: str
    message: str
    setting: str
    object: str | None = None
    path: str | None = None


@attrs.frozen
class SceneSummary:
    """What would be rendered, as the artist set it. ``frame`` is the scene's current one; ``fps`` /
    ``fps_base`` frames are a second.
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
    fps_base: float = 1.0


@attrs.frozen
class Estimate:
    """Seconds of one node's work for all ``frames``: ``likely``, and between which bounds.

    ``elapsed`` is ``likely`` shared among the ``slots`` that could work on it now. ``how`` says
    what was tried.
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
    """``status`` is ``DONE``; ``PENDING``: the job ``job_id`` looks, or waits for a node, as
    ``waiting`` says; or ``FAILED``, as ``error`` says. ``stops``: a job would be refused for what
    was found. ``nodes`` could render it now. ``estimate`` is None where no frame could be tried, as
    ``not_estimated`` says. ``thumbnail``: where ``preview`` has a small picture of it.
    """

    status: str
    job_id: str
    nodes: int
    stops: bool
    findings: tuple[SceneFinding, ...]
    waiting: Waiting | None = None
    error: str | None = None
    scene: SceneSummary | None = None
    estimate: Estimate | None = None
    not_estimated: str | None = None
    thumbnail: str | None = None
