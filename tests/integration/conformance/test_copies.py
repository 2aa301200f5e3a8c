"""A unit that a second node has, too: one result counts, and is paid for once."""

from datetime import timedelta
from uuid import UUID

import attrs
import pytest

from actors.ledger.messages import (
    Commit,
    GuardFailed,
    JobPause,
    JobStop,
    Lease,
    Posted,
    RenewLeases,
    Replayed,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitFail,
    UnitRequeue,
    UnitStart,
)
from actors.verifier.messages import UnitDeliver
from tests.integration.conformance.stage import Stage, fresh_id

PRICE = 100


@attrs.frozen
class Race:
    """A unit at work in attempt 1, and in attempt 2 on another node."""

    stage: Stage
    user: UUID
    job: UUID
    first: UUID
    second: UUID

    def done(self, attempt: int) -> UnitComplete:
        return UnitComplete(self.job, 0, attempt, self.node(attempt), f"result of {attempt}")

    def start(self, attempt: int) -> UnitStart:
        return UnitStart(self.job, 0, attempt, self.node(attempt))

    def fail(self, attempt: int, kind: str = "node", *, final: bool = False) -> UnitFail:
        retry_at = None if final else self.stage.clock.now()
        node = self.node(attempt)
        return UnitFail(self.job, 0, attempt, node, kind, f"{attempt} broke", retry_at)

    def node(self, attempt: int) -> UUID:
        return self.first if attempt == 1 else self.second

    async def is_now(self, state: str, attempt: int, copy: UUID | None = None) -> None:
        unit = await self.stage.unit(self.job)
        node = self.node(attempt)
        found = (unit.state, unit.attempt, unit.node_id, unit.copy_node_id)
        assert found == (state, attempt, node, copy)
        assert await self.stage.store.audit() == []

    async def money(self, charged: int, held: int) -> None:
        assert await self.stage.of_user(self.user) == (2 * PRICE - charged, held)


@pytest.fixture
async def race(stage: Stage) -> Race:
    user, node, job = await stage.dispatched(PRICE)
    race = Race(stage, user, job, node, await stage.node())
    stage.clock.pass_by(60)
    copied = await stage.do(race.start(1), UnitCopy(job, 0, 2, race.second, 1))
    assert isinstance(copied, Posted)
    (state,) = {(unit.copied, unit.copy_node) for unit in copied.units}
    assert state == (2, race.second)
    return race


@pytest.mark.parametrize("winner", [1, 2])
async def test_whoever_is_first_is_charged_for_and_the_other_is_nothing(
    race: Race, winner: int
) -> None:
    loser = 3 - winner
    await race.money(0, PRICE)
    assert isinstance(await race.stage.do(race.start(2)), Posted)
    assert isinstance(await race.stage.do(race.start(2)), Replayed)
    await race.is_now("RUNNING", 1, race.second)
    assert isinstance(await race.stage.do(race.done(winner)), Posted)
    await race.is_now("COMPLETED", winner)
    await race.money(PRICE, 0)
    assert isinstance(await race.stage.do(race.done(winner)), Replayed)
    for late in (race.done(loser), race.start(loser), race.fail(loser)):
        assert isinstance(await race.stage.do(late), GuardFailed)
    await race.money(PRICE, 0)
    assert (await race.stage.unit(race.job)).result_key == f"result of {winner}"


async def test_two_results_in_one_batch_are_one(race: Race) -> None:
    commits = [Commit((), (race.done(attempt),)) for attempt in (2, 1)]
    first, second = await race.stage.commit(*commits)
    assert (type(first), type(second)) == (Posted, GuardFailed)
    await race.is_now("COMPLETED", 2)
    await race.money(PRICE, 0)


@pytest.mark.parametrize("broken", [1, 2])
@pytest.mark.parametrize("final", [False, True])
async def test_the_other_goes_on_where_one_fails(race: Race, broken: int, *, final: bool) -> None:
    left = 3 - broken
    assert isinstance(await race.stage.do(race.start(2)), Posted)
    assert isinstance(await race.stage.do(race.fail(broken, final=final)), Posted)
    await race.is_now("RUNNING", left)
    unit, job = await race.stage.unit(race.job), await race.stage.job(race.job)
    assert (unit.failures, unit.avoid, job.avoid) == (1, (race.node(broken),), unit.avoid)
    await race.money(0, PRICE)
    assert isinstance(await race.stage.do(race.done(left)), Posted)
    await race.is_now("COMPLETED", left)
    await race.money(PRICE, 0)


async def test_a_scene_that_is_at_fault_is_so_everywhere(race: Race) -> None:
    assert isinstance(await race.stage.do(race.fail(2, "scene", final=True)), Posted)
    await race.is_now("FAILED", 2)
    await race.money(0, 0)


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_lost_attempt_leaves_the_other(race: Race, lost: int) -> None:
    left = 3 - lost
    assert isinstance(await race.stage.do(UnitRequeue(race.job, 0, lost, "gone")), Posted)
    await race.is_now("RUNNING" if left == 1 else "DISPATCHED", left)
    assert isinstance(await race.stage.do(UnitRequeue(race.job, 0, left, "gone")), Posted)
    assert (await race.stage.unit(race.job)).state == "QUEUED"
    # No number is given twice: whoever had attempt 2 may still write where its result would be.
    assert isinstance(await race.stage.do(UnitAssign(race.job, 0, 2, race.first)), GuardFailed)
    assert isinstance(await race.stage.do(UnitAssign(race.job, 0, 3, race.first)), Posted)
    assert await race.stage.store.audit() == []


async def test_what_may_not_be_copied(stage: Stage) -> None:
    user, node, job = await stage.dispatched(PRICE)
    other = await stage.node()
    for wrong in (
        UnitCopy(job, 0, 2, node, 1),  # its own node
        UnitCopy(job, 0, 3, other, 1),  # a number too far
        UnitCopy(job, 0, 2, other, 2),  # beside another attempt
        UnitCopy(job, 1, 2, other, 1),  # no such unit
    ):
        assert isinstance(await stage.do(wrong), GuardFailed), wrong
    await stage.do(JobPause(job, user))
    paused = await stage.do(UnitCopy(job, 0, 2, other, 1))
    assert isinstance(paused, GuardFailed)
    assert paused.found == "PAUSED"


async def test_one_copy_at_a_time_and_asking_again_changes_nothing(race: Race) -> None:
    third = await race.stage.node()
    again = UnitCopy(race.job, 0, 2, race.second, 1)
    assert isinstance(await race.stage.do(again), Replayed)
    more = UnitCopy(race.job, 0, 3, third, 1)
    assert isinstance(await race.stage.do(more), GuardFailed)
    await race.stage.do(race.fail(2, "network"))
    assert isinstance(await race.stage.do(again), GuardFailed)
    assert isinstance(await race.stage.do(more), Posted)
    assert (await race.stage.unit(race.job)).copy_attempt == 3


async def test_a_job_that_is_stopped_ends_both(race: Race) -> None:
    assert isinstance(await race.stage.do(JobStop(race.job, race.user)), Posted)
    await race.is_now("CANCELLED", 1)
    await race.money(0, 0)
    assert isinstance(await race.stage.do(race.done(2)), GuardFailed)


async def test_what_is_delivered_for_a_check_ends_the_other(race: Race) -> None:
    deliver = UnitDeliver(race.job, 0, 2, race.second, "cpu", "x")
    assert isinstance(await race.stage.do(deliver), Posted)
    await race.is_now("VERIFYING", 2)
    assert isinstance(await race.stage.do(race.done(1)), GuardFailed)


async def test_each_attempt_has_its_own_lease(race: Race) -> None:
    stage, store = race.stage, race.stage.store
    start = stage.clock.now()
    leases = [
        Lease(race.job, 0, attempt, race.node(attempt), start + timedelta(seconds=seconds))
        for attempt, seconds in ((1, 60), (2, 30))
    ]
    crossed = Lease(race.job, 0, 1, race.second, start)
    requests = [RenewLeases(tuple(leases)), RenewLeases((crossed,))]
    assert await stage.ledger().renew(requests) == [2, 0]

    async def lost(seconds: float) -> list[int]:
        found = await store.lost_units(start + timedelta(seconds=seconds), start)
        return [unit.attempt for unit in found if unit.job == race.job]

    assert [await lost(seconds) for seconds in (29, 30, 60)] == [[], [2], [1, 2]]
    assert [unit.attempt for unit in await store.open_units_of(race.second)] == [2]
    assert [unit.attempt for unit in await store.open_units_of(race.first)] == [1]


async def test_both_attempts_are_read_with_what_is_open(race: Race) -> None:
    first, copy = [u for u in await race.stage.store.open_units(9) if u.job == race.job]
    assert (first.attempt, first.node, first.state, first.is_copy) == (
        *(1, race.first, "RUNNING", False),
    )
    assert (copy.attempt, copy.node, copy.state, copy.is_copy) == (
        *(2, race.second, "DISPATCHED", True),
    )
    assert (first.copied, copy.copied) == (2, 2)
    await race.stage.do(race.start(2))
    _, copy = [u for u in await race.stage.store.open_units(9) if u.job == race.job]
    assert (copy.state, copy.started_at) == ("RUNNING", race.stage.clock.now())


async def test_how_long_complete_units_were_at_work(stage: Stage) -> None:
    _, node, job = await stage.dispatched(PRICE, units=1)
    stage.clock.pass_by(5)
    await stage.do(UnitStart(job, 0, 1, node))
    stage.clock.pass_by(30)
    assert await stage.store.done_units([job], 10) == []
    await stage.do(UnitComplete(job, 0, 1, node, None))
    (done,) = await stage.store.done_units([job, fresh_id()], 10)
    assert (done.job, done.is_tile, done.seconds) == (job, False, 30.0)


async def test_pictures_of_both_are_kept_while_they_are_at_work(race: Race) -> None:
    async def keep(attempt: int, node: UUID) -> bool:
        store, picture = race.stage.store, b"\xff\xd8\xff\xe0"
        return await store.keep_thumbnail(race.job, 0, attempt, node, frame=1, picture=picture)

    assert await keep(1, race.first)
    assert await keep(2, race.second)
    assert not await keep(1, race.second)
    await race.stage.do(race.done(2))
    assert not await keep(1, race.first)
