"""Response models for preflights of scenes."""

from datetime import datetime
from typing import Annotated, TypeAlias

import attrs

from rendertrust.api.text_formats import TextFormat

FindingLevel: TypeAlias = Annotated[str, TextFormat(enum=("error", "note", "warning"))]


@attrs.frozen
class Waiting:
    """The reason why a unit has not begun or is not charged: a ``code``, and words for people.

    ``since``: when a result that is being ``checked`` was delivered.
    """

    code: str
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
    object: str | None = None
    path: str | None = None


@attrs.frozen
class SceneSummary:
    """Render settings of a scene. ``frame`` is its current frame; its frame rate is ``fps`` /
    ``fps_base``.
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
    """Estimated seconds of one node's work for all ``frames``: ``likely``, and its bounds.

    ``least`` and ``most`` assume that all of it were as fast or slow as the fastest or slowest
    piece that was tried. ``elapsed`` is ``likely`` shared among the ``slots`` that could work on it
    now; null without any. ``how`` says what was tried.
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
    """The result of a preflight: ``DONE``, ``PENDING`` (``waiting`` says why) or ``FAILED``.

    ``stops``: a job would be refused because of a finding. ``nodes`` is the number of nodes that
    could render it now. ``estimate`` is None if no frame could be tried (``not_estimated`` says
    why). ``thumbnail``: path of a small picture, which ``preview`` returns.
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
