"""Reading all open units in pages gives the same state as one reading, however slowly
pages come.
"""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.messages import Commit, Posted
from actors.node_session.messages import Assignments, Close
from actors.scheduler.actor import NODE_POLLS, PAGE_PAUSE_FACTOR, POLL_SECONDS
from actors.scheduler.backlog_reader import ROWS_LEAST, ROWS_MOST, BacklogReader, page_of
from actors.scheduler.messages import IsLoaded, JobsChanged, Wake
from actors.scheduler.state import WINDOW, SchedulerState
from sql.database import Unavailable
from sql.nodes import NodeRow
from sql.units import KnownPlan, OpenJob, OpenUnit, nothing_known
from tests.support.until import until
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import (
    JOB,
    NODE,
    OTHER,
    PreparedStore,
    node_row,
    open_unit,
    state_of,
)
from tests.unit.dispatch.test_scheduler import scheduling
from tests.unit.simulated_time import simulated

MANY = 2_000  # jobs that fill several pages
FEW = 64  # units per page in tests with many pages


def job(number: int, **changes: Any) -> OpenUnit:
    """Return the only unit of a job; each two jobs in a row were queued at the same time."""
    later = EPOCH + timedelta(seconds=number // 2)
    return open_unit(UUID(int=9_000 + number), queued_at=later, **changes)


def jobs(number: int, **changes: Any) -> list[OpenUnit]:
    return [job(n, **changes) for n in range(number)]


@attrs.define
class MessageCollector:
    """Callback that collects the messages that sessions would get."""

    messages: list[object] = attrs.field(factory=list)

    def __call__(self, node: object, message: object) -> bool:
        self.messages.append(message)
        return True


class SlowStore(PreparedStore):
    """A database that takes ``seconds`` per page; reads of more than ``most`` units fail."""

    most, seconds, node_reads = MANY, 0.0, 0

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        self.node_reads += 1
        return await super().healthy_nodes()

    async def open_units(
        self, jobs: Sequence[UUID], window: int, known: KnownPlan = nothing_known
    ) -> Sequence[OpenUnit]:
        await asyncio.sleep(self.seconds)
        found = await super().open_units(jobs, window, known)
        if len(found) > self.most:
            raise Unavailable("TimeoutError")
        return found


async def read_all(backlog: BacklogReader) -> int:
    """Read one whole pass and return the number of pages."""
    for pages in itertools.count(1):
        if await backlog.read_page():
            return pages
    raise AssertionError("it never ends")


def known(board: SchedulerState) -> dict[UUID, tuple[str, int, UUID | None]]:
    return {
        unit.job: (unit.state, unit.attempt, unit.node.id if unit.node else None)
        for unit in board.units.values()
    }


STATES = st.sampled_from([("QUEUED", 0, None), ("DISPATCHED", 1, NODE), ("RUNNING", 2, OTHER)])
SHELF = st.dictionaries(st.integers(0, 60), STATES, max_size=60)


def rows_of(shelf: dict[int, tuple[str, int, UUID | None]]) -> list[OpenUnit]:
    return [
        job(number, state=state, attempt=attempt, node=node)
        for number, (state, attempt, node) in shelf.items()
    ]


@given(before=SHELF, after=SHELF, most=st.integers(ROWS_LEAST, 64))
def test_pages_tell_what_one_reading_of_all_tells(
    before: dict[int, Any], after: dict[int, Any], most: int
) -> None:
    """Jobs may appear and end between two passes; attempts only grow."""
    after = {n: max(row, before.get(n, row), key=lambda one: one[1]) for n, row in after.items()}

    async def passes() -> None:
        store, paged, whole = (
            SlowStore(),
            SchedulerState(MessageCollector()),
            SchedulerState(MessageCollector()),
        )
        store.most = most
        backlog = BacklogReader(store.port, paged, lambda: EPOCH)
        for shelf in (before, after):
            store.units = rows_of(shelf)
            while True:
                try:
                    await read_all(backlog)
                    break
                except Unavailable:
                    continue
            whole.reconcile(store.units, EPOCH)
            assert known(paged) == known(whole)

    asyncio.run(passes())


@given(st.lists(st.integers(1, 500)), st.integers(ROWS_LEAST, ROWS_MOST))
def test_a_page_has_a_job_and_not_many_more_units_than_it_may(units: list[int], rows: int) -> None:
    listed = [OpenJob(UUID(int=n), EPOCH, number) for n, number in enumerate(units)]
    page = page_of(listed, rows)
    assert page == listed[: len(page)]
    assert bool(page) == bool(listed)
    assert sum(min(job.units, WINDOW) for job in page) <= rows
    if len(page) < len(listed):
        assert sum(min(job.units, WINDOW) for job in listed[: len(page) + 1]) > rows


async def test_a_job_that_comes_and_one_that_moves_within_a_pass_are_not_withdrawn() -> None:
    store, said = PreparedStore(), MessageCollector()
    board = SchedulerState(said)
    store.units = jobs(MANY, state="DISPATCHED", attempt=1, node=NODE)
    backlog = BacklogReader(store.port, board, lambda: EPOCH)
    await read_all(backlog)
    assert not await backlog.read_page()
    first, *rest = store.units
    again = attrs.evolve(first, queued_at=EPOCH + timedelta(days=1))
    early = open_unit(JOB, state="DISPATCHED", attempt=1, node=NODE, queued_at=EPOCH)
    board.take_over([early], EPOCH)  # its place is before the pages that were already read
    store.units = [early, *rest, again]
    said.messages.clear()
    while not await backlog.read_page():
        pass
    assert said.messages == []
    assert len(board.units) == MANY + 1


async def test_what_ended_within_a_pass_is_forgotten_at_its_end() -> None:
    store, board = PreparedStore(), SchedulerState(MessageCollector())
    store.units = jobs(MANY)
    backlog = BacklogReader(store.port, board, lambda: EPOCH)
    await read_all(backlog)
    store.units = store.units[:1]
    assert await read_all(backlog) > 2  # jobs that are gone are read in pages, too
    assert list(known(board)) == [store.units[0].job]


@simulated
async def test_a_scheduler_comes_to_serve_whose_database_is_too_slow_for_a_page() -> None:
    store = SlowStore()
    store.most, store.nodes, store.units = ROWS_LEAST, [node_row()], jobs(100)
    async with scheduling(store=store) as play:
        assert not await play.ref.ask(IsLoaded(), within=2.0)
        commit = await play.cast.ledger.expect(Commit, within=60.0)
        assert commit.observer is not None
        assert await play.ref.ask(IsLoaded(), within=2.0)


@simulated
async def test_dispatches_are_answered_while_a_pass_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each page is a message of its own, so that other messages are handled between two pages."""
    monkeypatch.setattr("actors.scheduler.backlog_reader.ROWS_MOST", FEW)
    store, pages = SlowStore(), 6
    store.seconds, store.nodes = 0.1, [node_row()]
    store.units = jobs(pages * FEW, job_type="other")
    async with scheduling(store=store) as play:
        await until(lambda: play.ref.ask(IsLoaded(), within=2.0))
        play.ref.tell(Wake())
        read, under_way = store.reads, asyncio.Event()
        store.on_read = lambda: under_way.set() if store.reads > read + 3 else None
        await under_way.wait()
        answer = play.dispatch()
        _, later = await play.cast.ledger.expect_ask(Commit)
        assert store.reads < read + 2 * pages
        later.answer(Posted(units=(state_of("DISPATCHED"),)))
        assert isinstance(await answer, Posted)


@simulated
async def test_nodes_are_read_once_a_minute_however_long_a_pass_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.scheduler.backlog_reader.ROWS_MOST", FEW)
    store, pages = SlowStore(), 12
    store.nodes, store.units = [node_row()], jobs(pages * FEW, job_type="other")
    async with scheduling(store=store) as play:
        await until(lambda: play.ref.ask(IsLoaded(), within=2.0))
        play.open(epoch=2)
        await play.cast.session.expect(Assignments)
        store.seconds = 2.0  # with pauses, a pass takes over a minute and a half
        store.nodes = [attrs.evolve(node_row(), epoch=3)]  # a newer session, of which no hint came
        minute = POLL_SECONDS * NODE_POLLS
        page = (1 + PAGE_PAUSE_FACTOR) * store.seconds
        closed = await play.cast.session.expect(Close, within=minute + page)
        assert closed.code == 4003
        read = store.node_reads
        await asyncio.sleep(5 * minute)
        assert 4 <= store.node_reads - read <= 5


@simulated
async def test_only_the_jobs_that_changed_are_read_again() -> None:
    async with scheduling(units=jobs(MANY, job_type="other")) as play:
        await until(lambda: play.ref.ask(IsLoaded(), within=2.0))
        play.open()
        await play.cast.session.expect(Assignments)
        play.cast.store.units = [*play.cast.store.units, open_unit(JOB)]
        read = play.cast.store.reads
        play.ref.tell(JobsChanged((JOB,)))
        commit = await play.commit()
        assert commit.effects[0].job == JOB  # type: ignore[union-attr]
        assert play.cast.store.reads == read + 1
