"""Units whose node has no session, and dispatches to nodes that have a session."""

import asyncio
from typing import Any
from uuid import UUID

from actors.kernel import Ref
from actors.ledger.effects import UnitAssign, UnitRequeue
from actors.ledger.messages import Commit, GuardFailed, Posted, RowState
from actors.node_session.messages import Assignments, Send, Withdraw
from actors.scheduler import placement
from actors.scheduler.messages import SessionClosed, UnitsChanged
from actors.scheduler.queues import GRACE
from actors.scheduler.state import SchedulerState
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, NODE, OTHER, THIRD, decide, node_row, open_unit, state_of
from tests.unit.dispatch.test_scheduler import Play, scheduling
from tests.unit.dispatch.test_state import MessageRecorder
from tests.unit.simulated_time import simulated

REASON = "its node cannot be reached"
MOVE = (
    UnitRequeue(JOB, 0, 1, REASON, unsent=True, unheard=True),
    UnitAssign(JOB, 0, 2, OTHER),
)
SESSION: Ref[Any] = Ref("session")


async def dispatch_and_book(play: Play) -> None:
    """Dispatch a unit to the only node, and confirm the booking."""
    answer = play.dispatch()
    commit = await play.commit()
    play.cast.store.units = [open_unit(state="DISPATCHED", attempt=1, node=NODE)]
    decide(commit, Posted(units=(state_of("DISPATCHED"),)))
    answer.cancel()


async def stays_quiet(play: Play, seconds: float = 20.0) -> None:
    await asyncio.sleep(seconds)
    assert play.cast.ledger.ref.depth == 0


@simulated
async def test_a_unit_of_an_unreachable_node_goes_to_one_that_connects() -> None:
    async with scheduling() as play:
        await dispatch_and_book(play)
        await stays_quiet(play, 6)
        play.open(node=OTHER)
        await play.cast.session.expect(Assignments)
        commit = await play.cast.ledger.expect(Commit, within=0.1)
        assert commit.effects == MOVE
        decide(commit, Posted(units=(state_of("DISPATCHED", attempt=2, node=OTHER),)))
        sent = (await play.cast.session.expect(Send)).assignment
        assert (sent.job, sent.attempt) == (JOB, 2)


@simulated
async def test_it_goes_as_soon_as_its_own_node_had_time_to_come() -> None:
    async with scheduling() as play:
        await dispatch_and_book(play)
        play.open(node=OTHER)
        await stays_quiet(play, 4.9)
        assert (await play.cast.ledger.expect(Commit, within=0.2)).effects == MOVE


@simulated
async def test_after_a_restart_its_own_node_has_that_time_too() -> None:
    async with scheduling(units=[open_unit(state="DISPATCHED", attempt=1, node=NODE)]) as play:
        play.open(node=OTHER)
        await stays_quiet(play, 4.9)
        assert (await play.cast.ledger.expect(Commit, within=0.2)).effects == MOVE


@simulated
async def test_a_node_that_comes_in_time_keeps_its_units() -> None:
    async with scheduling() as play:
        await dispatch_and_book(play)
        play.open(play.cast.second, node=OTHER)
        await asyncio.sleep(1)
        play.open()
        [unit] = (await play.cast.session.expect(Assignments)).units
        assert (unit.job, unit.attempt) == (JOB, 1)
        await stays_quiet(play)


@simulated
async def test_a_unit_that_its_node_may_work_on_is_left_to_its_lease() -> None:
    async with scheduling() as play:
        play.open()
        await play.cast.session.expect(Assignments)
        await dispatch_and_book(play)
        await play.cast.session.expect(Send)
        play.ref.tell(SessionClosed(NODE, play.cast.session.ref))
        play.open(play.cast.second, node=OTHER)
        await stays_quiet(play)


@simulated
async def test_a_move_that_is_refused_is_tried_again() -> None:
    async with scheduling() as play:
        await dispatch_and_book(play)
        play.open(node=OTHER)
        commit = await play.commit()
        decide(commit, GuardFailed("UnitRequeue", RowState.DISPATCHED))
        assert (await play.cast.ledger.expect(Commit, within=6.0)).effects == MOVE


@simulated
async def test_a_unit_waits_where_it_is_while_no_reachable_node_has_room() -> None:
    running = [open_unit(UUID(int=n), state="RUNNING", attempt=1, node=OTHER) for n in range(32)]
    unreachable = open_unit(state="DISPATCHED", attempt=1, node=NODE)
    async with scheduling(units=[*running, unreachable]) as play:
        play.open(node=OTHER)
        await stays_quiet(play)
        play.ref.tell(UnitsChanged((state_of("COMPLETED", running[3].job, node=OTHER),)))
        assert (await play.cast.ledger.expect(Commit, within=0.1)).effects == MOVE


def test_the_first_node_is_told_when_it_came_while_the_unit_was_moved() -> None:
    heard = MessageRecorder()
    board = SchedulerState(heard.say)
    board.refresh([node_row(), node_row(OTHER), node_row(THIRD)], 0.0)
    board.reconcile([open_unit(state="DISPATCHED", attempt=1, node=NODE)], EPOCH)
    board.index.node(OTHER).session = SESSION
    board.index.changed(board.index.node(OTHER))
    board.due(EPOCH + GRACE)
    [move] = placement.place(board, EPOCH + GRACE, 2.0)
    board.index.node(NODE).session = SESSION
    board.confirm(move, EPOCH + GRACE, 0.0)
    [(first, withdrawn), (second, sent)] = heard
    assert (first, withdrawn) == (NODE, Withdraw(JOB, 0, 1))
    assert (second, type(sent)) == (OTHER, Send)
    assert [len(board.index.node(node).assigned) for node in (NODE, OTHER)] == [0, 1]
