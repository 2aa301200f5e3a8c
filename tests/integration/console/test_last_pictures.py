"""Number of frames beside the overview's pictures, and the count on a job's progress bar."""

import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from actors.ledger.messages import Commit
from sql.job_plan import NewUnit
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import pieces_of, tiled
from tests.integration.console.people import Visitor
from tests.support.databases import execute
from tests.support.http_gateway import Face

DONE = """
UPDATE jobs SET status = 'COMPLETED', open_units = 0, job_type = 'render', completed_at = now(),
    result_ref = 's3://bucket/results' WHERE id = '{}'
"""


def in_chunks(user: UUID, job: UUID) -> Commit:
    return pieces_of(job, user, [NewUnit(50, 0, "1-2"), NewUnit(50, 1, "3-4"), NewUnit(50, 2, "5")])


def frame_by_frame(user: UUID, job: UUID) -> Commit:
    return pieces_of(job, user, [NewUnit(50, 0, "7"), NewUnit(50, 1, "9")])


@pytest.mark.parametrize(
    ("order", "frames", "bar"),
    [
        (in_chunks, 5, "0 of 3 chunks"),
        (tiled, 2, "0 of 6 tiles and frames"),
        (frame_by_frame, 2, "0 of 2 frames"),
    ],
)
async def test_frames_are_counted_however_a_job_is_cut(
    face: Face,
    database: PostgresEndpoint,
    jane: Visitor,
    *,
    order: Callable[[UUID, UUID], Commit],
    frames: int,
    bar: str,
) -> None:
    job = uuid4()
    await face.book(order(UUID(jane.id), job))
    _, text = await jane.get(f"/console/jobs/{job}")
    said = text.partition('id="state"')[2].partition("</section>")[0]
    assert bar in re.sub(r"<[^>]+>", "", said)
    await execute(database.owner_dsn, DONE.format(job))
    _, text = await jane.get("/console")
    shown = text.partition('class="pictures"')[2].partition("</ul>")[0]
    assert f"{frames} frames, " in shown
