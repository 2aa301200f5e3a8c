"""Nodes that fail often: their record, their rest, and who gets the work meanwhile."""

import asyncio
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import UnitAssign
from actors.scheduler.messages import NodeFailed
from actors.scheduler.node import Node
from actors.scheduler.units import PlacementRequest
from rendertrust.protocol import JobResult
from sql.access import Access
from sql.node_failures import (
    FAILING_FROM,
    FAILURES_MOST,
    REST_SECONDS,
    REST_SECONDS_MOST,
    SUCCESSES_EACH,
    FailureNote,
    FailureRecord,
    rest_seconds,
)
from tests.unit.dispatch.node_choice import candidates, choose
from tests.unit.dispatch.session_stage import session
from tests.unit.dispatch.stage import NODE, OTHER, assignment
from tests.unit.dispatch.test_policy import demands, nodes, ties
from tests.unit.dispatch.test_scheduler import Play, scheduling
from tests.unit.simulated_time import simulated

JOBS = st.integers(0, 5).map(lambda n: UUID(int=n))
ENDS = st.lists(st.none() | JOBS, max_size=60)  # None: a success; otherwise a failure of this job


def record_of(ends: list[UUID | None]) -> FailureRecord:
    record = FailureRecord()
    for job in ends:
        record = record.succeeded() if job is None else record.failed(job)
    return record


@given(ENDS, JOBS)
def test_failures_lengthen_the_rest_and_successes_end_it(
    ends: list[UUID | None], job: UUID
) -> None:
    record = record_of(ends)
    assert 0 <= record.failures <= FAILURES_MOST
    assert record.failed(job).failures >= record.failures >= record.succeeded().failures
    assert 0 <= rest_seconds(record.failures) <= REST_SECONDS_MOST
    assert rest_seconds(record.failures) <= rest_seconds(record.failures + 1)
    assert (rest_seconds(record.failures) > 0) == record.is_failing
    for _ in range(SUCCESSES_EACH * FAILURES_MOST):
        record = record.succeeded()
    assert record == FailureRecord()


@given(st.lists(st.just(UUID(int=1)), max_size=50))
def test_one_jobs_failures_count_once(ends: list[UUID | None]) -> None:
    """A scene on which every node fails must not make nodes look bad."""
    assert record_of(ends).failures == min(len(ends), 1)


def test_a_node_that_fails_one_unit_in_ten_never_fails_often() -> None:
    ends = [None if number % 10 else UUID(int=number) for number in range(1, 1_000)]
    assert not any(record_of(ends[:count]).is_failing for count in range(0, 999, 10))


def test_three_failures_in_a_row_are_often() -> None:
    three = record_of([UUID(int=n) for n in range(FAILING_FROM)])
    assert three.is_failing
    assert rest_seconds(three.failures) == REST_SECONDS


def rested(made: list[Node], resting: frozenset[UUID]) -> list[Node]:
    return [attrs.evolve(node, rests_until=1.0 if node.id in resting else None) for node in made]


@given(nodes(), demands(), ties(), st.frozensets(st.integers(1, 8).map(lambda n: UUID(int=n))))
def test_a_rest_starves_nobody_and_gives_way_to_every_other_node(
    made: list[Node], demand: PlacementRequest, circles: Access, resting: frozenset[UUID]
) -> None:
    before = choose(made, demand, access=circles)
    after = choose(rested(made, resting), demand, access=circles)
    assert isinstance(before, Node) == isinstance(after, Node)
    if isinstance(after, Node) and after.is_resting and after.session is not None:
        others = candidates(rested(made, resting), demand, access=circles)
        room = [node for node in others if node.session is not None and node.accepts_work]
        assert all(node.is_resting for node in room)


async def node_of_next(play: Play, number: int) -> UUID | None:
    """Dispatch a job, and return the node that gets it."""
    play.dispatch(job=UUID(int=number))
    assign = (await play.commit()).effects[1]
    assert isinstance(assign, UnitAssign)
    return assign.node


@simulated
async def test_the_only_node_works_while_it_rests() -> None:
    async with scheduling() as play:
        play.open()
        play.ref.tell(NodeFailed(NODE, play.cast.session.ref, FAILURES_MOST))
        assert await node_of_next(play, 1) == NODE


@simulated
async def test_other_nodes_go_first_until_the_rest_is_over() -> None:
    async with scheduling() as play:
        play.open()
        play.open(play.cast.second, node=OTHER)
        play.ref.tell(NodeFailed(NODE, play.cast.session.ref, FAILING_FROM))
        assert [await node_of_next(play, number) for number in range(1, 4)] == [OTHER] * 3
        await asyncio.sleep(REST_SECONDS + 1)
        assert await node_of_next(play, 4) == NODE


@simulated
async def test_a_session_reports_and_stores_failures_of_its_node_alone() -> None:
    async with session() as play:
        units = [assignment(UUID(int=number), is_trusted=True) for number in range(70, 75)]
        await play.greeted(*units, slots=len(units))
        for unit, fault in zip(units, ("scene", "node", "node", "node", "network"), strict=True):
            play.hear(
                JobResult(job_id=str(unit.job), status="failed", failure=fault, error="no disk")
            )
            await play.effect()
        assert (await play.told(NodeFailed)).failures == FAILING_FROM
        assert play.cast.store.failures == [
            (NODE, FailureNote(number, number == FAILING_FROM, "reported", "no disk"))
            for number in range(1, FAILING_FROM + 1)
        ]
