"""Work stealing: a unit that waits at a busy node goes to an idle node."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Ref
from actors.ledger.effects import UnitAssign
from actors.ledger.messages import Commit
from actors.node_session.messages import Assignments, Recall, Send
from actors.scheduler import placement, policy, work_stealing
from actors.scheduler.messages import RecallDeclined, SessionReady, UnitsChanged
from actors.scheduler.node import Node
from actors.scheduler.state import SchedulerState
from actors.scheduler.work_stealing import RECALL_SECONDS, WorkStealing
from rendertrust.job_status import UnitStatus
from rendertrust.protocol import Hello
from sql.units import OpenUnit
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import (
    JOB,
    NODE,
    OTHER,
    THIRD,
    node_row,
    open_unit,
    state_of,
    with_plan,
)
from tests.unit.dispatch.test_scheduler import scheduling
from tests.unit.dispatch.test_state import MessageRecorder, board_with
from tests.unit.simulated_time import simulated

LATER = EPOCH + timedelta(seconds=5)
JOBS = [UUID(int=2000 + n) for n in range(12)]


def at(
    node: UUID, *jobs: UUID, state: UnitStatus = "DISPATCHED", job_type: str = "echo", **of: Any
) -> list[OpenUnit]:
    """Return units that a node has, assigned one after the other."""
    rows = [open_unit(job, state=state, attempt=1, node=node, job_type=job_type) for job in jobs]
    return [
        attrs.evolve(row, assigned_at=EPOCH + timedelta(milliseconds=n), **of)
        for n, row in enumerate(rows)
    ]


def farm(*rows: OpenUnit, slots: int = 1, nodes: int = 2) -> tuple[SchedulerState, MessageRecorder]:
    """Return a state with connected nodes, the first of which have units."""
    board, heard = board_with(*(node_row(UUID(int=n + 1)) for n in range(nodes)))
    for node in board.index:
        node.slots = slots
        board.index.changed(node)
    board.reconcile(rows, EPOCH)
    heard.clear()
    return board, heard


def recalls(heard: MessageRecorder) -> list[tuple[UUID, UUID]]:
    return [(node, told.job) for node, told in heard if isinstance(told, Recall)]


def comes_back(board: SchedulerState, job: UUID, attempt: int = 1) -> bool:
    """Tell the state that the session has returned the unit."""
    return board.apply(state_of("QUEUED", job, attempt=attempt))


def taken(board: SchedulerState) -> dict[UUID, int]:
    return {node.id: len(node.assigned) for node in board.index}


# -- the rule


@given(
    st.sampled_from(["QUEUED", "DISPATCHED", "RUNNING", "VERIFYING", "COMPLETED"]),
    st.floats(0, 100),
    st.integers(0, 20),
)
def test_what_has_begun_or_just_came_or_moved_often_stays(
    state: str, seconds: float, unsent: int
) -> None:
    may = policy.may_move(state, seconds, unsent)
    assert may == (state == "DISPATCHED" and seconds >= 1.0 and unsent < policy.UNSENT_MOST)


@given(st.integers(1, 4), st.integers(0, 12), st.integers(1, 4), st.integers(0, 12))
def test_a_node_relieves_another_only_of_what_that_one_does_not_run(
    slots: int, units: int, others: int, theirs: int
) -> None:
    idle = Node(NODE, slots=slots, session=Ref("one"), assigned={(JOB, n) for n in range(units)})
    busy = Node(OTHER, slots=others, session=Ref("two"), assigned={(JOB, n) for n in range(theirs)})
    assert policy.relieves(idle, busy) == (units < slots and theirs > others)
    assert not policy.relieves(attrs.evolve(idle, session=None), busy)
    assert not policy.relieves(attrs.evolve(idle, is_paused=True), busy)
    afar = attrs.evolve(busy, session=None)
    assert policy.relieves(idle, afar) == (units < slots and theirs > 1), (
        "a node of another gateway may have units that wait"
    )
    gone = attrs.evolve(afar, left_at=0.0)
    assert not policy.relieves(idle, gone), "the node's session here has ended"
    assert not policy.relieves(idle, attrs.evolve(busy, slots=None)), (
        "a node that declared no slots gets all units at once"
    )


# -- the state


def test_the_last_that_waits_goes_and_the_idle_nodes_slot_is_kept_for_it() -> None:
    board, heard = farm(*at(NODE, *JOBS[:4]))
    WorkStealing(board).balance(LATER, 5.0)
    assert recalls(heard) == [(NODE, JOBS[3])]
    assert taken(board) == {NODE: 4, OTHER: 1}
    WorkStealing(board).balance(LATER, 5.5)
    assert len(recalls(heard)) == 1, "the idle node's slot is reserved"
    assert not comes_back(board, JOBS[3]), "the known unit is not read again"
    assert taken(board) == {NODE: 3, OTHER: 0}
    [booking] = placement.place(board, LATER, 6.0)
    assert (booking.unit.job, booking.node, booking.attempt) == (JOBS[3], OTHER, 2)
    board.confirm(booking, LATER, 0.0)
    assert (heard[-1][0], type(heard[-1][1])) == (OTHER, Send)
    assert heard[-1][1].assignment.tries == 1


def test_what_its_node_has_already_stays_and_the_next_is_asked_for() -> None:
    board, heard = farm(*at(NODE, *JOBS[:3]))
    WorkStealing(board).balance(LATER, 5.0)
    board.recall_declined((JOBS[2], 0), 1)
    assert taken(board) == {NODE: 3, OTHER: 0}
    WorkStealing(board).balance(LATER, 5.5)
    assert recalls(heard) == [(NODE, JOBS[2]), (NODE, JOBS[1])]


def test_what_begins_meanwhile_stays() -> None:
    board, _ = farm(*at(NODE, *JOBS[:2]))
    WorkStealing(board).balance(LATER, 5.0)
    board.apply(state_of("RUNNING", JOBS[1]))
    assert taken(board) == {NODE: 2, OTHER: 0}


def test_a_session_that_does_not_answer_keeps_no_slot_for_ever() -> None:
    board, _ = farm(*at(NODE, *JOBS[:2]))
    WorkStealing(board).balance(LATER, 5.0)
    board.expire(LATER, 5.0 + RECALL_SECONDS)
    assert taken(board) == {NODE: 2, OTHER: 0}
    comes_back(board, JOBS[1])  # after the recall expired, so the unit is read again
    assert board.jobs_to_refill == frozenset({JOBS[1]})
    assert taken(board) == {NODE: 1, OTHER: 0}


def test_no_node_is_asked_for_what_the_idle_one_cannot_do() -> None:
    board, heard = farm(*at(NODE, *JOBS[:3], job_type="render"))
    WorkStealing(board).balance(LATER, 5.0)
    board, heard = farm(*at(NODE, *JOBS[:3], avoid=frozenset({OTHER})))
    WorkStealing(board).balance(LATER, 5.0)
    board, heard = farm(*at(NODE, *JOBS[:3], barred=frozenset({OTHER})))
    WorkStealing(board).balance(LATER, 5.0)
    board, heard = farm(*(with_plan(row, pool="mine") for row in at(NODE, *JOBS[:3])))
    WorkStealing(board).balance(LATER, 5.0)
    assert recalls(heard) == []


def test_what_runs_or_is_paused_or_moved_often_is_not_asked_for() -> None:
    states: list[dict[str, Any]] = [
        {"state": "RUNNING"},
        {"paused": "owner"},
        {"unsent": policy.UNSENT_MOST},
    ]
    for of in states:
        board, heard = farm(*at(NODE, *JOBS[:3], **of))
        WorkStealing(board).balance(LATER, 5.0)
        assert [told for _, told in heard if isinstance(told, Recall) and told.for_another] == []


def test_what_came_a_moment_ago_may_begin_where_it_is() -> None:
    board, heard = farm(*at(NODE, *JOBS[:3]))
    WorkStealing(board).balance(EPOCH + timedelta(seconds=0.5), 0.5)
    assert recalls(heard) == []


def test_a_look_goes_over_some_nodes_and_the_next_one_over_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work_stealing, "BUSY_MOST", 2)
    busy = [UUID(int=n + 1) for n in range(5)]
    rows = [
        row
        for n, node in enumerate(busy)
        for row in at(node, *JOBS[2 * n : 2 * n + 2], job_type="echo" if n == 4 else "render")
    ]
    board, heard = farm(*rows, nodes=6)
    stealing = WorkStealing(board)
    for _ in range(2):
        stealing.balance(LATER, 5.0)
        assert recalls(heard) == []
    stealing.balance(LATER, 5.0)
    assert [node for node, _ in recalls(heard)] == [busy[4]]


def test_who_has_most_gives_first() -> None:
    board, heard = farm(*at(NODE, *JOBS[:2]), *at(OTHER, *JOBS[2:6]), nodes=3)
    WorkStealing(board).balance(LATER, 5.0)
    assert [node for node, _ in recalls(heard)] == [OTHER]
    assert taken(board)[THIRD] == 1


def test_a_paused_job_gets_nothing_in_its_place() -> None:
    board, _ = farm(*at(NODE, *JOBS[:2]))
    WorkStealing(board).balance(LATER, 5.0)
    board.apply(attrs.evolve(state_of("QUEUED", JOBS[1]), job_status="PAUSED"))
    assert list(placement.place(board, LATER, 6.0)) == []
    assert taken(board) == {NODE: 1, OTHER: 0}


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.integers(1, 3),
    st.lists(st.sampled_from(["balance", "back", "kept", "begins", "done", "expire"]), max_size=40),
    st.randoms(use_true_random=False),
)
def test_whatever_happens_no_unit_is_lost_and_no_slot_is_promised_twice(
    where: list[int], slots: int, steps: list[str], chance: Any
) -> None:
    """Each unit is at one of four nodes at any time, and a recall reserves one slot."""
    rows = [
        row
        for n in range(4)
        for row in at(
            UUID(int=n + 1), *(job for job, m in zip(JOBS, where, strict=False) if m == n)
        )
    ]
    board, heard = farm(*rows, slots=slots, nodes=4)
    stealing = WorkStealing(board)
    clock, ended = 5.0, 0
    for step in steps:
        clock += 1.0
        now = EPOCH + timedelta(seconds=clock)
        asked = [unit for unit in board.units.values() if unit.is_recalled]
        if step == "balance":
            free = sum(max(slots - len(node.assigned), 0) for node in board.index)
            heard.clear()
            stealing.balance(now, clock)
            told = recalls(heard)
            assert len(told) <= free
            assert len(set(told)) == len(told)
        elif step == "expire":
            board.expire(now, clock)
        elif step == "done" and board.units:
            unit = chance.choice(list(board.units.values()))
            board.apply(state_of("COMPLETED", unit.job, attempt=unit.attempt, node=None))
            ended += 1
        elif asked:
            unit = chance.choice(asked)
            if step == "back":
                assert not comes_back(board, unit.job, unit.attempt)
                for booking in list(placement.place(board, now, clock)):
                    board.confirm(booking, now, 0.0)
            elif step == "kept":
                board.recall_declined(unit.key, unit.attempt)
            elif step == "begins":
                board.apply(state_of("RUNNING", unit.job, attempt=unit.attempt))
        units = list(board.units.values())
        assert len(units) + ended == len(rows)
        recalled = sum(unit.is_recalled for unit in units)
        assert sum(taken(board).values()) == len(units) + recalled
        assert sum(board.queue.shares.values()) == len(units) + recalled
        assert all(unit.node is not None and unit.key in unit.node.assigned for unit in units)
        assert all(unit.unsent <= policy.UNSENT_MOST for unit in units)


# -- the actor


@simulated
async def test_a_node_that_joins_gets_what_waits_at_another() -> None:
    rows = at(NODE, *JOBS[:3])
    async with scheduling(nodes=[node_row(), node_row(OTHER)], units=rows) as play:
        busy, idle = play.cast.session, play.cast.second
        play.open(busy)
        play.ref.tell(SessionReady(NODE, busy.ref, Hello(version="1")))
        await busy.expect(Assignments)
        await asyncio.sleep(2)
        play.open(idle, node=OTHER)
        play.ref.tell(SessionReady(OTHER, idle.ref, Hello(version="1")))
        recall = await busy.expect(Recall, within=1.0)
        assert (recall.job, recall.for_another) == (JOBS[2], True)
        play.ref.tell(RecallDeclined(recall.job, recall.unit, recall.attempt))
        recall = await busy.expect(Recall, within=1.0)
        play.ref.tell(UnitsChanged((state_of("QUEUED", recall.job),)))
        commit = await play.cast.ledger.expect(Commit, within=0.1)
        assert commit.effects == (UnitAssign(JOBS[1], 0, 2, OTHER),)
