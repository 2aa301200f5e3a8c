"""Work stealing between gateways: a waiting unit goes to an idle node of another gateway."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg.pgproto.pgproto
import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import UnitAssign
from actors.ledger.messages import Commit, Posted
from actors.node_session.messages import Assignments, Recall, Send
from actors.notifier.actor import NotifierActor
from actors.notifier.messages import ToOthers, UnitsMoved
from actors.notifier.scheduler_hints import decoded, encoded
from actors.scheduler import placement
from actors.scheduler.messages import (
    JobPaused,
    PeerAssigned,
    PeerClaimed,
    PeerServes,
    RecallDeclined,
    SessionReady,
    StealRequest,
    StealRequests,
    UnitsChanged,
)
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import AssignmentTag
from actors.scheduler.work_stealing import RECALL_SECONDS, WorkStealing
from rendertrust.job_status import UnitStatus
from rendertrust.protocol import Hello
from sql.units import OpenUnit
from tests.support.probe import Probe
from tests.twins.bus import TwinBus
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, NODE, OTHER, THIRD, decide, on_stage, state_of
from tests.unit.dispatch.test_scheduler import Play, scheduling
from tests.unit.dispatch.test_state import SESSION, MessageRecorder
from tests.unit.dispatch.test_work_stealing import JOBS, LATER, at, recalls, taken
from tests.unit.simulated_time import simulated

LEASED = EPOCH + timedelta(seconds=60)


def serving(
    *nodes: UUID, rows: list[OpenUnit], slots: int = 1
) -> tuple[SchedulerState, MessageRecorder]:
    """Return the state of a gateway that serves these nodes and knows other nodes from the
    database.
    """
    heard = MessageRecorder()
    board = SchedulerState(heard.say)
    for name in nodes:
        node = board.index.node(name)
        node.capabilities, node.healthy = frozenset({"echo"}), True
        node.session, node.slots = SESSION, slots
        board.index.changed(node)
    board.reconcile(rows, EPOCH)
    heard.clear()
    return board, heard


def held(node: UUID, *jobs: UUID, **of: Any) -> list[OpenUnit]:
    """Return units that a node has, with a lease from its session."""
    return at(node, *jobs, lease_until=LEASED, **of)


def moved(row: OpenUnit, node: UUID) -> OpenUnit:
    return attrs.evolve(row, attempt=row.attempt + 1, node=node, unsent=1, lease_until=None)


def test_another_gateway_is_asked_for_the_last_and_gives_it_to_the_node_that_was_named() -> None:
    rows = held(NODE, *JOBS[:3])
    ours, told = serving(OTHER, rows=rows)
    theirs, heard = serving(NODE, rows=rows)
    [wish] = WorkStealing(ours).balance(LATER, 5.0)
    assert wish == StealRequest(JOBS[2], 0, 1, OTHER)
    assert (taken(ours)[OTHER], told) == (1, [])
    assert WorkStealing(ours).balance(LATER, 5.5) == [], "the idle node's slot is reserved already"
    assert WorkStealing(theirs).recall_for_peer(wish, LATER, 5.0)
    assert recalls(heard) == [(NODE, JOBS[2])]
    assert not theirs.apply(state_of("QUEUED", JOBS[2])), "the known unit is not read again"
    [booking] = placement.place(theirs, LATER, 6.0)
    assert (booking.unit.job, booking.node, booking.attempt) == (JOBS[2], OTHER, 2)
    theirs.confirm(booking, LATER, 0.0)
    assert taken(theirs) == {NODE: 2, OTHER: 1}
    ours.take_over([moved(rows[2], OTHER)], LATER)
    [(node, sent)] = told
    assert (node, type(sent), sent.assignment.tries) == (OTHER, Send, 1)
    assert taken(ours) == {OTHER: 1, NODE: 2}
    assert not any(unit.is_recalled for unit in ours.units.values())


def test_what_its_node_has_already_stays_and_the_next_is_asked_for() -> None:
    rows = held(NODE, *JOBS[:3])
    ours, _ = serving(OTHER, rows=rows)
    theirs, _ = serving(NODE, rows=rows)
    [wish] = WorkStealing(ours).balance(LATER, 5.0)
    assert WorkStealing(theirs).recall_for_peer(wish, LATER, 5.0)
    assert theirs.recall_declined((JOBS[2], 0), 1) == OTHER, "the gateway that asked is to be told"
    assert ours.recall_declined((JOBS[2], 0), 1, THIRD) is None
    assert taken(ours)[OTHER] == 1, "a refusal for another node ends no reservation of this one"
    assert ours.recall_declined((JOBS[2], 0), 1, OTHER) is None
    assert taken(ours)[OTHER] == 0
    assert [wish.job for wish in WorkStealing(ours).balance(LATER, 5.5)] == [JOBS[1]]


def test_a_gateway_says_at_once_what_it_does_not_give() -> None:
    rows = [*held(NODE, JOBS[0], state="RUNNING"), *held(NODE, JOBS[1])]
    theirs, heard = serving(NODE, rows=rows)
    wish = StealRequest(JOBS[1], 0, 1, OTHER)
    assert not WorkStealing(theirs).recall_for_peer(attrs.evolve(wish, job=JOBS[0]), LATER, 5.0), (
        "a unit that runs is not given"
    )
    assert WorkStealing(theirs).recall_for_peer(attrs.evolve(wish, attempt=2), LATER, 5.0), (
        "attempt 2 is not known here"
    )
    assert WorkStealing(theirs).recall_for_peer(attrs.evolve(wish, job=JOB), LATER, 5.0), (
        "the job is not known here"
    )
    assert WorkStealing(theirs).recall_for_peer(wish, LATER, 5.0)
    assert not WorkStealing(theirs).recall_for_peer(attrs.evolve(wish, node=THIRD), LATER, 5.0), (
        "another node asked first"
    )
    assert recalls(heard) == [(NODE, JOBS[1])]


def test_of_nodes_that_nobody_vouches_for_nothing_is_asked() -> None:
    ours, _ = serving(OTHER, rows=at(NODE, *JOBS[:3]))
    assert WorkStealing(ours).balance(LATER, 5.0) == [], "units without a lease are unreachable"


def test_of_a_node_that_left_this_gateway_nothing_is_asked() -> None:
    ours, _ = serving(NODE, OTHER, rows=held(NODE, *JOBS[:3]))
    ours.index.node(NODE).leave(0.0)
    ours.index.changed(ours.index.node(NODE))
    assert WorkStealing(ours).balance(LATER, 5.0) == []


def test_a_node_with_one_unit_has_no_backlog() -> None:
    ours, _ = serving(OTHER, rows=held(NODE, JOB))
    assert not WorkStealing(ours).is_uneven
    assert WorkStealing(ours).balance(LATER, 5.0) == []


def test_a_wish_that_nobody_hears_keeps_no_slot_for_ever() -> None:
    ours, _ = serving(OTHER, rows=held(NODE, *JOBS[:2]))
    assert WorkStealing(ours).balance(LATER, 5.0)
    ours.expire(LATER, 5.0 + RECALL_SECONDS)
    assert taken(ours) == {OTHER: 0, NODE: 2}


def test_what_came_back_and_is_not_given_is_placed_like_anything_that_waits() -> None:
    rows = held(NODE, *JOBS[:2])
    theirs, _ = serving(NODE, rows=rows, slots=2)
    assert WorkStealing(theirs).recall_for_peer(StealRequest(JOBS[1], 0, 1, OTHER), LATER, 5.0)
    theirs.apply(state_of("QUEUED", JOBS[1]))
    [booking] = placement.place(theirs, LATER, 6.0)
    theirs.refuse(booking)
    waits = attrs.evolve(rows[1], state="QUEUED", node=None, unsent=1)
    theirs.reconcile([rows[0], waits], LATER)
    assert [booking.node for booking in placement.place(theirs, LATER, 7.0)] == [NODE]


# -- random orders of events


@attrs.define
class Gateway:
    board: SchedulerState
    heard: MessageRecorder
    hints: list[Any] = attrs.field(factory=list[Any])
    stealing: WorkStealing = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.stealing = WorkStealing(self.board)


class Pair:
    """Two gateways over one database, with two nodes each.

    Hints between the gateways may be late or lost. Sessions answer at any time, from what is in the
    database.
    """

    def __init__(self, rows: list[OpenUnit], slots: int) -> None:
        self.rows = {row.job: row for row in rows}
        self.nodes = [(UUID(int=1), UUID(int=2)), (UUID(int=3), UUID(int=4))]
        self.both = [Gateway(*serving(*nodes, rows=rows, slots=slots)) for nodes in self.nodes]
        self.now, self.clock = EPOCH, 5.0

    def later(self) -> datetime:
        self.clock += 1.0
        self.now = EPOCH + timedelta(seconds=self.clock)
        return self.now

    def balance(self, number: int) -> None:
        for wish in self.both[number].stealing.balance(self.now, self.clock):
            self.both[1 - number].hints.append(wish)

    def hear(self, number: int, *, lost: bool) -> None:
        """Deliver the next hint from the other gateway, or lose it."""
        one, other = self.both[number], self.both[1 - number]
        if not one.hints:
            return
        hint = one.hints.pop(0)
        if lost:
            return
        if isinstance(hint, StealRequest):
            if not one.stealing.recall_for_peer(hint, self.now, self.clock):
                other.hints.append(RecallDeclined(hint.job, 0, hint.attempt, hint.node))
        elif isinstance(hint, RecallDeclined):
            one.board.recall_declined((hint.job, 0), hint.attempt, hint.node)
        else:
            rows = [row for row in self.rows.values() if row.node == hint]
            one.board.take_over(rows, self.now)

    def answer(self, number: int, *, keeps: bool) -> None:
        """Let the session of a node that was asked for a unit keep it or return it."""
        one, other = self.both[number], self.both[1 - number]
        asked = [told for _, told in one.heard if isinstance(told, Recall)]
        if not asked:
            return
        told = asked[-1]
        one.heard[:] = [pair for pair in one.heard if pair[1] is not told]
        row = self.rows.get(told.job)
        if keeps or row is None or (row.state, row.attempt) != ("DISPATCHED", told.attempt):
            wanted_for = one.board.recall_declined((told.job, 0), told.attempt)
            if wanted_for is not None:
                other.hints.append(RecallDeclined(told.job, 0, told.attempt, wanted_for))
            return
        back = attrs.evolve(row, state="QUEUED", node=None, lease_until=None, unsent=row.unsent + 1)
        self.rows[told.job] = back
        one.board.apply(state_of("QUEUED", told.job, attempt=told.attempt, node=row.node))

    def place(self, number: int, *, answered: bool = True) -> None:
        """Commit the Scheduler's decisions; the database accepts the first commit for a unit."""
        one, other = self.both[number], self.both[1 - number]
        for booking in list(placement.place(one.board, self.now, self.clock)):
            if not self._commits(booking):
                one.board.refuse(booking)
            elif answered:
                one.board.confirm(booking, self.now, 0.0)
                assert booking.node is not None
                if not one.board.serves(booking.node):
                    other.hints.append(booking.node)

    def _commits(self, booking: AssignmentTag) -> bool:
        row = self.rows.get(booking.unit.job)
        if row is None:
            return False
        if (row.attempt, row.node) == (booking.attempt, booking.node):
            return True
        if row.state != "QUEUED" or booking.attempt != row.attempt + 1:
            return False
        self.rows[row.job] = attrs.evolve(
            row,
            state="DISPATCHED",
            attempt=booking.attempt,
            node=booking.node,
            assigned_at=self.now,
            lease_until=LEASED,
        )
        return True

    def begin(self, number: int, chance: Any) -> None:
        """Let a node of this gateway begin or end one of its units."""
        here = [row for row in self.rows.values() if row.node in self.nodes[number]]
        if not here:
            return
        row = chance.choice(here)
        if row.state == "DISPATCHED":
            self.rows[row.job] = attrs.evolve(row, state="RUNNING", started_at=self.now)
        elif row.state == "RUNNING":
            del self.rows[row.job]
        state: UnitStatus = "RUNNING" if row.state == "DISPATCHED" else "COMPLETED"
        told = state_of(state, row.job, attempt=row.attempt, node=row.node)
        self.both[number].board.apply(told)

    def poll(self, number: int) -> None:
        board = self.both[number].board
        board.reconcile(list(self.rows.values()), self.now)
        board.expire(self.now, self.clock)

    def agree(self) -> None:
        """Check that both gateways agree with the database."""
        for one in self.both:
            for node in one.board.index:
                has = {(row.job, 0) for row in self.rows.values() if row.node == node.id}
                assert node.assigned == has, node.id
            shares = sum(one.board.queue.shares.values())
            assert shares == sum(row.node is not None for row in self.rows.values())


STEPS = ["balance", "hear", "lose", "back", "keep", "place", "unanswered", "begin", "poll"]


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1)), max_size=60),
    st.randoms(use_true_random=False),
)
def test_whatever_is_lost_or_late_each_unit_is_one_nodes_and_both_agree_in_the_end(
    where: list[int], slots: int, steps: list[tuple[str, int]], chance: Any
) -> None:
    rows = [
        row
        for n in range(4)
        for row in held(
            UUID(int=n + 1), *(job for job, m in zip(JOBS, where, strict=False) if m == n)
        )
    ]
    pair = Pair(rows, slots)
    for step, number in steps:
        pair.later()
        if step == "balance":
            pair.balance(number)
        elif step in ("hear", "lose"):
            pair.hear(number, lost=step == "lose")
        elif step in ("back", "keep"):
            pair.answer(number, keeps=step == "keep")
        elif step in ("place", "unanswered"):
            pair.place(number, answered=step == "place")
        elif step == "begin":
            pair.begin(number, chance)
        else:
            pair.poll(number)
    for _ in range(3):  # promises without an answer expire, and the units are placed here
        for number in (0, 1):
            pair.clock += 40.0
            pair.later()
            pair.both[number].board.expire(pair.now, pair.clock)
            pair.poll(number)
            pair.place(number)
    for number in (0, 1):
        pair.poll(number)
    pair.agree()


# -- over the bus


@given(
    st.sampled_from(
        [
            StealRequests((StealRequest(JOB, 3, 2, NODE), StealRequest(JOB, 4, 1, OTHER))),
            RecallDeclined(JOB, 3, 2, NODE),
            PeerAssigned((NODE, OTHER)),
            PeerServes(NODE, 7),
            PeerClaimed(((JOB, 3, 2), (JOB, 4, 1))),
            JobPaused(JOB),
        ]
    )
)
def test_a_hint_comes_as_it_was_told(hint: Any) -> None:
    assert decoded(encoded(hint)) == hint


def test_names_that_came_from_the_database_go_over_the_bus() -> None:
    """asyncpg returns UUIDs of a class of its own."""
    told = RecallDeclined(
        asyncpg.pgproto.pgproto.UUID(str(JOB)), 0, 1, asyncpg.pgproto.pgproto.UUID(str(NODE))
    )
    assert decoded(encoded(told)) == RecallDeclined(JOB, 0, 1, NODE)


@given(st.binary(max_size=60) | st.sampled_from([b'{"wanted":[[1]]}', b'{"given":3}', b"[]"]))
def test_what_is_no_hint_is_none(payload: bytes) -> None:
    assert decoded(payload) is None


@asynccontextmanager
async def notifying(bus: TwinBus, scheduler: Any) -> AsyncGenerator[Any]:
    async with on_stage("notifier", lambda: NotifierActor(bus, scheduler, UUID(int=1))) as ref:
        yield ref


@simulated
async def test_the_schedulers_of_all_gateways_hear_it() -> None:
    bus, one, other = TwinBus(), Probe[Any]("one"), Probe[Any]("other")
    async with notifying(bus, one.ref) as ours, notifying(bus, other.ref):
        await asyncio.sleep(0.1)
        ours.tell(ToOthers(PeerAssigned((NODE,))))
        assert await other.expect(PeerAssigned) == PeerAssigned((NODE,))
        await bus.publish("moves", b"of another release")
        ours.tell(ToOthers(RecallDeclined(JOB, 0, 1, NODE)))
        assert await other.expect(RecallDeclined) == RecallDeclined(JOB, 0, 1, NODE)


# -- the actor


async def told_others(play: Play) -> Any:
    """Return the next hint to other gateways that is not about sessions."""
    while True:
        hint = (await play.cast.notifier.expect(ToOthers, within=7.0)).hint
        if not isinstance(hint, PeerServes):
            return hint


@simulated
async def test_a_node_that_joins_here_is_offered_for_what_waits_elsewhere() -> None:
    rows = held(NODE, *JOBS[:3])
    async with scheduling(nodes=[], units=rows) as play:
        idle = play.cast.second
        await asyncio.sleep(2)
        play.open(idle, node=OTHER)
        play.ref.tell(SessionReady(OTHER, idle.ref, Hello(version="1")))
        await idle.expect(Assignments)
        assert await told_others(play) == StealRequests((StealRequest(JOBS[2], 0, 1, OTHER),))
        play.cast.store.units = [*rows[:2], moved(rows[2], OTHER)]
        play.ref.tell(PeerAssigned((OTHER, THIRD)))
        sent = (await idle.expect(Send, within=0.1)).assignment
        assert (sent.job, sent.attempt, sent.tries) == (JOBS[2], 2, 1)


@simulated
async def test_what_is_wanted_elsewhere_is_given_to_the_node_that_was_named() -> None:
    async with scheduling(units=held(NODE, *JOBS[:3])) as play:
        busy = play.cast.session
        play.open(busy)
        play.ref.tell(SessionReady(NODE, busy.ref, Hello(version="1")))
        await busy.expect(Assignments)
        await asyncio.sleep(2)
        play.ref.tell(
            StealRequests((StealRequest(JOBS[2], 0, 1, OTHER), StealRequest(JOBS[1], 0, 1, THIRD)))
        )
        first, second = await busy.expect(Recall), await busy.expect(Recall)
        assert (first.job, second.job, first.for_another) == (JOBS[2], JOBS[1], True)
        play.ref.tell(RecallDeclined(JOBS[1], 0, 1))
        assert await told_others(play) == RecallDeclined(JOBS[1], 0, 1, THIRD)
        play.ref.tell(UnitsChanged((state_of("QUEUED", JOBS[2]),)))
        commit = await play.cast.ledger.expect(Commit, within=0.1)
        assert commit.effects == (UnitAssign(JOBS[2], 0, 2, OTHER),)
        given_away = state_of("DISPATCHED", JOBS[2], attempt=2, node=OTHER)
        decide(commit, Posted(units=(given_away,)))
        assert await told_others(play) == PeerClaimed(((JOBS[2], 0, 2),))
        assert (await play.cast.notifier.expect(UnitsMoved)).units == (given_away,)
        assert await told_others(play) == PeerAssigned((OTHER,))
        play.ref.tell(StealRequests((StealRequest(JOBS[1], 0, 1, THIRD),)))
        assert await told_others(play) == RecallDeclined(JOBS[1], 0, 1, THIRD)
