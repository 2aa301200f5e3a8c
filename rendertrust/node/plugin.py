"""The plugin interface: a class with a ``job_type`` and ``async run(task) -> Result``.

Third parties register plugins as entry points of the group ``rendertrust.plugins``.
"""

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

import attrs

from rendertrust.job_types import CHECK, CHECK_BATCH, is_check
from rendertrust.node.blender import Blender

DETAIL_CHARACTERS_MAX: Final = 500
PREVIEW_BYTES_MAX: Final = 36 * 1024  # a relay frame has room for this many bytes in base64
PICTURE: Final = "check/picture"  # name of the delivered picture among a check's inputs
SHOWN: Final = "shown.png"  # comparison sheet: delivered, rendered again, and the difference
EVIDENCE: Final = "check/evidence.exr"  # name of the picture's evidence, if any
DELIVERED: Final = (PICTURE, EVIDENCE)
RESULT: Final = "check/result"  # name of the delivered result among the inputs of a plugin's check
_IN_BATCH: Final = re.compile(r"check/[0-9]{1,2}/(?:picture|evidence\.exr)")


def in_batch(number: int) -> tuple[str, str]:
    """Return the names of two inputs of a batch: picture ``number``, from 0, and its evidence."""
    return f"check/{number}/picture", f"check/{number}/evidence.exr"


def is_delivered(job_type: str, path: str) -> bool:
    """Return True if the input ``path`` of this job type is another node's result or evidence."""
    if job_type == CHECK_BATCH:
        return _IN_BATCH.fullmatch(path) is not None
    if job_type == CHECK:
        return path in DELIVERED
    return is_check(job_type) and path == RESULT


@attrs.frozen(kw_only=True)
class Completed:
    """The unit is done.

    ``file``: the creator's result, in the task's folder; of a check, the comparison sheet.
    ``work``: measurements. ``evidence``: the result's evidence, if the dispatch requests evidence.
    ``renderer``: name, version and build of the program that did the work; None for the plugin.
    ``vram``: the most graphics memory that it took, in bytes; None if it was not measured.
    """

    file: Path | None = None
    evidence: Path | None = None
    work: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    renderer: Mapping[str, str | None] | None = None
    vram: int | None = None


@attrs.frozen(kw_only=True)
class Failed:
    """The unit cannot be done.

    ``failure``: the class of the failure (``rendertrust.protocol.FAILURE_CLASSES``). ``error``: one
    line for people. ``detail``: further lines, such as the end of a log. ``given_back``: nothing
    failed, but this node does not do the unit now. ``lacks``: nothing failed, but this machine
    lacks something that the unit needs (``rendertrust.protocol.LACKS``). ``unread``: the delivered
    file that a check could not fetch, or with which Blender crashes.
    """

    failure: str
    error: str
    detail: str = ""
    given_back: bool = False
    lacks: str | None = None
    unread: str | None = None


Result = Completed | Failed


@attrs.frozen
class ValidResult:
    """Verdict of a plugin's check: the result is what the task gives.

    ``exact``: equal to the last bit.
    """

    reason: str = ""
    exact: bool = False


@attrs.frozen
class InvalidResult:
    """Verdict of a plugin's check: the result is beyond doubt not what the task gives.

    The result is not charged and not paid, and its node gets a strike.
    """

    reason: str


@attrs.frozen
class UnverifiableResult:
    """Verdict of a plugin's check: honest nodes may differ, or the check cannot tell.

    The result is neither charged nor paid, and its node gets no strike.
    """

    reason: str


CheckVerdict = ValidResult | InvalidResult | UnverifiableResult


@attrs.frozen(kw_only=True)
class Task:
    """One attempt at a unit, as a plugin sees it.

    ``folder``: the unit's work folder, which is removed when the unit ends. At the start, the work
    folder has the folder ``in`` with the inputs. ``inputs`` maps paths of the dispatch to files.
    ``delivered``: the files that a ``check`` examines, in the folder ``delivered``. ``content``: a
    hash of all inputs, equal for units with equal inputs; '' if unknown. ``threads``: the threads
    of this slot. ``same_class``: of a plugin's check, this machine has the device class of the node
    that delivered the result. ``blender``: the version of Blender for the unit, like ``4.5``; ''
    for the node's own. ``lent``: the Blender of that version that the store has lent to the unit.
    """

    job_id: str
    job_type: str
    payload_ref: str
    unit: int | None
    attempt: int | None
    params: Mapping[str, Any]
    folder: Path
    inputs: Mapping[str, Path]
    threads: int
    on_progress: Callable[[float, str], None] = attrs.field(repr=False)
    on_preview: Callable[[bytes, int | None], None] = attrs.field(
        default=lambda picture, frame: None, repr=False
    )
    delivered: Mapping[str, Path] = attrs.field(factory=dict[str, Path])
    content: str = ""
    same_class: bool = True
    blender: str = ""
    lent: Blender | None = attrs.field(default=None, repr=False)
    on_log: Callable[[str], None] = attrs.field(default=lambda text: None, repr=False)
    stopping: threading.Event = attrs.field(factory=threading.Event, repr=False)

    @property
    def cancelled(self) -> bool:
        """Return True if the unit was cancelled.

        Code in threads must check this property, because only ``run`` gets a CancelledError.
        """
        return self.stopping.is_set()

    def report(self, progress: float, detail: str = "") -> None:
        """Report the progress, 0 to 1, as often as you like.

        Call this method in the agent's loop.
        """
        self.on_progress(min(max(progress, 0.0), 1.0), detail[:DETAIL_CHARACTERS_MAX])

    def log(self, text: str) -> None:
        """Send text, with its line breaks, to the job's log. Call this method in the agent's loop.

        If too much text is sent in a short time, the oldest text is dropped.
        """
        self.on_log(text)

    def preview(self, picture: bytes, frame: int | None = None) -> None:
        """Send a preview JPEG of the work so far. Call this method in the agent's loop.

        A picture with more than PREVIEW_BYTES_MAX bytes is ignored. ``frame``: the frame of the
        scene that the picture shows.
        """
        if 0 < len(picture) <= PREVIEW_BYTES_MAX:
            self.on_preview(picture, frame)


@runtime_checkable
class Plugin(Protocol):
    """Implementation of one job type.

    A plugin may also have ``async why_not(self) -> str | None``. The method returns why this
    machine cannot do the work and what would help, or None if the machine can. The agent calls the
    method once, before the node offers the job type.

    A plugin may also have ``async check(self, task: Task, delivered: Path) -> CheckVerdict``. The
    gateway's verifiers call the method, in their sandbox, with the task of another node and the
    file that this node delivered. ``task.folder`` is then a new folder. Chance in the method is
    unknown to the node, because the node has already delivered.
    """

    job_type: ClassVar[str]

    async def run(self, task: Task) -> Result:
        """Do the unit. If the method is cancelled, it must end every process that it started."""
        ...
