"""The frames of a job as a page shows them: named, pictured where a browser can, with money."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from actors.notifier.messages import Progress
from rendertrust.frame_range import parse
from sql.job_views import DeskFrame, DeskJob
from sql.thumbnails import ThumbnailInfo

SHOWN: Final = 60  # of one page: each may be a whole picture
_UNSEEN: Final = ("OPEN_EXR",)  # what browsers do not draw


@attrs.frozen
class JobFrame:
    """``picture``: its result can be drawn. ``took``: seconds of its last attempt.

    ``paid``: what was charged and not given back; ``held``, while it is open, what is left of its
    price: of one in tiles some may be charged already.

    ``small``: the address of a small picture of it, as its node shows it, else ''. ``progress`` is
    how far it is, as its node said last, while it runs.
    """

    number: int
    name: str
    state: str
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
    ended_at: datetime | None = None
    small: str = ""
    progress: Progress | None = None


def frames_of(
    job: DeskJob,
    rows: Sequence[DeskFrame],
    shown: Iterable[ThumbnailInfo],
    told: Iterable[Progress] = (),
) -> list[JobFrame]:
    """All of a page. ``shown``: which of them have a small picture; of a unit's the last counts.

    ``told`` is how far units of the job are.
    """
    newest = {(each.unit, each.attempt): each for each in shown}
    far = {(each.unit, each.attempt): each for each in told}
    return [
        attrs.evolve(
            _frame(job.job_type, job.params, row),
            small=small_of(job.id, newest.get((row.number, row.attempt))),
            progress=far.get((row.number, row.attempt)) if row.state == "RUNNING" else None,
        )
        for row in rows
    ]


def small_of(job: UUID, shown: ThumbnailInfo | None) -> str:
    """Where a small picture is; '' of none."""
    return "" if shown is None else address_of(job, shown.frame, shown.made_at)


def address_of(job: UUID, frame: int, made_at: datetime) -> str:
    """Where the small picture of a frame is, by a name that no other one has."""
    return f"/console/previews/{job}?frame={frame}&of={int(made_at.timestamp() * 1000)}"


def numbers_of(rows: Iterable[DeskFrame]) -> list[int]:
    """The frames of all units that name theirs."""
    return [number for row in rows if row.frames is not None for number in parse(row.frames)]


def _frame(job_type: str, params: Mapping[str, Any], row: DeskFrame) -> JobFrame:
    count = 1 if row.frames is None else len(parse(row.frames))
    done = row.state == "COMPLETED" and row.has_result
    drawn = job_type == "render" and params.get("format") not in _UNSEEN
    took = None
    if row.started_at is not None and row.ended_at is not None:
        took = (row.ended_at - row.started_at).total_seconds()
    return JobFrame(
        number=row.number,
        name=f"no. {row.number}" if row.frames is None else row.frames,
        state=row.state,
        attempt=row.attempt,
        node=row.node_name,
        picture=done and drawn and count == 1 and not params.get("noisy"),
        file=done,
        size=row.result_size,
        held=row.price - row.charged,
        paid=row.charged - row.refunded,
        is_refunded=row.refunded > 0,
        took=took,
        note=_note(row, count),
        error=row.error_message or "",
        receipt=row.has_receipt,
        ended_at=row.ended_at,
    )


def _note(row: DeskFrame, count: int) -> str:
    if row.given_back:
        return "given back"
    if row.tiles:
        return f"{row.tiles - row.missing} of {row.tiles} tiles"
    return f"{count} frames" if count > 1 else ""
