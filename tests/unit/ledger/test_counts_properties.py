"""A job of several units counts them rightly, whatever happens to them, and in which batches."""

import asyncio
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ledger.messages import (
    Commit,
    Effect,
    JobCancel,
    UnitAssign,
    UnitComplete,
    UnitFail,
    UnitRequeue,
    UnitStart,
)
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.stage import dispatch, fresh_id
from tests.twins.clock import EPOCH

UNITS = 3
STEPS = ("assign", "start", "complete", "fail", "retry", "requeue")
# Which step, of which unit, and how far from the attempt that it has; many are to be refused.
Step = tuple[str, int, int]
steps = st.tuples(
    st.sampled_from((*STEPS, *STEPS, "cancel")),
    st.integers(0, UNITS - 1),
    st.sampled_from((0, 0, 1)),
)


class Life:
    """A job and its node; ``attempts`` are what its units had when they were assigned last."""

    def __init__(self, user: UUID, node: UUID) -> None:
        self.user, self.node, self.job = user, node, fresh_id()
        self.attempts = [0] * UNITS

    def effect(self, step: Step) -> Effect:
        kind, unit, off = step
        self.attempts[unit] += kind == "assign"
        job, node, attempt = self.job, self.node, self.attempts[unit] + off
        if kind == "assign":
            return UnitAssign(job, unit, attempt, node)
        if kind == "start":
            return UnitStart(job, unit, attempt, node)
        if kind == "complete":
            return UnitComplete(job, unit, attempt, node, None)
        if kind == "requeue":
            return UnitRequeue(job, unit, attempt, "gone")
        if kind == "cancel":
            return JobCancel(job, self.user)
        again = EPOCH if kind == "retry" else None
        return UnitFail(job, unit, attempt, node, "node", "hot", again)


@settings(deadline=None)
@given(st.lists(st.lists(steps, min_size=1, max_size=4), max_size=8))
def test_a_job_counts_its_units(batches: list[list[Step]]) -> None:
    async def live() -> None:
        stage = twin_stage()
        life = Life(await stage.user(100 * UNITS), await stage.node())
        await stage.commit(dispatch(life.user, life.job, 100, UNITS))
        for batch in batches:
            await stage.commit(*(Commit((), (life.effect(step),)) for step in batch))
            assert await stage.store.audit() == []

    asyncio.run(live())
