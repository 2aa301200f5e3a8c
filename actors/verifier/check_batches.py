"""Batches: results that one check opens together, so that their scene is opened once.

A batch only clears results. Results that it calls wrong, or does not report on, are opened alone
next: no result is invalid, and no check of it fails, because of what was opened before it. All
results of a batch come from nodes of one owner, so a file that attacks its verifier affects only
that owner's results.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from actors.verifier.case import Case
from actors.verifier.report import Report, held_to, read_report
from rendertrust.relay_frames import BATCH_MAX

BYTES_MOST: Final = 256 << 20  # the verifier fetches all files before it opens the first
Group: TypeAlias = tuple[UUID, UUID | None, UUID | None]


def batch_of(first: Case, waiting: Sequence[Case], now: float) -> tuple[Case, ...]:
    """Return the results to be opened with the first one, which comes first; perhaps it alone.

    The others are taken from ``waiting``, in its order.
    """
    found, left = [first], BYTES_MOST - _bytes(first)
    if not _may_join(first, now):
        return (first,)
    for case in waiting:
        if len(found) == BATCH_MAX:
            break
        is_like = case is not first and _group(case) == _group(first)
        if is_like and _may_join(case, now) and _bytes(case) <= left:
            found.append(case)
            left -= _bytes(case)
    return tuple(found)


def _may_join(case: Case, now: float) -> bool:
    """Return True if the next check of a case may be a batch."""
    row = case.pending.row
    is_idle = case.check is None and case.verdict is None and case.unread is None
    is_new = not case.is_alone and case.failed == 0 and case.rests_until <= now
    is_named = row.sha256 is not None and row.size is not None
    return case.step == "open" and case.kind == "frame" and is_idle and is_new and is_named


def _group(case: Case) -> Group:
    """Return the job and the owner of the node. Nodes without an owner are not grouped."""
    owner, row = case.pending.owner, case.pending.row
    return row.job_id, owner, row.node_id if owner is None else None


def _bytes(case: Case) -> int:
    row = case.pending.row
    return (row.size or 0) + (row.evidence_size or 0)


def answers(told: Mapping[str, Any] | None, count: int) -> list[Report | None]:
    """Return the report on each of ``count`` results; None: none. Never raises."""
    found = None if told is None else told.get("opened")
    if not isinstance(found, list) or len(found) != count:
        return [None] * count
    return [_answer(one) for one in found]


def _answer(told: object) -> Report | None:
    read = read_report(told) if isinstance(told, Mapping) else None
    return read if isinstance(read, Report) and not read.compared else None


def clears(report: Report, case: Case) -> bool:
    """Return True if opening the result showed nothing wrong."""
    return held_to(report, case.pending.row.work).fault is None and report.suspect is None
