"""An event as the API, streams and webhooks show it."""

from datetime import datetime
from uuid import UUID

import attrs

from rendertrust import money
from rendertrust.api_paths import thumbnail_path
from rendertrust.unit_error_code import ErrorCode
from rendertrust.value_types import Credits
from sql.events import EventRow


@attrs.frozen
class Event:
    """A change of a job. ``number`` counts 1, 2, 3 … per job, without gaps.

    ``type`` is ``job.`` and the new status of the job, or ``unit.`` and ``assigned``, ``running``,
    ``verifying``, ``completed``, ``failed``, ``cancelled``, ``retried`` (it waits again),
    ``copied`` (``node_id`` tries it, too) or ``thumbnail``: a small picture of ``frame`` is
    available at the path ``thumbnail``. ``money`` says what the event did to ``amount``: ``held``,
    ``charged`` or ``released``. ``attempt`` is the unit's attempt. For the end of a job,
    ``attempt`` counts how often the job has ended, as a failed job ends again after a retry.
    ``error_code`` is the kind of failure that ``error`` describes.
    """

    number: int
    type: str
    at: datetime
    job_id: UUID
    unit: int | None
    attempt: int | None
    node_id: UUID | None
    money: str | None
    amount: Credits | None
    error_class: str | None
    error: str | None
    error_code: ErrorCode | None
    frame: int | None
    thumbnail: str | None


def shown(job: UUID, row: EventRow) -> Event:
    return Event(
        number=row.number,
        type=row.type,
        at=row.at,
        job_id=job,
        unit=row.unit,
        attempt=row.attempt,
        node_id=row.node_id,
        money=row.money,
        amount=None if row.amount is None else money.render(row.amount),
        error_class=row.error_class,
        error=row.error,
        error_code=row.error_code,
        frame=row.frame,
        thumbnail=thumbnail_path(job, row.frame),
    )
