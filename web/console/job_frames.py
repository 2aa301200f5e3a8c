"""The frames of a job as a page shows them: name, picture if it can be displayed, money."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from actors.notifier.messages import Progress
from rendertrust.api.refusal_code import unit_help_path
from rendertrust.frame_range import parse
from rendertrust.job_status import UnitStatus
from rendertrust.job_types import RENDER
from sql.jobs import ConsoleFrame, ConsoleJob
from sql.thumbnails import ThumbnailInfo

SHOWN: Final = 60  # frames per page, as a frame may be shown as a full-size picture
_UNSEEN: Final = ("OPEN_EXR",)  # formats that browsers cannot display


@attrs.frozen
class JobFrame:
    """A row of the list of frames. ``picture``: browsers can display the frame's result.
    ``is_single``: the row is one frame, no chunk. ``took``: how many seconds the last attempt took
    on its node, and ``checked`` how many its verification took after that; None if not known.

    ``paid``: what was charged and not refunded. ``held``: what is still held, as some tiles may be
    charged already.

    ``small``: the address of the node's thumbnail of the frame, or ''. ``progress``: the last
    report of the node, while the frame is rendered. ``frames``: the frame numbers as the job names
    them; None if it names none. ``help``: the page about the error, or ''.
    """

    number: int
    name: str
    state: UnitStatus
    attempt: int
    node: str | None
    picture: bool
    file: bool
    size: int | None
    held: int
    paid: int
    is_refunded: bool
    took: float | None
    note: str
    error: str
    receipt: bool = False
    is_single: bool = True
    ended_at: datetime | None = None
    checked: float | None = None
    small: str = ""
    progress: Progress | None = None
    frames: str | None = None
    help: str = ""


def frames_of(
    job: ConsoleJob,
    rows: Sequence[ConsoleFrame],
    shown: Iterable[ThumbnailInfo],
    told: Iterable[Progress] = (),
) -> list[JobFrame]:
    """Return the frames of a page. ``shown``: thumbnails, of which the last one of each attempt is
    used.

    ``told``: the progress of the job's units.
    """
    newest = {(each.unit, each.attempt): each for each in shown}
    far = {(each.unit, each.attempt): each for each in told}
    return [
        attrs.evolve(
            _frame(job.job_type, job.plan.params, row),
            small=small_of(job.id, newest.get((row.number, row.attempt))),
            progress=far.get((row.number, row.attempt)) if row.state == "RUNNING" else None,
        )
        for row in rows
    ]


def small_of(job: UUID, shown: ThumbnailInfo | None) -> str:
    """Return the address of a thumbnail, or ''."""
    return "" if shown is None else address_of(job, shown.frame, shown.made_at)


def address_of(job: UUID, frame: int, made_at: datetime) -> str:
    """Return the address of a frame's thumbnail; each version of the thumbnail has its own
    address.
    """
    return f"/console/previews/{job}?frame={frame}&of={int(made_at.timestamp() * 1000)}"


def numbers_of(rows: Iterable[ConsoleFrame]) -> list[int]:
    """Return the frame numbers of all units that have frames."""
    return [number for row in rows if row.frames is not None for number in parse(row.frames)]


def is_displayed(job_type: str, params: Mapping[str, Any], frames: int) -> bool:
    """Return True if browsers can display the result of a unit of so many frames."""
    drawn = job_type == RENDER and params.get("format") not in _UNSEEN
    return drawn and frames == 1 and not params.get("noisy")


def _frame(job_type: str, params: Mapping[str, Any], row: ConsoleFrame) -> JobFrame:
    count = 1 if row.frames is None else len(parse(row.frames))
    done = row.state == "COMPLETED" and row.has_result
    return JobFrame(
        number=row.number,
        name=f"no. {row.number}" if row.frames is None else row.frames,
        state=row.state,
        attempt=row.attempt,
        node=row.node_name,
        picture=done and is_displayed(job_type, params, count),
        file=done,
        size=row.result_size,
        held=row.price - row.charged,
        paid=row.charged - row.refunded,
        is_refunded=row.refunded > 0,
        took=seconds_between(row.started_at, row.delivered_at or row.ended_at),
        checked=seconds_between(row.delivered_at, row.ended_at),
        note=_note(row, count),
        error=row.error_message or "",
        receipt=row.has_receipt,
        is_single=count == 1,
        ended_at=row.ended_at,
        frames=row.frames,
        help=unit_help_path(row.error_code) if row.error_code else "",
    )


def seconds_between(begun: datetime | None, ended: datetime | None) -> float | None:
    """Return the seconds between two times, at least 0; None if one of them is not known."""
    return None if begun is None or ended is None else max(0.0, (ended - begun).total_seconds())


def _note(row: ConsoleFrame, count: int) -> str:
    if row.dispute_upheld:
        return "refunded"
    if row.tiles:
        return f"{row.tiles - row.missing} of {row.tiles} tiles"
    return f"{count} frames" if count > 1 else ""
