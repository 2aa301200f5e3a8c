"""What a plugin is: one class with a ``job_type`` and ``async run(task) -> Result``.

Third parties offer theirs as entry points of the group ``rendertrust.plugins``.
"""

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

import attrs

DETAIL_CHARACTERS_MAX: Final = 500
PREVIEW_BYTES_MAX: Final = 36 * 1024  # in base64 what a frame of the relay may hold of it
CHECK: Final = "check"
PICTURE: Final = "check/picture"  # the input that is checked
EVIDENCE: Final = "check/evidence.exr"  # what lies beside it; missing where it was not delivered
DELIVERED: Final = (PICTURE, EVIDENCE)
BATCH: Final = "check_batch"
CHECKS: Final = (CHECK, BATCH)
_IN_BATCH: Final = re.compile(r"check/[0-9]{1,2}/(?:picture|evidence\.exr)")


def in_batch(number: int) -> tuple[str, str]:
    """Return the names of a picture of a batch, counted from 0, and of the evidence beside it."""
    return f"check/{number}/picture", f"check/{number}/evidence.exr"


def is_delivered(job_type: str, path: str) -> bool:
    """Return whether an input of a job of that type is what another node delivered."""
    if job_type == BATCH:
        return _IN_BATCH.fullmatch(path) is not None
    return job_type == CHECK and path in DELIVERED


@attrs.frozen(kw_only=True)
class Completed:
    """The unit is done.

    ``file`` lies in the task's folder and is what the creator gets; ``work`` is what was measured.
    ``evidence``: what the file is checked by, where that was asked for.
    """

    file: Path | None = None
    evidence: Path | None = None
    work: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen(kw_only=True)
class Failed:
    """The unit cannot be done.

    ``failure`` says whose fault it is (``rendertrust.protocol.FAILURE_CLASSES``), ``error`` is one
    line for people, ``detail`` what a person who looks into it needs beside.
    ``given_back``: nothing failed, this node does not do it now. ``lacks``: nothing failed, but
    the unit needs what this machine has not (``rendertrust.protocol.LACKS``). ``unread``: the
    delivered file that a check could not fetch.
    """

    failure: str
    error: str
    detail: str = ""
    given_back: bool = False
    lacks: str | None = None
    unread: str | None = None


Result = Completed | Failed


@attrs.frozen(kw_only=True)
class Task:
    """One unit at one attempt, as a plugin sees it.

    ``folder`` is the unit's own and empty but for ``in``, which holds ``inputs`` (path as named by
    the dispatch, and where it lies); it is removed when the unit has ended. ``delivered`` is what a
    ``check`` looks at, by the same names, in the folder ``delivered``. ``content`` is one hash of
    the inputs: units that say the same have the same; '' says nothing. ``threads`` is this slot's
    part of the machine.
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
    on_log: Callable[[str], None] = attrs.field(default=lambda text: None, repr=False)
    stopping: threading.Event = attrs.field(factory=threading.Event, repr=False)

    @property
    def cancelled(self) -> bool:
        """Whether the unit is no longer wanted. ``run`` is cancelled too (CancelledError); this is
        for code in threads, which cannot be.
        """
        return self.stopping.is_set()

    def report(self, progress: float, detail: str = "") -> None:
        """Say how far the unit is, 0 to 1; as often as one likes, from the agent's loop."""
        self.on_progress(min(max(progress, 0.0), 1.0), detail[:DETAIL_CHARACTERS_MAX])

    def log(self, text: str) -> None:
        """Say what the work's program says, lines and all, to whoever watches the job; from the
        agent's loop. Much of it in a short time is cut.
        """
        self.on_log(text)

    def preview(self, picture: bytes, frame: int | None = None) -> None:
        """Show a small JPEG of the work so far (PREVIEW_BYTES_MAX at most), from the agent's loop;
        ``frame`` says of which frame it is.
        """
        if 0 < len(picture) <= PREVIEW_BYTES_MAX:
            self.on_preview(picture, frame)


@runtime_checkable
class Plugin(Protocol):
    """One kind of work.

    A plugin may also have ``async why_not(self) -> str | None``: why this machine cannot do it and
    what would help; None when it can. It is asked once, before the type is offered.
    """

    job_type: ClassVar[str]

    async def run(self, task: Task) -> Result:
        """Do the unit. Being cancelled must end every process that it started."""
        ...
