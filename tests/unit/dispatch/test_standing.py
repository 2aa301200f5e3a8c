"""Standings of nodes, as the Scheduler and the node's session follow them."""

import asyncio
from datetime import timedelta
from uuid import UUID

import attrs
import pytest

from actors.kernel import Message
from actors.ledger.effects import UnitAssign, UnitRequeue
from actors.ledger.messages import Posted
from actors.node_session.messages import Assignments, StandingUpdate
from actors.scheduler.messages import NoCapableNode, NodeDeclined, NodeSeen, StandingChanged, Wake
from rendertrust.protocol import CloseCode, Drain, Hello, JobDispatch, NodeStanding, TokenRenewal
from sql.nodes import (
    ACTIVE,
    DRAINING,
    QUARANTINED,
    REVOKED,
    NodeIdentity,
    StandingRecord,
    StandingRow,
)
from tests.support.until import until
from tests.twins.clock import EPOCH
from tests.twins.tokens import TwinTokens
from tests.unit.dispatch.session_stage import running, session
from tests.unit.dispatch.stage import (
    JOB,
    JOB2,
    NODE,
    OTHER,
    OWNER,
    USER,
    assignment,
    decide,
    node_row,
    open_unit,
    order,
    state_of,
)
from tests.unit.dispatch.test_scheduler import Play, scheduling
from tests.unit.simulated_time import simulated

DRAINS, QUARANTINE = StandingRecord(DRAINING, 1), StandingRecord(QUARANTINED, 1)
REVOCATION, RELEASE = StandingRecord(REVOKED, 2), StandingRecord(ACTIVE, 2)


def word(standing: StandingRecord, *, node: UUID = NODE, seconds: float = 0.0) -> StandingRow:
    return StandingRow(node, OWNER, standing, EPOCH + timedelta(seconds=seconds))


async def placed_on(play: Play) -> UUID:
    """Confirm the next commit and return the node that it assigns a unit to."""
    commit = await play.commit()
    (assigned,) = [effect for effect in commit.effects if isinstance(effect, UnitAssign)]
    decide(commit, Posted(units=(state_of("DISPATCHED", assigned.job, node=assigned.node),)))
    return assigned.node


async def opened(play: Play) -> Assignments:
    """Open the session and return the assignments that it is told."""
    play.open()
    while True:
        message = await play.cast.session.expect(Message)
        if isinstance(message, Assignments):
            return message


# -- the Scheduler


@simulated
@pytest.mark.parametrize("standing", [DRAINS, REVOCATION])
async def test_a_node_that_drains_or_is_revoked_gets_nothing(standing: StandingRecord) -> None:
    async with scheduling() as play:
        play.ref.tell(StandingChanged(NODE, standing))
        assert await play.dispatch() == NoCapableNode()


@simulated
async def test_a_released_node_gets_work_again() -> None:
    async with scheduling() as play:
        play.ref.tell(StandingChanged(NODE, DRAINS))
        assert await play.dispatch() == NoCapableNode()
        play.ref.tell(StandingChanged(NODE, RELEASE))
        asked = play.dispatch()
        assert await placed_on(play) == NODE
        asked.cancel()


@simulated
async def test_an_older_word_changes_nothing() -> None:
    async with scheduling() as play:
        play.ref.tell(StandingChanged(NODE, RELEASE))
        play.ref.tell(StandingChanged(NODE, DRAINS))
        asked = play.dispatch()
        assert await placed_on(play) == NODE
        asked.cancel()


@simulated
async def test_a_word_outlives_the_signs_of_life_that_follow_it() -> None:
    async with scheduling() as play:
        play.ref.tell(StandingChanged(NODE, DRAINS))
        play.ref.tell(NodeSeen(NODE, OWNER, ("echo",), 0.0))
        play.open()
        assert await play.dispatch() == NoCapableNode()


@simulated
async def test_a_quarantined_node_gets_its_owners_work_alone() -> None:
    async with scheduling() as play:
        play.ref.tell(StandingChanged(NODE, QUARANTINE))
        assert await play.dispatch() == NoCapableNode()
        own = asyncio.create_task(play.ref.ask(order(user=OWNER), within=2.0))
        assert await placed_on(play) == NODE
        own.cancel()


@simulated
async def test_a_waiting_unit_of_the_owner_is_not_behind_those_of_others() -> None:
    mine = attrs.evolve(open_unit(JOB2), user=OWNER, queued_at=EPOCH + timedelta(seconds=1))
    async with scheduling(units=[open_unit(JOB), mine], nodes=[]) as play:
        play.ref.tell(StandingChanged(NODE, QUARANTINE))
        play.ref.tell(NodeSeen(NODE, OWNER, ("echo",), 0.0))
        commit = await play.commit()
        assert [effect.job for effect in commit.effects if isinstance(effect, UnitAssign)] == [JOB2]


@simulated
async def test_the_session_is_told_what_is_said() -> None:
    async with scheduling() as play:
        await opened(play)
        play.ref.tell(StandingChanged(NODE, DRAINS))
        assert (await play.cast.session.expect(StandingUpdate)).standing == DRAINS


@simulated
async def test_a_new_session_is_told_what_was_said_before() -> None:
    async with scheduling() as play:
        play.ref.tell(StandingChanged(NODE, REVOCATION))
        assert (await opened(play)).standing == REVOCATION


@simulated
async def test_what_was_said_at_another_gateway_is_read_within_a_second() -> None:
    async with scheduling() as play:
        await opened(play)
        play.cast.store.spoken = [word(REVOCATION)]
        before = asyncio.get_running_loop().time()
        assert (await play.cast.session.expect(StandingUpdate)).standing == REVOCATION
        assert asyncio.get_running_loop().time() - before < 1.0


@simulated
async def test_what_was_said_before_the_start_is_read_before_anything_is_placed() -> None:
    async with scheduling(nodes=[node_row(), node_row(OTHER)], spoken=[word(DRAINS)]) as play:
        asked = play.dispatch()
        assert await placed_on(play) == OTHER
        asked.cancel()


@simulated
async def test_a_database_that_was_away_is_read_again() -> None:
    async with scheduling() as play:
        await opened(play)
        play.cast.store.away = True
        play.cast.store.spoken = [word(DRAINS)]
        await asyncio.sleep(3)
        play.cast.store.away = False
        play.ref.tell(Wake())
        assert (await play.cast.session.expect(StandingUpdate)).standing == DRAINS


# -- the session


@simulated
async def test_a_node_is_told_to_drain_and_what_it_does_not_have_goes_back() -> None:
    async with session() as play:
        await play.greeted(assignment(), assignment(JOB2), slots=1)
        assert (await play.socket.expect(JobDispatch)).job_id == str(JOB)
        play.ref.tell(StandingUpdate(DRAINS))
        await play.socket.expect(Drain)
        effect = await play.effect(Posted(units=(state_of("QUEUED", JOB2, node=None),)))
        assert isinstance(effect, UnitRequeue)
        assert (effect.job, effect.attempt) == (JOB2, 1)


@simulated
async def test_a_node_that_drains_keeps_what_it_runs_when_it_comes_back() -> None:
    node = NodeIdentity(NODE, OWNER, ("echo",), verified=True, standing=DRAINS)
    async with session(node=node) as play:
        assert play.opened.standing == DRAINS
        await play.socket.expect(Drain)
        play.hear(Hello(version="1", slots=2, running=(running(),)))
        play.assign(assignment(), assignment(JOB2))
        assert (await play.welcome()).keep == (running(),)
        effect = await play.effect()
        assert isinstance(effect, UnitRequeue)
        assert effect.job == JOB2


@simulated
async def test_a_node_is_told_once_and_again_after_a_release() -> None:
    async with session() as play:
        await play.greeted()
        for _ in range(2):
            play.ref.tell(StandingUpdate(DRAINS))
        play.ref.tell(StandingUpdate(RELEASE))
        play.ref.tell(StandingUpdate(StandingRecord(DRAINING, 3)))
        await play.socket.expect(Drain)
        assert (await play.socket.expect(NodeStanding)).standing == ACTIVE
        await play.socket.expect(Drain)
        assert not play.socket.sent


@simulated
async def test_a_session_in_quarantine_sends_its_owners_units_alone() -> None:
    node = NodeIdentity(NODE, OWNER, ("echo",), verified=True, standing=QUARANTINE)
    async with session(node=node) as play:
        own = attrs.evolve(assignment(JOB2), user=OWNER)
        await play.greeted(assignment(), own, slots=2)
        assert (await play.socket.expect(NodeStanding)).standing == QUARANTINED
        assert (await play.socket.expect(JobDispatch)).job_id == str(JOB2)
        effect = await play.effect()
        assert isinstance(effect, UnitRequeue)
        assert (effect.job, own.user != USER) == (JOB, True)


@simulated
async def test_a_node_is_told_why_it_is_in_quarantine_and_why_else() -> None:
    why = attrs.evolve(QUARANTINE, reason="its frames are black")
    node = NodeIdentity(NODE, OWNER, ("echo",), verified=True, standing=why)
    async with session(node=node) as play:
        await play.greeted()
        assert (await play.socket.expect(NodeStanding)).reason == why.reason
        play.ref.tell(StandingUpdate(why))
        play.ref.tell(
            StandingUpdate(StandingRecord(QUARANTINED, 2, "they are " + "very " * 100 + "grey"))
        )
        told = await play.socket.expect(NodeStanding)
        assert told.reason is not None
        assert told.reason.startswith("they are")
        play.ref.tell(StandingUpdate(StandingRecord(ACTIVE, 3, "a mistake of ours")))
        told = await play.socket.expect(NodeStanding)
        assert (told.standing, told.reason) == (ACTIVE, None)


@simulated
async def test_a_node_is_told_when_its_quarantine_begins_and_ends() -> None:
    async with session() as play:
        await play.greeted()
        play.ref.tell(StandingUpdate(QUARANTINE))
        assert (await play.socket.expect(NodeStanding)).standing == QUARANTINED
        play.ref.tell(StandingUpdate(RELEASE))
        assert (await play.socket.expect(NodeStanding)).standing == ACTIVE


@simulated
async def test_a_client_of_the_reference_is_told_nothing_that_it_does_not_know() -> None:
    async with session() as play:
        play.assign()
        play.ref.tell(StandingUpdate(QUARANTINE))
        await asyncio.sleep(5)
        assert not play.socket.sent


@simulated
async def test_the_socket_of_a_revoked_node_is_closed_with_4001() -> None:
    async with session() as play:
        await play.greeted()
        play.ref.tell(StandingUpdate(REVOCATION))
        await until(lambda: play.socket.closed is not None, within=1)
        assert play.socket.closed == (CloseCode.AUTHENTICATION_FAILED, "the node was revoked")


@simulated
async def test_a_session_that_opened_too_late_hears_that_its_node_is_revoked() -> None:
    async with session() as play:
        assert play.ref.tell(Assignments((), REVOCATION))
        await until(lambda: play.socket.closed is not None, within=1)
        assert play.socket.closed == (CloseCode.AUTHENTICATION_FAILED, "the node was revoked")


@simulated
async def test_a_token_is_renewed_after_half_of_its_life_and_again() -> None:
    tokens = TwinTokens(seconds=100.0)
    expires = EPOCH + timedelta(seconds=60)
    node = NodeIdentity(NODE, OWNER, ("echo",), verified=True, token_expires=expires)
    async with session(node=node, tokens=tokens, pong_seconds=1e6) as play:
        loop = asyncio.get_running_loop()
        start = loop.time()
        first = await play.socket.expect(TokenRenewal, within=60)
        assert 30 <= loop.time() - start <= 37
        second = await play.socket.expect(TokenRenewal, within=100)
        assert 80 <= loop.time() - start <= 98
        assert [first.token, second.token] == tokens.issued


@simulated
async def test_a_token_that_has_expired_meanwhile_is_renewed_at_once() -> None:
    late = EPOCH - timedelta(seconds=1)
    node = NodeIdentity(NODE, OWNER, ("echo",), verified=True, token_expires=late)
    async with session(node=node) as play:
        await play.socket.expect(TokenRenewal, within=1)


# -- pools of a node


@simulated
async def test_a_unit_says_whose_it_is() -> None:
    async with session(node=NodeIdentity(NODE, USER, ("echo",), True)) as play:
        foreign = attrs.evolve(assignment(JOB2), user=OTHER)
        await play.greeted(assignment(), foreign, slots=2)
        sent = [await play.socket.expect(JobDispatch) for _ in range(2)]
        assert {frame.job_id: frame.pool for frame in sent} == {str(JOB): "mine", str(JOB2): "any"}


@simulated
async def test_a_node_that_serves_its_owner_alone_is_given_nothing_else() -> None:
    async with session(node=NodeIdentity(NODE, USER, ("echo",), True)) as play:
        play.hear(Hello(version="1", slots=2, pools=("mine", "trusted")))
        play.assign(attrs.evolve(assignment(JOB2), user=OTHER), assignment())
        await play.welcome()
        assert (await play.socket.expect(JobDispatch)).job_id == str(JOB)
        effect = await play.effect()
        assert isinstance(effect, UnitRequeue)
        assert effect.job == JOB2
        await play.told(NodeDeclined)


@simulated
async def test_the_work_of_whom_its_owner_trusts_reaches_a_node_without_a_sandbox() -> None:
    async with session(node=NodeIdentity(NODE, OWNER, ("echo",), True)) as play:
        play.hear(Hello(version="1", slots=2, pools=("mine", "trusted")))
        play.assign(attrs.evolve(assignment(), pool="trusted"))
        await play.welcome()
        assert (await play.socket.expect(JobDispatch)).pool == "trusted"
