"""Pauses of nodes: after a node declines a unit, the scheduler gives it none for a while."""

import asyncio

from actors.scheduler.messages import AllNodesFull, NodeDeclined, SessionClosed
from tests.unit.dispatch.stage import NODE
from tests.unit.dispatch.test_scheduler import scheduling
from tests.unit.simulated_time import simulated


@simulated
async def test_a_node_that_gives_units_back_gets_nothing_for_a_while() -> None:
    async with scheduling() as play:
        play.open()
        play.ref.tell(NodeDeclined(NODE, play.cast.session.ref))
        assert await play.dispatch() == AllNodesFull()
        await asyncio.sleep(16)
        play.dispatch()
        await play.commit()


@simulated
async def test_each_time_a_node_gives_a_unit_back_it_waits_longer() -> None:
    async with scheduling() as play:
        play.open()
        for _ in range(2):
            play.ref.tell(NodeDeclined(NODE, play.cast.session.ref))
            await asyncio.sleep(16)
        assert await play.dispatch() == AllNodesFull()
        await asyncio.sleep(15)
        play.dispatch()
        await play.commit()


@simulated
async def test_a_node_that_comes_back_with_a_new_session_is_tried_at_once() -> None:
    async with scheduling() as play:
        play.open()
        play.ref.tell(NodeDeclined(NODE, play.cast.session.ref))
        play.ref.tell(SessionClosed(NODE, play.cast.session.ref))
        play.open(play.cast.second, epoch=2)
        play.dispatch()
        await play.commit()


@simulated
async def test_the_pause_of_an_earlier_session_does_not_end_that_of_the_next() -> None:
    async with scheduling() as play:
        play.open()
        play.ref.tell(NodeDeclined(NODE, play.cast.session.ref))
        await asyncio.sleep(10)
        play.open(play.cast.second, epoch=2)
        play.ref.tell(NodeDeclined(NODE, play.cast.second.ref))
        await asyncio.sleep(10)
        assert await play.dispatch() == AllNodesFull()
        await asyncio.sleep(6)
        play.dispatch()
        await play.commit()
