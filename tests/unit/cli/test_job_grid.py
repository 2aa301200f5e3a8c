"""Progress of a job with many units while the gateway comes and goes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any, cast

import attrs
import pytest

from rendertrust.api.units import Units
from rendertrust.cli import job_grid
from rendertrust.cli.output import Printer
from rendertrust.client import AsyncClient, Job, NoAnswer
from tests.unit.cli.test_unit_table import unit

THEN = datetime(2026, 1, 2, tzinfo=UTC)


@attrs.define
class Client:
    """A client that gets no answer to the requests about units with the numbers in ``lost``."""

    lost: set[int]
    asked: int = 0

    async def units(self, _: str, **__: Any) -> Units:
        self.asked += 1
        if self.asked in self.lost:
            raise NoAnswer("Nothing answers", delivered=False)
        return Units((unit(number=0, state="COMPLETED"),), 1, None)


def job(status: str) -> Job:
    told: dict[str, Any] = dict.fromkeys(
        ("node_id", "result_ref", "error_message", "queued_at", "dispatched_at", "completed_at")
    )
    told |= {"id": "j", "job_type": "render", "payload_ref": "x", "retry_count": 0, "units": 2}
    return Job(**told, status=status, created_at=THEN, updated_at=THEN)


async def changes(*statuses: str) -> AsyncIterator[Job]:
    for status in statuses:
        yield job(status)


async def watched(client: Client) -> str:
    output = Printer(results=StringIO(), notes=StringIO())
    later = changes("RUNNING", "COMPLETED")
    await job_grid.followed(output, cast("AsyncClient", client), job("DISPATCHED"), later)
    return cast("StringIO", output.results).getvalue()


async def test_a_gateway_that_is_away_for_a_while_ends_no_watch() -> None:
    told = await watched(Client(lost={1, 2}))
    assert "frame 7 COMPLETED" in told
    assert "Completed, 0 of 2 done" in told


async def test_what_became_of_an_ended_job_is_not_left_out() -> None:
    with pytest.raises(NoAnswer):
        await watched(Client(lost={3}))
