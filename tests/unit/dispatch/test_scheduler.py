"""The Scheduler, with probes in the place of the Ledger and the sessions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import DeadlineExceeded, Message, Ref
from actors.ledger.effects import JobInsert, UnitAssign
from actors.ledger.messages import Commit, InsufficientCredits, LedgerUnavailable, Posted, Replayed
from actors.node_session.messages import (
    Assignments,
    Close,
    KeyProved,
    ReopenSession,
    Send,
    Withdraw,
)
from actors.notifier.messages import ToOthers
from actors.scheduler.actor import POLL_SECONDS, SchedulerActor
from actors.scheduler.messages import (
    AccessChanged,
    AllNodesFull,
    ExplainWaiting,
    NoCapableNode,
    NodeGone,
    NodeProved,
    NodeSeen,
    OpenOf,
    PeerAssigned,
    PeerServes,
    SessionClosed,
    SessionOpened,
    SessionReady,
    TooManyOpen,
    UnitsChanged,
    Wake,
)
from actors.scheduler.settings import SchedulerSettings
from config.settings import Limits
from rendertrust.protocol import Hello
from sql.access import Access
from tests.support.examples import examples
from tests.support.until import until
from tests.twins.clock import TwinClock
from tests.twins.ports import twin_ports
from tests.unit.dispatch.stage import (
    JOB,
    JOB2,
    NODE,
    OTHER,
    OWNER,
    USER,
    Cast,
    PreparedStore,
    decide,
    node_row,
    on_stage,
    open_unit,
    order,
    state_of,
    with_plan,
)
from tests.unit.simulated_time import simulated

MANY = 1_000_000
USUAL = SchedulerSettings(Limits(open_jobs=MANY, open_free_jobs=MANY, open_kinds=MANY))


def hello(slots: int, *capabilities: str) -> Hello:
    return Hello(version="1", slots=slots, capabilities=capabilities)


@attrs.frozen
class Play:
    cast: Cast
    ref: Ref[Any]
    clock: TwinClock

    def dispatch(self, **changes: Any) -> "asyncio.Task[Any]":
        return asyncio.create_task(self.ref.ask(order(**changes), within=2.0))

    async def commit(self) -> Commit:
        return await self.cast.ledger.expect(Commit)

    def open(self, session: Any = None, *, epoch: int = 1, node: Any = NODE) -> None:
        ref = (session or self.cast.session).ref
        assert self.ref.tell(SessionOpened(node, OWNER, ("echo",), ref, epoch))


@asynccontextmanager
async def scheduling(
    *,
    nodes: Any = None,
    units: Any = (),
    settings: SchedulerSettings = USUAL,
    store: PreparedStore | None = None,
    **state: Any,
) -> AsyncGenerator[Play]:
    cast_, clock = Cast(), TwinClock()
    if store is None:
        cast_.store.nodes = [node_row()] if nodes is None else list(nodes)
        cast_.store.units = list(units)
    else:
        cast_.store = store
    for name, value in state.items():
        setattr(cast_.store, name, value)

    def make() -> SchedulerActor:
        return SchedulerActor(
            twin_ports(store=cast_.store, clock=clock),
            cast_.ledger.ref,
            cast_.notifier.ref,
            lambda: [cast_.session.ref],
            settings,
        )

    async with on_stage("scheduler", make) as ref:
        await cast_.session.expect(ReopenSession)
        yield Play(cast_, ref, clock)


@simulated
async def test_a_job_that_is_known_is_not_placed_twice() -> None:
    """The second of two simultaneous retries must not take the place of the first retry."""
    async with scheduling() as play:
        first = play.dispatch()
        _, later = await play.cast.ledger.expect_ask(Commit)
        assert await play.ref.ask(order(), within=2.0) == AllNodesFull(1)
        later.answer(Posted(units=(state_of("DISPATCHED"),)))
        assert isinstance(await first, Posted)
        assert await play.ref.ask(order(), within=2.0) == AllNodesFull(1)
        known = await play.ref.ask(ExplainWaiting(JOB, (0, 7)), within=2.0)
        assert set(known) == {0}
        assert not await play.ref.ask(ExplainWaiting(JOB2), within=2.0)


@simulated
async def test_a_dispatch_is_one_commit_and_the_ledger_answers_it() -> None:
    async with scheduling() as play:
        answer = play.dispatch(price=100_000, idempotency=("key", b"x" * 32))
        message, later = await play.cast.ledger.expect_ask(Commit)
        insert, assign = message.effects
        assert isinstance(insert, JobInsert)
        assert insert.plan.price == 100_000
        assert assign == UnitAssign(JOB, 0, 1, NODE)
        assert message.idempotency is not None
        assert message.idempotency.answer == {
            "status": 200,
            "body": {"job_id": str(JOB), "node_id": str(NODE), "status": "DISPATCHED"},
        }
        outcome = Posted(units=(state_of("DISPATCHED"),))
        later.answer(outcome)
        assert await answer == outcome


@simulated
async def test_the_node_is_told_once_the_assignment_is_booked() -> None:
    async with scheduling() as play:
        play.open()
        assert (await play.cast.session.expect(Assignments)).units == ()
        answer = play.dispatch()
        commit = await play.commit()
        assert play.cast.session.ref.depth == 0
        decide(commit, Posted(units=(state_of("DISPATCHED"),)))
        sent = await play.cast.session.expect(Send)
        assert (sent.assignment.job, sent.assignment.attempt) == (JOB, 1)
        answer.cancel()


@simulated
async def test_a_refused_or_replayed_booking_is_not_sent_and_frees_its_slot() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        first_answer = {"status": 200, "body": {"job_id": str(JOB2)}}
        for outcome in (InsufficientCredits(0, 1), Replayed(answer=first_answer)):
            for _ in range(40):  # more often than there are slots
                answer = play.dispatch()
                decide(await play.commit(), outcome)
                answer.cancel()
        assert play.cast.session.ref.depth == 0


@simulated
async def test_a_replayed_answer_that_is_our_own_counts_as_booked() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        answer = play.dispatch()
        own = {"status": 200, "body": {"job_id": str(JOB)}}
        decide(await play.commit(), Replayed(answer=own))
        await play.cast.session.expect(Send)
        answer.cancel()


@simulated
async def test_no_capable_node() -> None:
    async with scheduling(nodes=[]) as play:
        assert await play.dispatch() == NoCapableNode()


@simulated
async def test_every_node_full() -> None:
    async with scheduling() as play:
        answers = [play.dispatch(job=type(JOB)(int=n)) for n in range(32)]
        for _ in answers:
            decide(await play.commit(), Posted())
        assert isinstance(await play.dispatch(), AllNodesFull)
        for answer in answers:
            answer.cancel()


@simulated
async def test_a_user_has_no_more_jobs_open_than_he_may() -> None:
    settings = SchedulerSettings(Limits(open_jobs=2))
    async with scheduling(units=[open_unit(attempt=1)], settings=settings) as play:
        answers = [play.dispatch(job=type(JOB)(int=n), queue=True) for n in range(2)]
        assert await answers[1] == TooManyOpen(2)  # the first job is not booked yet
        assert isinstance(await play.commit(), Commit)
        other = play.dispatch(job=JOB2, user=OWNER)
        decide(await play.commit(), Posted())  # the limit is per user
        play.ref.tell(UnitsChanged((state_of("COMPLETED", attempt=1),)))
        again = play.dispatch(job=type(JOB)(int=9))
        assert (await play.commit()).effects
        for answer in (answers[0], other, again):
            answer.cancel()


@simulated
async def test_a_user_has_no_more_free_jobs_open_than_he_may_and_priced_ones_beside_them() -> None:
    settings = SchedulerSettings(Limits(open_free_jobs=2))
    async with scheduling(nodes=[], units=[open_unit()], settings=settings) as play:
        free = [play.dispatch(job=type(JOB)(int=n), queue=True) for n in range(2)]
        assert await free[1] == TooManyOpen(2, "free jobs")
        assert isinstance(await play.commit(), Commit)
        priced = play.dispatch(job=JOB2, price=100, queue=True)
        assert isinstance(await play.commit(), Commit)
        other = play.dispatch(job=type(JOB)(int=8), user=OWNER, queue=True)
        assert isinstance(await play.commit(), Commit)
        for answer in (free[0], priced, other):
            answer.cancel()


@simulated
async def test_a_users_open_jobs_have_a_limited_number_of_kinds() -> None:
    """A kind that is already open counts once. A kind: job type, pool and requirements."""
    settings = SchedulerSettings(Limits(open_kinds=2))
    async with scheduling(nodes=[], settings=settings) as play:
        taken = [
            play.dispatch(job=type(JOB)(int=n), job_type=kind, queue=True)
            for n, kind in enumerate(("one", "two", "one"))
        ]
        for _ in taken:
            assert isinstance(await play.commit(), Commit)
        assert await play.dispatch(job_type="three", queue=True) == TooManyOpen(2, "kinds")
        for answer in taken:
            answer.cancel()


@simulated
@pytest.mark.parametrize("is_known", [True, False], ids=["paused later", "paused before the start"])
@pytest.mark.parametrize("of", ["jobs", "free jobs", "kinds"])
async def test_what_its_owner_paused_is_counted_as_open_until_it_ends(
    of: OpenOf, is_known: bool
) -> None:
    limits: dict[OpenOf, SchedulerSettings] = {
        "jobs": SchedulerSettings(Limits(open_jobs=1)),
        "free jobs": SchedulerSettings(Limits(open_free_jobs=1)),
        "kinds": SchedulerSettings(Limits(open_kinds=1)),
    }
    settings = limits[of]
    paused = attrs.evolve(open_unit(), paused="owner")
    unit = open_unit() if is_known else paused
    async with scheduling(nodes=[], units=[unit], settings=settings) as play:
        store = play.cast.store
        store.units = [paused]
        await asyncio.sleep(2 * POLL_SECONDS)  # the database is read again
        refused = await play.dispatch(job=JOB2, job_type="render", queue=True)
        assert refused == TooManyOpen(1, of)
        store.units = []
        play.ref.tell(UnitsChanged((state_of("CANCELLED", attempt=0),)))
        taken = play.dispatch(job=JOB2, job_type="render", queue=True)
        assert isinstance(await play.commit(), Commit)
        taken.cancel()


@simulated
async def test_a_paused_job_that_is_listed_no_more_has_ended() -> None:
    """Another gateway ended the job, and its hint was lost."""
    paused = attrs.evolve(open_unit(), paused="owner")
    settings = SchedulerSettings(Limits(open_jobs=1))
    async with scheduling(nodes=[], units=[paused], settings=settings) as play:
        assert await play.dispatch(job=JOB2, queue=True) == TooManyOpen(1)
        store = play.cast.store
        store.units = []
        await asyncio.sleep(2 * POLL_SECONDS)  # the database is read again
        taken = play.dispatch(job=JOB2, queue=True)
        assert isinstance(await play.commit(), Commit)
        taken.cancel()


@simulated
async def test_a_job_that_may_queue_waits_until_a_node_appears() -> None:
    async with scheduling(nodes=[]) as play:
        answer = play.dispatch(queue=True)
        commit = await play.commit()
        assert [type(effect) for effect in commit.effects] == [JobInsert]
        queued = state_of("QUEUED", attempt=0, node=None)
        decide(commit, Posted(units=(queued,)))
        play.ref.tell(NodeSeen(NODE, OWNER, ("echo",), 0.0))
        assert (await play.commit()).effects == (UnitAssign(JOB, 0, 1, NODE),)
        answer.cancel()


@simulated
async def test_before_the_database_was_read_dispatches_wait() -> None:
    async with scheduling(away=True) as play:
        answer = play.dispatch()
        await asyncio.sleep(0.5)
        assert not answer.done()
        play.cast.store.away = False
        decide(await play.commit(), Posted(units=(state_of("DISPATCHED"),)))
        assert await answer == Posted(units=(state_of("DISPATCHED"),))


@simulated
async def test_a_dispatch_whose_asker_gave_up_waiting_never_happens() -> None:
    async with scheduling(away=True) as play:
        with pytest.raises(DeadlineExceeded):
            await play.dispatch()
        play.cast.store.away = False
        await until(lambda: play.cast.store.reads > 4)
        await asyncio.sleep(5)
        assert play.cast.ledger.ref.depth == 0


@simulated
async def test_a_session_is_told_what_its_node_is_to_do() -> None:
    mine = open_unit(state="RUNNING", attempt=2, node=NODE)
    others = open_unit(JOB2, state="DISPATCHED", attempt=1, node=OTHER)
    async with scheduling(units=[mine, others]) as play:
        play.open()
        [unit] = (await play.cast.session.expect(Assignments)).units
        assert (unit.job, unit.attempt, unit.state) == (JOB, 2, "RUNNING")


@simulated
async def test_a_session_that_opens_before_the_database_was_read_is_answered_after() -> None:
    mine = open_unit(state="DISPATCHED", attempt=1, node=NODE)
    async with scheduling(units=[mine], away=True) as play:
        play.open()
        await asyncio.sleep(1.5)
        assert play.cast.session.ref.depth == 0
        play.cast.store.away = False
        assert len((await play.cast.session.expect(Assignments)).units) == 1


@simulated
async def test_a_newer_session_replaces_the_older_one() -> None:
    async with scheduling() as play:
        play.open(epoch=1)
        await play.cast.session.expect(Assignments)
        play.open(play.cast.second, epoch=2)
        await play.cast.second.expect(Assignments)
        assert (await play.cast.session.expect(Close)).code == 4003
        play.open(epoch=1)  # the old session has not noticed yet
        assert (await play.cast.session.expect(Close)).code == 4003
        play.ref.tell(SessionClosed(NODE, play.cast.session.ref))
        answer = play.dispatch()
        decide(await play.commit(), Posted(units=(state_of("DISPATCHED"),)))
        await play.cast.second.expect(Send)
        answer.cancel()


@simulated
async def test_a_session_is_closed_when_another_gateway_has_a_newer_one() -> None:
    async with scheduling() as play:
        play.open(epoch=2)
        await play.cast.session.expect(Assignments)
        assert (await play.cast.notifier.expect(ToOthers)).hint == PeerServes(NODE, 2)
        play.ref.tell(PeerServes(NODE, 2))  # this gateway's own hint, or a late hint
        play.ref.tell(PeerServes(NODE, 1))
        answer = play.dispatch()
        decide(await play.commit(), Posted(units=(state_of("DISPATCHED"),)))
        await play.cast.session.expect(Send)
        play.ref.tell(PeerServes(NODE, 3))
        assert (await play.cast.session.expect(Close)).code == 4003
        answer.cancel()
        # A hint from the other gateway.
        assert play.ref.tell(NodeSeen(NODE, OWNER, ("echo",), None))
        other = play.dispatch(job=JOB2)
        decide(await play.commit(), Posted(units=(state_of("DISPATCHED", JOB2),)))
        while (told := await play.cast.notifier.expect(Message)) != ToOthers(PeerAssigned((NODE,))):
            assert not isinstance(told, PeerServes)
        assert play.cast.session.ref.depth == 0
        other.cancel()


@simulated
async def test_a_newer_session_elsewhere_is_found_in_the_database_without_a_hint() -> None:
    async with scheduling() as play:
        play.open(epoch=2)
        await play.cast.session.expect(Assignments)
        play.cast.store.nodes = [attrs.evolve(node_row(), epoch=3)]
        closed = await play.cast.session.expect(Close, within=POLL_SECONDS * 13)
        assert closed.code == 4003


@given(st.permutations([("opens", 1), ("opens", 3), ("hears", 2), ("hears", 4), ("hears", 1)]))
@examples(0.3)
def test_in_any_order_only_the_newest_session_of_all_gateways_serves(
    events: list[tuple[str, int]],
) -> None:
    @simulated
    async def run() -> None:
        async with scheduling() as play:
            probes = {1: play.cast.session, 3: play.cast.second}
            newest = 0
            for what, epoch in events:
                if what == "hears":
                    play.ref.tell(PeerServes(NODE, epoch))
                else:
                    play.open(probes[epoch], epoch=epoch)
                    expected = Assignments if epoch >= newest else Close
                    await probes[epoch].expect(expected)
                    if epoch < newest:
                        del probes[epoch]
                newest = max(newest, epoch)
            for probe in probes.values():  # the newest session is at another gateway
                assert (await probe.expect(Close)).code == 4003

    run()


@simulated
async def test_slots_and_types_of_a_hello_count() -> None:
    async with scheduling(nodes=[]) as play:
        play.open()
        play.ref.tell(SessionReady(NODE, play.cast.session.ref, hello(2, "render")))
        assert await play.dispatch() == NoCapableNode()
        play.ref.tell(SessionReady(NODE, play.cast.session.ref, hello(2, "render", "echo")))
        answers = [play.dispatch(job=type(JOB)(int=n)) for n in range(34)]
        for _ in answers:
            decide(await play.commit(), Posted())
        assert isinstance(await play.dispatch(), AllNodesFull)
        for answer in answers:
            answer.cancel()


@simulated
async def test_a_node_that_fell_silent_gets_nothing() -> None:
    async with scheduling() as play:
        play.ref.tell(NodeGone(NODE))
        assert await play.dispatch() == NoCapableNode()


@simulated
async def test_the_session_hears_who_proved_its_node() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        play.ref.tell(NodeProved(NODE, OTHER))
        assert await play.cast.session.expect(KeyProved) == KeyProved(OTHER)


@simulated
async def test_a_freed_slot_goes_to_a_unit_that_waits() -> None:
    running = [
        open_unit(type(JOB)(int=n), state="RUNNING", attempt=1, node=NODE) for n in range(32)
    ]
    async with scheduling(units=[*running, open_unit(JOB2)]) as play:
        await until(lambda: play.cast.store.reads)
        assert play.cast.ledger.ref.depth == 0
        play.ref.tell(UnitsChanged((state_of("COMPLETED", running[3].job),)))
        assert (await play.commit()).effects == (UnitAssign(JOB2, 0, 1, NODE),)


@simulated
async def test_a_failed_unit_is_placed_when_its_time_has_come() -> None:
    assigned = open_unit(state="RUNNING", attempt=1, node=NODE)
    async with scheduling(nodes=[node_row(NODE), node_row(OTHER)], units=[assigned]) as play:
        play.open()
        await play.cast.session.expect(Assignments)
        start = play.clock.now()
        play.cast.store.units = [
            open_unit(attempt=1, avoid=frozenset({NODE}), not_before=start + timedelta(seconds=2))
        ]
        play.ref.tell(UnitsChanged((state_of("QUEUED"),)))
        assert (await play.cast.session.expect(Withdraw)).attempt == 1
        assert (await play.commit()).effects == (UnitAssign(JOB, 0, 2, OTHER),)
        assert 2.0 <= (play.clock.now() - start).total_seconds() < 2.2


@simulated
async def test_a_hint_that_there_is_something_new_is_followed() -> None:
    async with scheduling() as play:
        await until(lambda: play.cast.store.reads >= 2)
        play.cast.store.units = [open_unit()]
        play.ref.tell(Wake())
        before = play.clock.now()
        await play.commit()
        assert play.clock.now() - before < timedelta(seconds=1)


@simulated
async def test_a_booking_of_which_nobody_knows_whether_it_is_in_the_books_is_looked_up() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        answer = play.dispatch()
        commit = await play.commit()
        play.cast.store.units = [open_unit(state="DISPATCHED", attempt=1, node=NODE)]
        decide(commit, LedgerUnavailable())
        sent = await play.cast.session.expect(Send, within=0.5)
        assert sent.assignment.job == JOB
        answer.cancel()


@simulated
async def test_without_any_hint_a_poll_finds_it_too() -> None:
    async with scheduling() as play:
        await until(lambda: play.cast.store.reads >= 2)
        play.cast.store.units = [open_unit()]
        await play.cast.ledger.expect(Commit, within=6.0)


@simulated
async def test_a_crashed_scheduler_asks_the_sessions_and_knows_all_again() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        answer = play.dispatch()
        commit = await play.commit()
        play.cast.store.has_bug = True
        await play.cast.session.expect(ReopenSession, within=6.0)
        play.cast.store.units = [open_unit(state="DISPATCHED", attempt=1, node=NODE)]
        decide(commit, Posted(units=(state_of("DISPATCHED"),)))
        play.open()
        assert [unit.job for unit in (await play.cast.session.expect(Assignments)).units] == [JOB]
        answer.cancel()


@simulated
async def test_a_session_that_had_no_room_is_told_again_soon() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        while play.cast.session.ref.tell(ReopenSession()):
            pass
        answer = play.dispatch()
        decide(await play.commit(), Posted(units=(state_of("DISPATCHED"),)))
        await asyncio.sleep(0.3)
        while play.cast.session.ref.depth > 1000:
            await play.cast.session.expect(ReopenSession)
        await asyncio.sleep(0.3)
        newest = play.cast.session.ref.mailbox.items[-1]
        assert isinstance(getattr(newest, "message", newest), Assignments)
        answer.cancel()


@simulated
async def test_a_node_whose_socket_closed_is_given_nothing_until_it_is_heard_of_again() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        play.ref.tell(SessionReady(NODE, play.cast.session.ref, hello(1)))
        play.ref.tell(SessionClosed(NODE, play.cast.session.ref))
        assert await play.dispatch() == NoCapableNode()
        await asyncio.sleep(70)  # the database still shows the node as healthy
        assert await play.dispatch() == NoCapableNode()
        play.cast.store.nodes = [attrs.evolve(node_row(), silent_seconds=0.0)]
        await asyncio.sleep(70)  # the node is at another gateway
        play.dispatch()
        await play.commit()


@simulated
async def test_a_node_that_never_said_hello_lives_by_its_heartbeats_alone() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        play.ref.tell(SessionClosed(NODE, play.cast.session.ref))
        play.dispatch()
        await play.commit()


@simulated
async def test_a_node_whose_socket_closed_lives_by_its_heartbeat() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        play.ref.tell(SessionClosed(NODE, play.cast.session.ref))
        play.ref.tell(NodeSeen(NODE, OWNER, ("echo",), None))
        play.dispatch()
        await play.commit()


@simulated
async def test_a_change_of_access_is_read_once_the_database_is_back() -> None:
    trusted = with_plan(order(), pool="trusted")
    async with scheduling() as play:
        found = await play.ref.ask(trusted, within=2.0)
        assert isinstance(found, NoCapableNode)
        play.cast.store.ties, play.cast.store.away = Access.of(trusts=((USER, OWNER),)), True
        changed = asyncio.create_task(play.ref.ask(AccessChanged(), within=10.0))
        with pytest.raises(DeadlineExceeded):
            await play.ref.ask(AccessChanged(), within=1.5)
        play.cast.store.away = False
        await changed
        dispatched = asyncio.create_task(play.ref.ask(trusted, within=2.0))
        assert (await play.commit()).effects[1] == UnitAssign(JOB, 0, 1, NODE)
        dispatched.cancel()
