"""The order in which a session sends a node its waiting units."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.node_session.messages import Promote
from actors.node_session.session_state import HeldUnit
from actors.node_session.unit_dispatch import FairOrder
from actors.scheduler import placement
from actors.scheduler.messages import Assignment
from rendertrust.protocol import JobDispatch
from sql.units import weight
from tests.twins.clock import EPOCH
from tests.unit.dispatch.session_stage import Play, result, session
from tests.unit.dispatch.stage import NODE, OTHER, assignment, open_unit
from tests.unit.dispatch.test_state import board_with
from tests.unit.simulated_time import simulated

ANNA, BOB = UUID(int=701), UUID(int=702)


def jobs(user: UUID, many: int, *, first: int = 0, **of: Any) -> list[Assignment]:
    """Return single-frame jobs of a user, submitted one after the other."""
    found: list[Assignment] = []
    for number in range(first, first + many):
        job, at = UUID(int=user.int * 1000 + number), EPOCH + timedelta(seconds=number)
        found.append(attrs.evolve(assignment(job), user=user, queued_at=at, **of))
    return found


def order_of(units: list[Assignment]) -> list[Assignment]:
    """Return the units in the order in which they are sent if all of them wait."""
    turns, waiting, found = FairOrder(), [HeldUnit(unit) for unit in units], list[Assignment]()
    while (held := turns.next(waiting)) is not None:
        turns.took(held)
        waiting.remove(held)
        found.append(held.assignment)
    return found


def test_who_comes_late_with_little_does_not_wait_behind_all_of_anothers() -> None:
    sent = order_of([*jobs(ANNA, 30), *jobs(BOB, 3, first=50)])
    assert [unit.user for unit in sent[:6]] == [ANNA, BOB] * 3


def test_of_ones_own_the_greater_priority_is_first_then_the_older_job() -> None:
    late = jobs(ANNA, 2, first=40, priority=1)
    early = jobs(ANNA, 4, priority=-1)
    assert order_of([*early, *late]) == [*late, *early]


def test_frames_of_a_job_keep_their_order() -> None:
    [job] = jobs(ANNA, 1)
    frames = [attrs.evolve(job, number=n, place=9 - n) for n in range(10)]
    assert [unit.number for unit in order_of(frames)] == list(range(9, -1, -1))


@given(
    st.dictionaries(st.integers(1, 5), st.tuples(st.integers(-1, 1), st.integers(1, 30))),
)
def test_users_are_sent_units_by_weight_while_all_of_them_wait(
    users: dict[int, tuple[int, int]],
) -> None:
    units = [
        unit
        for user, (priority, many) in users.items()
        for unit in jobs(UUID(int=user), many, priority=priority)
    ]
    left, had = Counter(unit.user for unit in units), Counter[UUID]()
    for unit in order_of(units):
        had[unit.user] += 1
        left[unit.user] -= 1
        if not all(left.values()):
            break
        shares = [had[UUID(int=n)] / weight(priority) for n, (priority, _) in users.items()]
        assert max(shares) - min(shares) <= 2.0, (
            "the shares differ by no more than one unit of the least priority"
        )
    assert len(order_of(units)) == len(units)


def test_who_was_away_has_saved_nothing() -> None:
    turns, anna, bob = FairOrder(), jobs(ANNA, 40), jobs(BOB, 20)
    for unit in anna[:20]:
        turns.took(HeldUnit(unit))
    waiting = [HeldUnit(unit) for unit in (*anna[20:], *bob)]
    sent = list[UUID]()
    for _ in range(6):
        held = turns.next(waiting)
        assert held is not None
        turns.took(held)
        waiting.remove(held)
        sent.append(held.assignment.user)
    assert 2 <= Counter(sent)[ANNA] <= 4


async def finish_next_unit(play: Play) -> UUID:
    """Let the node get its next unit and fail it; return the job."""
    frame = await play.socket.expect(JobDispatch)
    play.hear(attrs.evolve(result(status="failed", error="broken"), job_id=frame.job_id))
    return UUID(frame.job_id)


@simulated
async def test_a_high_priority_is_sent_before_what_filled_the_backlog_earlier() -> None:
    """On one slot, thirty low-priority jobs wait; then another user's job and an urgent
    job come.
    """
    low, bobs = jobs(ANNA, 30, priority=-1), jobs(BOB, 1, first=80, priority=1)
    urgent = jobs(ANNA, 1, first=90, priority=1)
    async with session() as play:
        await play.greeted(*low)
        first = await play.socket.expect(JobDispatch)
        play.send(*bobs, *urgent)
        play.hear(attrs.evolve(result(status="failed", error="broken"), job_id=first.job_id))
        assert [await finish_next_unit(play) for _ in range(3)] == [
            bobs[0].job,
            urgent[0].job,
            low[1].job,
        ]


@simulated
async def test_a_priority_that_is_raised_counts_for_what_waits_at_its_node() -> None:
    waiting = jobs(ANNA, 3)
    async with session() as play:
        await play.greeted(*waiting)
        await play.socket.expect(JobDispatch)
        raised = waiting[2]
        play.ref.tell(Promote(raised.job, raised.number, raised.attempt, 1))
        play.hear(attrs.evolve(result(status="failed", error="x"), job_id=str(waiting[0].job)))
        assert await finish_next_unit(play) == waiting[2].job


# -- what the Scheduler gives


def crowded(*more: Any) -> Any:
    """Return a state in which a node with one slot has a dozen jobs of one user."""
    board, heard = board_with()
    node = board.index.node(NODE)
    node.slots = 1
    board.index.changed(node)
    rows = [
        attrs.evolve(open_unit(unit.job, state="DISPATCHED", attempt=1, node=NODE), user=ANNA)
        for unit in jobs(ANNA, 12)
    ]
    board.reconcile([*rows, *more], EPOCH)
    heard.clear()
    return board, heard


def test_who_waits_in_the_queue_does_not_wait_for_the_end_of_a_backlog() -> None:
    bobs = [attrs.evolve(open_unit(unit.job), user=BOB) for unit in jobs(BOB, 3)]
    annas = [attrs.evolve(open_unit(unit.job), user=ANNA) for unit in jobs(ANNA, 1, first=50)]
    board, _ = crowded(*annas, *bobs)
    placed = list(placement.place(board, EPOCH, 0.0))
    assert [booking.unit.job for booking in placed] == [bobs[0].job], "one of Bob's, not all"


def test_a_priority_that_is_raised_is_told_to_the_node() -> None:
    board, heard = crowded()
    rows = [
        attrs.evolve(
            open_unit(unit.job, state="DISPATCHED", attempt=1, node=NODE), user=ANNA, priority=1
        )
        for unit in jobs(ANNA, 1)
    ]
    board.take_over(rows, EPOCH)
    [(node, sent)] = heard
    assert (node, type(sent), sent.priority) == (NODE, Promote, 1)
    assert board.index.get(OTHER) is None
