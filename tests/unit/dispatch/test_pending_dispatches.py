"""Submissions that wait for their answer, and submissions that wait for another submission."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from actors.kernel import DeferredReply
from actors.kernel.envelope import Envelope
from actors.ledger.effects import JobInsert
from actors.ledger.messages import Commit, InsufficientCredits, Posted
from actors.scheduler.messages import AllNodesFull, Dispatch
from actors.scheduler.node import BACKLOG
from actors.scheduler.queues import PendingDispatches
from tests.support.until import until
from tests.unit.dispatch.stage import OWNER, USER, decide, order, state_of
from tests.unit.dispatch.test_scheduler import Play, scheduling
from tests.unit.simulated_time import simulated

THIEF = UUID(int=666)
POOR = InsufficientCredits(0, 100_000)


def burst(play: Play, size: int, user: UUID = USER) -> "list[asyncio.Task[Any]]":
    return [play.dispatch(job=UUID(int=user.int * 1000 + n), user=user) for n in range(size)]


def user_of(commit: Commit) -> UUID:
    insert = commit.effects[0]
    assert isinstance(insert, JobInsert)
    return insert.user


async def commits(play: Play, size: int) -> list[Commit]:
    return [await play.commit() for _ in range(size)]


def end(answers: "Sequence[asyncio.Task[Any]]") -> None:
    for answer in answers:
        answer.cancel()


@simulated
async def test_orders_that_will_be_refused_turn_nobody_else_away() -> None:
    async with scheduling() as play:
        answers = burst(play, BACKLOG + 40, THIEF)
        taken = await commits(play, BACKLOG)
        honest = play.dispatch()
        await asyncio.sleep(0.1)
        assert not honest.done()
        for commit in taken[:2]:
            decide(commit, POOR)
        after = await commits(play, 2)
        assert {user_of(commit) for commit in after} == {THIEF, USER}
        [own] = [commit for commit in after if user_of(commit) == USER]
        decide(own, Posted(units=(state_of("DISPATCHED"),)))
        assert isinstance(await honest, Posted)
        end(answers)


@simulated
async def test_who_has_credits_for_some_gets_these_and_is_told_of_the_others() -> None:
    async with scheduling() as play:
        answers = burst(play, 3 * BACKLOG)
        for number in range(3 * BACKLOG):
            commit = await play.commit()
            decide(commit, Posted() if number < 10 else POOR)
        outcomes = await asyncio.gather(*answers[BACKLOG:])
        assert outcomes.count(POOR) == 2 * BACKLOG


@simulated
async def test_when_the_slots_are_taken_for_good_those_who_wait_are_told() -> None:
    async with scheduling() as play:
        answers = burst(play, BACKLOG + 3)
        for commit in await commits(play, BACKLOG):
            decide(commit, Posted())
        for answer in answers[BACKLOG:]:
            assert await answer == AllNodesFull()
        assert play.cast.ledger.ref.depth == 0
        end(answers)


@simulated
async def test_who_sends_too_many_fills_only_his_own_line() -> None:
    async with scheduling() as play:
        answers = burst(play, BACKLOG + 300, THIEF)
        await until(lambda: any(answer.done() for answer in answers))
        honest = play.dispatch()
        await asyncio.sleep(0.1)
        assert sum(answer.done() for answer in answers) == 300 - 256
        assert not honest.done()
        end([honest, *answers])


def asked(
    pending_dispatches: PendingDispatches, user: UUID, number: int, job_type: str = "echo"
) -> bool:
    envelope = Envelope(order(), asyncio.get_running_loop().create_future(), 0.0)
    wanted = order(UUID(int=number), user=user, job_type=job_type)
    return pending_dispatches.keep(wanted, DeferredReply(envelope))


async def test_everybody_comes_in_turn_and_a_stuck_type_holds_up_no_other() -> None:
    pending_dispatches, settled = PendingDispatches(most=7, most_of_user=4), list[int]()
    kept = [asked(pending_dispatches, THIEF, n) for n in range(5)]
    assert kept == [True] * 4 + [False]
    assert asked(pending_dispatches, USER, 10)
    assert asked(pending_dispatches, OWNER, 20, "render")
    assert asked(pending_dispatches, OWNER, 21)
    assert not asked(pending_dispatches, USER, 11)

    def settle(wanted: Dispatch, _: object) -> bool:
        if wanted.insert.plan.job_type != "render":
            settled.append(wanted.insert.job.int)
        return wanted.insert.plan.job_type != "render"

    pending_dispatches.answer_waiting(settle)
    assert settled == [0, 10, 1, 2, 3]
