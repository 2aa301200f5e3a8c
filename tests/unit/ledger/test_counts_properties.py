"""Counters of a job with several units stay right through all effects and batches."""

import asyncio
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import (
    Effect,
    JobCancel,
    UnitAssign,
    UnitComplete,
    UnitFail,
    UnitRequeue,
    UnitStart,
)
from actors.ledger.messages import Commit
from sql.books import UnitRow
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.twins.clock import EPOCH

UNITS = 3
Step = tuple[int, int]  # number of the unit, and of the effect
steps = st.tuples(st.integers(0, UNITS - 1), st.integers(0, 11))


def effects_on(unit: UnitRow, node: UUID, user: UUID) -> list[Effect]:
    """Return effects that may follow; some are refused after another effect of the batch."""
    job, number, attempt = unit.job_id, unit.number, unit.attempt
    if unit.state == "QUEUED":
        assign = UnitAssign(job, number, attempt + 1, node)
        return [*[assign] * 11, JobCancel(job, user)]
    return [
        UnitStart(job, number, attempt, node),
        UnitRequeue(job, number, attempt, "gone"),
        UnitRequeue(job, number, attempt, "never sent", unsent=True),
        UnitFail(job, number, attempt, node, "network", "reset", EPOCH),
        UnitFail(job, number, attempt, node, "scene", "no camera"),
        UnitComplete(job, number, attempt, node, None),
    ]


async def live(stage: Stage, batches: list[list[Step]]) -> None:
    user, node, job = await stage.user(100 * UNITS), await stage.node(), fresh_id()
    await stage.commit(dispatch(user, job, 100, UNITS))
    for batch in batches:
        units = [await stage.unit(job, number) for number in range(UNITS)]
        choices = [(effects_on(units[number], node, user), choice) for number, choice in batch]
        effects = [choice[which % len(choice)] for choice, which in choices]
        await stage.commit(*(Commit((), (effect,)) for effect in effects))
        assert await stage.store.audit() == []


@given(st.lists(st.lists(steps, min_size=1, max_size=4), max_size=20))
def test_a_job_counts_its_units(batches: list[list[Step]]) -> None:
    asyncio.run(live(twin_stage(), batches))
