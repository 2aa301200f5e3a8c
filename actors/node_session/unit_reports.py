"""Reports of a node about units that it works on: progress, log lines and thumbnails."""

import base64
import binascii
import logging
from collections.abc import Mapping
from typing import Any, Final

from actors.kernel import Ref
from actors.node_session.ledger_requests import UnitCommits
from actors.node_session.progress_watchdog import ProgressTracker
from actors.node_session.session_state import HeldUnit, Phase, SessionState
from actors.node_session.unit_failures import Failure
from actors.notifier.messages import Notifier, Progress, UnitLogLines
from actors.ports import Store
from rendertrust.protocol import JobStatus, Preview
from sql.database import Conflict, Unavailable

JPEG: Final = b"\xff\xd8\xff"
FRAMES_MAX: Final = 64  # frames of one unit whose thumbnails are stored
log = logging.getLogger(__name__)


class UnitReports:
    """Handles a node's reports, and forwards them to people who watch the job."""

    def __init__(
        self,
        state: SessionState,
        commits: UnitCommits,
        progress: ProgressTracker,
        notifier: Ref[Notifier],
        store: Store,
    ) -> None:
        self._state = state
        self._commits = commits
        self._progress = progress
        self._notifier = notifier
        self._store = store

    def status(self, held: HeldUnit, report: JobStatus) -> None:
        """Handle a report that a unit runs, how far it is, or that it failed."""
        now = held.heard_at = self._state.now
        if held.phase is Phase.ENDING:
            return
        if report.status == "failed":
            error = report.detail or "the node reported a failure without a reason"
            self._commits.fail(held, Failure("node", error))
            return
        if report.preparing and self._prepares(held, report, now):
            return
        if held.begun_at is None:
            held.begun_at = now
        held.phase = Phase.RUNNING
        if not held.is_started and self._commits.may_ask(held):
            self._commits.start(held)
        if report.progress is not None:
            self._progress.of(held.id, now).report(report.progress, now)
            self._notifier.tell(Progress(*held.id, report.progress, report.detail or ""))

    def _prepares(self, held: HeldUnit, report: JobStatus, now: float) -> bool:
        """Note that the node installs the unit's Blender; return False if the unit has begun.

        Until then its time does not count, and it is not booked as RUNNING.
        """
        if held.is_started or not self._progress.of(held.id, now).prepare(now):
            return False
        held.begun_at = now
        self._notifier.tell(Progress(*held.id, 0.0, report.detail or ""))
        return True

    def log(self, held: HeldUnit | None, text: str) -> None:
        """Keep log lines of a unit, and forward them to people who watch the job."""
        if held is not None and text:
            held.log.add(text)
            self._notifier.tell(UnitLogLines(*held.id, text))

    async def keep_log(self, held: HeldUnit, *, completed: bool = False) -> None:
        """Store the last log lines of an attempt that ended; if the database is down, drop them."""
        text, node, now = held.log.take(), self._state.node.id, self._state.clock.now()
        if not text:
            return
        try:
            await self._store.keep_log(*held.id, node, text, at=now, completed=completed)
        except (Unavailable, Conflict) as error:
            log.info("a unit's log could not be stored: %s", type(error).__name__)

    async def thumbnail(self, held: HeldUnit | None, preview: Preview) -> None:
        """Store a thumbnail of a frame; if the database is down, drop it."""
        picture = picture_of(preview)
        if held is None or picture is None or held.phase is Phase.ENDING:
            return
        unit, node = held.assignment, self._state.node.id
        frame = frame_number_of(preview, unit.params, held.thumbnails)
        if frame is None:
            return
        held.thumbnails.add(frame)
        try:
            await self._store.keep_thumbnail(*held.id, node, frame=frame, picture=picture)
        except (Unavailable, Conflict) as error:
            log.info("a thumbnail could not be stored: %s", type(error).__name__)


def frame_number_of(preview: Preview, params: Mapping[str, Any], known: set[int]) -> int | None:
    """Return the number of the frame that a thumbnail shows.

    None if the unit has no such frame, or the frame has a thumbnail already (``known``). A unit
    whose parameters name no frames has exactly one frame, which the scene determines.
    """
    named = params.get("frames") or [params["frame"]] if {"frame", "frames"} & set(params) else []
    frame = preview.frame if preview.frame is not None else (named or [0])[0]
    if frame in known or len(known) >= FRAMES_MAX:
        return None
    return frame if frame in named or (not named and not known) else None


def picture_of(preview: Preview) -> bytes | None:
    """Return the bytes if they begin like a JPEG; they are not decoded.

    The limit of relay frames bounds their length.
    """
    if preview.mime != "image/jpeg":
        return None
    try:
        picture = base64.b64decode(preview.data, validate=True)
    except (binascii.Error, ValueError):
        return None
    return picture if picture.startswith(JPEG) else None
