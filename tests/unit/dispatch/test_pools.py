"""Pools: which users' work a node gets, how it learns of its pools, and why units wait."""

from uuid import UUID

import attrs
import pytest

from actors.kernel import Ref
from actors.node_session.messages import Assignments, Send
from actors.scheduler import placement
from actors.scheduler.messages import FindAlternatives, NoCapableNode
from actors.scheduler.node import DEPTH, Node
from actors.scheduler.state import WINDOW
from actors.scheduler.units import AssignmentTag
from sql.access import Access
from sql.units import MINE
from tests.twins.clock import EPOCH
from tests.unit.dispatch.session_stage import result, session
from tests.unit.dispatch.stage import (
    JOB,
    JOB2,
    NODE,
    OTHER,
    OWNER,
    USER,
    insert,
    node_row,
    open_unit,
    with_plan,
)
from tests.unit.dispatch.test_state import board_with
from tests.unit.simulated_time import simulated

TRUSTING = Access.of(trusts=((OWNER, USER),))


def remove_sandbox(node: Node) -> None:
    """Take the sandbox away from the node."""
    node.pools, node.slots = frozenset({"mine", "trusted"}), 1


def test_a_node_without_a_sandbox_is_given_no_strangers_work() -> None:
    board, _ = board_with(node_row(NODE))
    remove_sandbox(board.index.node(NODE))
    board.index.changed(board.index.node(NODE))
    assert isinstance(placement.reserve(board, insert(), EPOCH, 0.0), NoCapableNode)
    assert board.index.set_access(TRUSTING)
    assert not board.index.set_access(TRUSTING)
    booking = placement.reserve(board, insert(), EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    assert booking.node == NODE
    assert board.index.set_access(Access())
    assert isinstance(placement.reserve(board, insert(job=JOB2), EPOCH, 0.0), NoCapableNode)


def test_its_node_is_told_whose_work_it_is_after_a_reconnect_too() -> None:
    board, heard = board_with(node_row(NODE))
    board.index.set_access(TRUSTING)
    booking = placement.reserve(board, insert(), EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    board.confirm(booking, EPOCH, 0.0)
    board.fall_behind(board.index.node(NODE))
    board.catch_up()
    sends = [message for _, message in heard if isinstance(message, Send)]
    again = [message for _, message in heard if isinstance(message, Assignments)]
    assert [message.assignment.pool for message in sends] == ["trusted"]
    assert [unit.pool for unit in again[-1].units] == ["trusted"]


@simulated
@pytest.mark.parametrize(("trust", "is_believed"), [((USER, OWNER), True), ((OWNER, USER), False)])
async def test_a_nodes_word_ends_a_unit_if_the_creator_trusts_its_owner(
    trust: tuple[UUID, UUID], *, is_believed: bool
) -> None:
    """The trust of the node's owner in the creator counts for nothing here."""
    board, heard = board_with(node_row(NODE))
    board.index.set_access(Access.of(trusts=(trust,)))
    booking = placement.reserve(board, insert(), EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
    board.confirm(booking, EPOCH, 0.0)
    [unit] = [message.assignment for _, message in heard if isinstance(message, Send)]
    async with session() as play:
        await play.working(unit)
        play.hear(result(status="failed", failure="scene", error="no camera"))
        if is_believed:
            assert (await play.effect()).retry_at is None
        else:
            await play.told(FindAlternatives)


def test_what_waits_for_ones_own_nodes_keeps_nobody_else_waiting() -> None:
    """One placement looks at fewer units than wait for their owner's nodes."""
    board, _ = board_with(node_row(NODE), node_row(OTHER))
    for node in board.index:
        node.session, node.slots = Ref("session"), 1
        board.index.changed(node)
    rows = [
        attrs.evolve(with_plan(open_unit(JOB), pool=MINE), number=number, place=number, units=500)
        for number in range(200)
    ]
    rows += [
        attrs.evolve(open_unit(JOB2), number=number, place=number, user=UUID(int=77), units=WINDOW)
        for number in range(WINDOW)
    ]
    board.reconcile(rows, EPOCH)
    booked = list(placement.place(board, EPOCH, 0.0))
    assert {booking.unit.job for booking in booked} == {JOB2}
    assert len(booked) == 2 * DEPTH
    assert board.queue.shares[USER] == 0


def test_orders_of_one_pool_are_refused_where_those_of_another_are_placed() -> None:
    board, _ = board_with(node_row(NODE))
    mine = with_plan(insert(), pool=MINE)
    assert isinstance(placement.reserve(board, mine, EPOCH, 0.0), NoCapableNode)
    board.index.node(NODE).owner = USER
    board.index.changed(board.index.node(NODE))
    booking = placement.reserve(board, mine, EPOCH, 0.0)
    assert isinstance(booking, AssignmentTag)
