"""Open units, leases and nodes' signs of life, on the in-memory store and on PostgreSQL."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from actors.ledger.effects import UnitAssign, UnitRequeue, UnitStart
from actors.ledger.messages import Commit, GuardFailed, Lease, RenewLeases
from actors.lifeline.actor import expired, rescue
from sql.books import Changes, Keys, NewJob
from sql.database import Conflict
from sql.node_failures import FailureNote
from tests.integration.conformance.stage import SCENE, Stage, dispatch, fresh_id, insert, with_plan


async def test_open_units_come_oldest_job_first(stage: Stage) -> None:
    user = await stage.user(300)
    jobs = [fresh_id() for _ in range(3)]
    for job in reversed(jobs):
        await stage.commit(dispatch(user, job))
        stage.clock.pass_by(1)
    assert [unit.job for unit in await stage.open_units(100)] == jobs[::-1]


async def test_the_units_of_a_node_are_those_at_work(stage: Stage) -> None:
    user, node, job = await stage.dispatched()
    second, waiting = fresh_id(), fresh_id()
    stage.clock.pass_by(1)
    await stage.commit(dispatch(user, second, 0, 1, node), dispatch(user, waiting, 0))
    assert [unit.job for unit in await stage.store.open_units_of(node)] == [job, second]
    assert await stage.store.open_units_of(fresh_id()) == []


async def test_a_lease_is_renewed_for_attempt_and_node_alone(stage: Stage) -> None:
    _, node, job = await stage.dispatched()
    until = stage.clock.now() + timedelta(seconds=60)
    good = Lease(job, 0, 1, node, 60.0)
    wrong = [Lease(job, 0, 2, node, 60.0), Lease(job, 0, 1, fresh_id(), 60.0)]
    wrong += [Lease(fresh_id(), 0, 1, node, 60.0), Lease(job, 1, 1, node, 60.0)]
    renewed = await stage.ledger().renew([RenewLeases(tuple(wrong)), RenewLeases((good,))])
    assert renewed == [0, 1]
    assert (await stage.unit(job)).lease_until == until


async def test_a_unit_is_lost_when_its_lease_ran_out_or_it_was_never_sent(stage: Stage) -> None:
    _, node, job = await stage.dispatched()

    async def is_lost(unsent: float) -> bool:
        lost = await stage.store.lost_units(timedelta(seconds=unsent))
        return [unit.job for unit in lost] == [job]

    stage.clock.pass_by(100)
    assert not await is_lost(unsent=100)
    assert await is_lost(unsent=99)
    lease = Lease(job, 0, 1, node, 60.0)
    await stage.ledger().renew([RenewLeases((lease,))])
    stage.clock.pass_by(59)
    assert not await is_lost(unsent=0)
    stage.clock.pass_by(1)
    assert await is_lost(unsent=1000)
    await stage.commit(Commit((), (UnitStart(job, 0, 1, node),)))
    assert await is_lost(unsent=1000)


async def test_a_node_that_takes_its_lease_before_the_rescue_keeps_its_unit(stage: Stage) -> None:
    _, node, job = await stage.dispatched()
    stage.clock.pass_by(100)
    [unit] = await stage.store.lost_units(timedelta(seconds=45))
    await stage.ledger().renew([RenewLeases((Lease(job, 0, 1, node, 60.0),))])
    await stage.do(UnitStart(job, 0, 1, node))
    assert isinstance(await stage.do(rescue(unit)), GuardFailed)
    assert (await stage.unit(job)).state == "RUNNING"


async def test_a_unit_that_waits_is_known_by_when_its_job_was_submitted(stage: Stage) -> None:
    user, _, _ = await stage.dispatched()
    job = fresh_id()
    await stage.commit(dispatch(user, job, 0))
    second = timedelta(seconds=1)
    stage.clock.pass_by(1)
    assert await stage.store.waiting_units(second) == []
    stage.clock.pass_by(1)
    [unit] = await stage.store.waiting_units(second)
    assert (unit.job, unit.state) == (job, "QUEUED")
    await stage.commit(Commit((), (expired(unit),)))
    assert await stage.store.waiting_units(second) == []
    assert (await stage.unit(job)).state == "FAILED"


async def test_a_job_that_starts_later_waits_since_then(stage: Stage) -> None:
    user, job, second = await stage.user(0), fresh_id(), timedelta(seconds=1)
    start = stage.clock.now() + timedelta(seconds=10)
    await stage.do(with_plan(insert(user, job, price=0), start_after=start))
    [unit] = await stage.store.open_units([job], 16)
    assert (unit.state, unit.not_before) == ("QUEUED", start)
    stage.clock.pass_by(11)
    assert await stage.store.waiting_units(second) == []
    stage.clock.pass_by(1)
    [unit] = await stage.store.waiting_units(second)
    assert (unit.job, unit.not_before) == (job, start)


async def test_the_lease_of_one_attempt_is_not_that_of_the_next(stage: Stage) -> None:
    _, node, job = await stage.dispatched()
    lease = Lease(job, 0, 1, node, 60.0)
    await stage.ledger().renew([RenewLeases((lease,))])
    await stage.do(UnitRequeue(job, 0, 1, "lost"))
    await stage.do(UnitAssign(job, 0, 2, node))
    assert (await stage.unit(job)).lease_until is None
    assert await stage.ledger().renew([RenewLeases((lease,))]) == [0]


async def test_silent_nodes_become_unhealthy_then_offline(stage: Stage) -> None:
    start = stage.clock.now()
    node = await stage.node(start)
    other = await stage.node(start + timedelta(seconds=1000))

    async def silent(after: float) -> list[object]:
        stage.clock.time = start + timedelta(seconds=after)
        return list(await stage.store.mark_silent_nodes())

    async def healthy() -> set[object]:
        return {row.id for row in await stage.store.healthy_nodes()}

    assert await silent(89) == []
    assert await healthy() == {node, other}
    assert await silent(90) == [node]
    assert await healthy() == {other}
    assert await silent(300) == []
    stage.clock.time = start + timedelta(seconds=400)
    await stage.store.node_seen(node)
    assert await healthy() == {node, other}
    assert await silent(489) == []
    assert await silent(2000) == [node, other]


async def test_each_session_of_a_node_has_an_epoch_greater_than_all_before(stage: Stage) -> None:
    node, other = [await stage.node(stage.clock.now()) for _ in range(2)]

    async def opened(node: UUID) -> int:
        session = await stage.store.session_opened(node)
        assert session.at == await stage.store.now(), "the clock of this test stands still"
        return session.epoch

    assert [await opened(node), await opened(node), await opened(other)] == [1, 2, 1]
    assert sorted(await asyncio.gather(*(opened(node) for _ in range(5)))) == [3, 4, 5, 6, 7]
    assert await opened(fresh_id()) == 0
    assert {row.id: row.epoch for row in await stage.store.healthy_nodes()} == {node: 7, other: 1}


async def test_a_new_session_knows_the_nodes_recent_failures(stage: Stage) -> None:
    node, other = [await stage.node(stage.clock.now()) for _ in range(2)]

    async def failures(node: UUID) -> int:
        return (await stage.store.session_opened(node)).failures

    assert await failures(node) == 0
    await stage.store.note_failures(node, FailureNote(3, True, "reported", "no disk"))
    assert (await failures(node), await failures(other)) == (3, 0)
    await stage.store.note_failures(node, FailureNote(2))
    assert await failures(node) == 2
    await stage.store.note_failures(fresh_id(), FailureNote(1))  # a node that is gone


async def test_a_healthy_node_is_told_with_what_it_can_do(stage: Stage) -> None:
    node = await stage.node(stage.clock.now())
    (row,) = await stage.store.healthy_nodes()
    assert (row.id, row.capabilities, row.owner, row.load, row.verified) == (
        *(node, ("render",), None, 0.0),
        True,
    )


async def test_rows_that_were_written_meanwhile_are_a_conflict(stage: Stage) -> None:
    user, job = await stage.user(), fresh_id()
    await stage.commit(dispatch(user, job, 0))
    async with stage.store.transaction() as books:
        rows = await books.lock(Keys(jobs={job}))
    new = NewJob(job, SCENE, {}, 0, None, None, stage.clock.now(), "job")
    changes = Changes(jobs=tuple(rows.jobs.values()), new_jobs=(new,))

    async def write() -> None:
        async with stage.store.transaction() as books:
            await books.write(changes)

    with pytest.raises(Conflict):
        await write()


async def test_an_error_leaves_nothing_behind(stage: Stage) -> None:
    user, job = await stage.user(), fresh_id()

    async def stumble() -> None:
        async with stage.store.transaction() as books:
            await books.lock(Keys(accounts={f"user:{user}"}))
            raise KeyError(job)

    with pytest.raises(KeyError):
        await stumble()
    await stage.commit(dispatch(user, job, 0))
    assert await stage.status(job) == "QUEUED"
