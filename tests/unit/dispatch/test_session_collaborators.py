"""The parts of a session, each tested alone, without actor and supervisor."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from actors.kernel import Message, Ref, Timer
from actors.kernel.envelope import Reminder
from actors.ledger.effects import UnitFail
from actors.ledger.messages import Commit, RenewLeases
from actors.node_session.connection import NodeConnection
from actors.node_session.ledger_requests import LeaseRenewal, UnitCommits
from actors.node_session.messages import AlternativesFound, NodeSession, RenewDue, TryAgain
from actors.node_session.node_standing import StandingUpdates
from actors.node_session.session_state import HeldUnit, Phase, SessionState
from actors.node_session.settings import NodeSessionSettings
from actors.node_session.unit_failures import Failure
from actors.scheduler.messages import Assignment, FindAlternatives
from config.settings import Leases
from rendertrust.protocol import CloseCode, Drain, Hello, NodeStanding
from sql.nodes import NodeIdentity, StandingRecord
from tests.support.probe import Probe
from tests.twins.clock import TwinClock
from tests.twins.socket import TwinSocket
from tests.twins.tokens import TwinTokens
from tests.unit.dispatch.stage import NODE, OWNER, Cast, assignment
from tests.unit.simulated_time import simulated


class StandInContext:
    """A stand-in for the kernel; messages of the session to itself arrive at the probe
    ``actor``.
    """

    def __init__(self) -> None:
        self.actor: Probe[NodeSession] = Probe("session")
        self.timers: dict[Timer, None] = {}

    @property
    def ref(self) -> Ref[NodeSession]:
        return self.actor.ref

    def after(
        self, seconds: float, message: Message[NodeSession, Any], *, jitter: float = 0.0
    ) -> Timer:
        return Timer(self.ref.mailbox, self.timers, seconds, Reminder(message, self))

    def background(
        self,
        work: Callable[[], Awaitable[Message[NodeSession, Any]]],
        *,
        within: float,
        otherwise: Message[NodeSession, Any],
    ) -> None:
        raise AssertionError("nothing here works in the background")


def state_of_node(**settings: Any) -> SessionState:
    node = NodeIdentity(NODE, OWNER, ("echo",), verified=True)
    return SessionState(node, NodeSessionSettings(bucket="rendertrust", **settings), TwinClock())


def hold(state: SessionState, unit: Assignment, phase: Phase) -> HeldUnit:
    held = HeldUnit(unit, phase=phase)
    state.units.add(held)
    return held


@attrs.frozen
class Line:
    """A connection, and how often it reported its end."""

    socket: TwinSocket
    connection: NodeConnection
    ends: list[None]


def connect(state: SessionState) -> Line:
    socket, ends = TwinSocket(), list[None]()
    connection = NodeConnection(socket, state.clock, state.settings, lambda: ends.append(None))
    return Line(socket, connection, ends)


# -- connection


@simulated
async def test_a_peer_that_does_not_read_is_cut_off_after_the_deadline() -> None:
    line = connect(state_of_node(send_seconds=10.0))
    line.socket.deaf = True
    begun = asyncio.get_running_loop().time()
    assert not await line.connection.send(Drain())
    assert asyncio.get_running_loop().time() - begun == 10.0
    assert (line.socket.aborted, line.connection.is_open, len(line.ends)) == (True, False, 1)
    line.socket.deaf = False
    assert not await line.connection.send(Drain()), "nothing is written after the connection's end"
    assert not line.socket.sent


@simulated
async def test_one_frame_too_many_ends_the_connection() -> None:
    line = connect(state_of_node(flood_relay_frames=3, flood_seconds=10.0))
    assert [await line.connection.admits() for _ in range(4)] == [True, True, True, False]
    assert line.socket.closed == (CloseCode.FLOOD, "too many frames")
    assert len(line.ends) == 1


# -- requests to the Ledger


def commits_of(state: SessionState) -> tuple[Cast, StandInContext, UnitCommits]:
    cast, context = Cast(), StandInContext()
    return cast, context, UnitCommits(state, cast.ledger.ref, cast.scheduler.ref, context)


@simulated
async def test_a_commit_that_a_full_ledger_refuses_is_tried_again_ever_later() -> None:
    state = state_of_node(retry_seconds=1.0, retry_seconds_most=5.0)
    context, ledger, scheduler = StandInContext(), Ref[Any]("full", capacity=1), Ref[Any]("-")
    assert ledger.tell(RenewLeases(()))
    commits, held = UnitCommits(state, ledger, scheduler, context), HeldUnit(assignment())
    waits = list[float]()
    for _ in range(4):
        begun = state.now
        commits.start(held)
        assert held.asked_at is None
        await context.actor.expect(TryAgain, within=60.0)
        waits.append(state.now - begun)
    assert waits == pytest.approx([1.0, 2.0, 4.0, 5.0], abs=0.5)


@simulated
async def test_an_answer_is_awaited_before_the_ledger_is_asked_again() -> None:
    state = state_of_node(answer_seconds=10.0)
    _, _, commits = commits_of(state)
    held = HeldUnit(assignment())
    assert commits.may_ask(held)
    commits.start(held)
    assert not commits.may_ask(held)
    await asyncio.sleep(10.5)
    assert commits.may_ask(held)


@simulated
async def test_the_last_report_of_an_outside_node_waits_for_alternatives() -> None:
    state = state_of_node()
    cast, _, commits = commits_of(state)
    held = hold(state, assignment(pool="any", faults=3), Phase.RUNNING)
    commits.fail(held, Failure("network", "no way"))
    assert (await cast.scheduler.expect(FindAlternatives)).node == NODE
    assert (held.phase, held.effect, cast.ledger.ref.depth) == (Phase.ENDING, None, 0)
    unit = held.assignment
    others = AlternativesFound(
        unit.job, unit.number, unit.attempt, is_able=True, is_other=True, owners=1
    )
    commits.fail_doubted(held, others)
    [effect] = (await cast.ledger.expect(Commit)).effects
    assert isinstance(effect, UnitFail)
    assert effect.retry_at is not None, "another owner's node can still be asked"


@simulated
async def test_the_report_of_the_creators_own_node_ends_the_unit_at_once() -> None:
    state = state_of_node()
    cast, _, commits = commits_of(state)
    held = hold(state, attrs.evolve(assignment(pool="any", faults=3), user=OWNER), Phase.RUNNING)
    commits.fail(held, Failure("network", "no way"))
    [effect] = (await cast.ledger.expect(Commit)).effects
    assert isinstance(effect, UnitFail)
    assert effect.retry_at is None


@simulated
async def test_leases_are_renewed_by_one_timer_soon_and_then_regularly() -> None:
    state = state_of_node(first_lease_seconds=2.0, leases=Leases(renew_seconds=15.0))
    cast, context = Cast(), StandInContext()
    leases = LeaseRenewal(state, cast.ledger.ref, context)
    held = hold(state, assignment(), Phase.WAITING)
    times = list[float]()
    for _ in range(3):
        leases.soon()
        leases.soon()
        assert len(context.timers) == 1
        await context.actor.expect(RenewDue, within=60.0)
        times.append(state.now)
        leases.renew(leases.begin())
        assert len((await cast.ledger.expect(RenewLeases)).leases) == 1
    assert times == pytest.approx([2.0, 4.0, 6.0], abs=0.5), "a change renews the leases early"
    await context.actor.expect(RenewDue, within=60.0)
    assert state.now == pytest.approx(21.0, abs=0.5)
    state.units.remove(held)
    leases.renew(leases.begin())
    assert (len(context.timers), cast.ledger.ref.depth) == (0, 0), "no units, no leases"


# -- standing


def standing(name: str, version: int, reason: str = "") -> StandingRecord:
    return StandingRecord(name, version, reason)


@simulated
async def test_a_node_is_told_each_change_of_its_standing_once() -> None:
    state, changes = state_of_node(), list[None]()
    line, context = connect(state), StandInContext()
    updates = StandingUpdates(
        state, line.connection, TwinTokens(), context, lambda: changes.append(None)
    )
    state.hello = Hello(version="1")
    assert await updates.update(standing("QUARANTINED", 2, "three strikes"))
    assert await updates.update(standing("QUARANTINED", 2, "three strikes"))
    assert not await updates.update(standing("ACTIVE", 1)), "older than the known standing"
    assert await updates.update(standing("DRAINING", 3))
    assert await updates.update(standing("DRAINING", 4))
    assert list(line.socket.sent) == [
        NodeStanding(standing="QUARANTINED", reason="three strikes"),
        Drain(),
    ]
    assert len(changes) == 2
    assert not await updates.update(standing("REVOKED", 5))
    assert line.socket.closed is not None
    assert len(line.ends) == 1
