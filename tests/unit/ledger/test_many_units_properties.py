"""State machine of jobs of any shape, with failed units, pauses and retries in any batch, over a
store that fails or loses its answers.

Each completed unit is charged once; at the end nothing is held.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import (
    Effect,
    JobCancel,
    JobChange,
    JobInsert,
    JobPause,
    JobResume,
    JobStop,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitDeliver,
    UnitFail,
    UnitRequeue,
    UnitRetry,
    UnitStart,
    UnitVerdict,
)
from actors.ledger.messages import Commit
from actors.ledger.unit_changes import next_attempt
from rendertrust import money
from rendertrust.job_status import ENDED
from sql.books import JobRow, UnitRow
from sql.database import Conflict, Unavailable
from sql.job_plan import NewUnit
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.stage import Stage, fresh_id, pieces_of, tiled, with_plan
from tests.support.examples import examples
from tests.twins.clock import EPOCH
from tests.twins.store import StoreTwin

pytestmark = pytest.mark.heavy  # the results do not depend on the version of Python

RICH = 100_000
PRICES = st.lists(st.sampled_from([0, 1, 70, 100, 9_999]), min_size=1, max_size=6)


@attrs.frozen
class Shape:
    """A job: frames at these prices, or one or two frames of tiles at these prices."""

    prices: list[int]
    tiled: int
    cap: int | None

    def commit(self, user: UUID, job: UUID) -> Commit:
        if self.tiled:
            commit = tiled(user, job, self.prices, self.tiled)
        else:
            frames = [NewUnit(price, n, str(n)) for n, price in enumerate(self.prices)]
            commit = pieces_of(job, user, frames)
        (order,) = commit.effects
        assert isinstance(order, JobInsert)
        cap = None if self.cap is None else money.render(self.cap)
        return attrs.evolve(commit, effects=(with_plan(order, max_credits=cap),))


SHAPES = st.builds(
    Shape,
    PRICES,
    st.sampled_from([0, 0, 1, 2]),
    st.none() | st.sampled_from([9_999, 10_100, 30_000]),
)


@attrs.frozen
class Step:
    """An event, with numbers that select the job, the unit, the effect and the node."""

    job: int
    unit: int
    what: int
    node: int


STEPS = st.builds(Step, st.integers(0, 1), st.integers(0, 9), st.integers(0, 25), st.integers(0, 1))
FAULTS = st.lists(st.sampled_from([Unavailable, Conflict]), max_size=2)


def effect_of(step: Step, job: JobRow, unit: UnitRow, nodes: Sequence[UUID]) -> Effect:
    """Return the effect of a step: half the time the usual next effect, otherwise any effect."""
    number, attempt, node = unit.number, unit.attempt, unit.node_id or nodes[step.node]
    at_any_time: list[Effect] = [
        JobPause(job.id, job.user_id),
        JobResume(job.id, job.user_id),
        JobResume(job.id, job.user_id),
        JobChange(job.id, job.user_id, 1, job.committed + 100),
        JobCancel(job.id, job.user_id),
        UnitRetry(job.id, number, job.user_id),
        UnitRetry(job.id, number, job.user_id),
        UnitFail(job.id, number, attempt, None, "gateway", f"waited {step.what}"),
        UnitAssign(job.id, number, next_attempt(unit), nodes[step.node]),
        UnitCopy(job.id, number, next_attempt(unit), nodes[step.node], attempt),
        UnitCopy(job.id, number, next_attempt(unit), nodes[step.node], attempt),
        JobStop(job.id, job.user_id),
    ]
    if step.what < len(at_any_time):
        return at_any_time[step.what]
    if unit.state == "QUEUED":
        return UnitAssign(job.id, number, next_attempt(unit), nodes[step.node])
    if unit.state == "FAILED":
        return UnitRetry(job.id, number, job.user_id)
    if unit.copy_node_id is not None and step.node:
        attempt, node = unit.copy_attempt, unit.copy_node_id
    done = UnitComplete(job.id, number, attempt, node, None, b"s" * 32, 1)
    shut = node if step.node else None
    usual: list[Effect] = [
        *(done, done, done, UnitStart(job.id, number, attempt, node)),
        UnitRequeue(job.id, number, attempt, "gone"),
        UnitRequeue(job.id, number, attempt, "never sent", unsent=True, unsendable_to=shut),
        UnitFail(job.id, number, attempt, node, "node", "died", EPOCH),
        UnitFail(job.id, number, attempt, node, "scene", "no camera"),
        UnitDeliver(attrs.evolve(done, verified=True), "cpu"),
        UnitVerdict(job.id, number, attempt, "exact"),
        UnitVerdict(job.id, number, attempt, "invalid", retry_at=EPOCH),
    ]
    return usual[step.what % len(usual)]


@attrs.define
class Farm:
    stage: Stage
    user: UUID
    nodes: list[UUID]
    jobs: list[UUID]

    @property
    def store(self) -> StoreTwin:
        assert isinstance(self.stage.store, StoreTwin)
        return self.stage.store

    def units(self, job: UUID) -> list[UnitRow]:
        return [self.store.units[key] for key in self.store.numbers_of(job)]

    async def run(
        self, steps: Sequence[Step], faults: Sequence[type[Exception]], lost: int
    ) -> None:
        """Commit a batch despite injected failures, and check the books."""
        commits: list[Commit] = []
        for step in steps:
            job = self.store.jobs[self.jobs[step.job % len(self.jobs)]]
            units = self.units(job.id)
            effect = effect_of(step, job, units[step.unit % len(units)], self.nodes)
            commits.append(Commit((), (effect,)))
        if faults:
            self.store.fail_next(*(kind("injected") for kind in faults))
        self.store.lose_commit_answer(lost)
        await self.stage.commit(*commits)
        self.store.lose_commit_answer(0)
        await self.check()

    async def check(self) -> None:
        assert await self.store.audit() == []
        units = [unit for job in self.jobs for unit in self.units(job)]
        charged = sum(unit.price for unit in units if unit.state == "COMPLETED")
        held = sum(unit.price for unit in units if unit.state not in ENDED)
        assert await self.stage.of_user(self.user) == (RICH - charged, held)
        for job in self.jobs:
            row = self.store.jobs[job]
            assert row.cap is None or row.committed <= row.cap

    async def finish(self) -> None:
        """Let every job end without further faults, and check that nothing is held."""
        for job in self.jobs:
            row = self.store.jobs[job]
            if row.status not in ENDED:
                await self.stage.do(JobChange(job, self.user, cap=RICH))
                await self.stage.do(JobResume(job, self.user))
            for unit in sorted(self.units(job), key=lambda unit: unit.missing):
                await self.complete(unit)
            assert self.store.jobs[job].status in ENDED
        await self.check()
        assert (await self.stage.of_user(self.user))[1] == 0

    async def complete(self, unit: UnitRow) -> None:
        job, number, attempt, node = unit.job_id, unit.number, unit.attempt, unit.node_id
        if unit.state == "QUEUED":
            attempt, node = next_attempt(unit), self.nodes[0]
            await self.stage.do(UnitAssign(job, number, attempt, node))
        if unit.state == "VERIFYING":
            await self.stage.do(UnitVerdict(job, number, attempt, "exact"))
        elif unit.state not in ENDED:
            assert node is not None
            await self.stage.do(UnitComplete(job, number, attempt, node, None))


async def live(
    shapes: list[Shape], batches: list[tuple[list[Step], list[type[Exception]], int]]
) -> None:
    stage = twin_stage()
    user, nodes = await stage.user(RICH), [await stage.node() for _ in range(2)]
    farm = Farm(stage, user, nodes, [])
    for shape in shapes:
        job = fresh_id()
        await stage.commit(shape.commit(user, job))
        if job in farm.store.jobs:
            farm.jobs.append(job)
    await farm.check()
    if farm.jobs:
        for steps, faults, lost in batches:
            await farm.run(steps, faults, lost)
        await farm.finish()


@examples(1.5)
@given(
    st.lists(SHAPES, min_size=1, max_size=2),
    st.lists(
        st.tuples(st.lists(STEPS, min_size=1, max_size=6), FAULTS, st.sampled_from([0, 0, 0, 1])),
        max_size=25,
    ),
)
def test_each_completed_unit_is_charged_once_and_nothing_is_held_in_the_end(
    shapes: list[Shape], batches: list[tuple[list[Step], list[type[Exception]], int]]
) -> None:
    asyncio.run(live(shapes, batches))
