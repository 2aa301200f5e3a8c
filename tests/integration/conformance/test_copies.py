"""Speculative copies of a unit on a second node: one of two results counts, and is paid once."""

from datetime import timedelta
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import (
    Effect,
    JobCancel,
    JobPause,
    JobStop,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitDeliver,
    UnitFail,
    UnitRequeue,
    UnitStart,
    UnitVerdict,
    VerdictOutcome,
)
from actors.ledger.messages import (
    Commit,
    GuardFailed,
    Lease,
    Posted,
    RenewLeases,
    Replayed,
    RowState,
)
from actors.lifeline.actor import rescue
from tests.integration.conformance.stage import Stage, fresh_id

PRICE = 100


@attrs.frozen
class Race:
    """A unit that runs as attempt 1 on one node and as attempt 2 on another node."""

    stage: Stage
    user: UUID
    job: UUID
    first: UUID
    second: UUID
    operator: str

    def done(self, attempt: int) -> UnitComplete:
        return UnitComplete(self.job, 0, attempt, self.node(attempt), f"result of {attempt}")

    def start(self, attempt: int) -> UnitStart:
        return UnitStart(self.job, 0, attempt, self.node(attempt))

    def fail(self, attempt: int, kind: str = "node", *, final: bool = False) -> UnitFail:
        retry_at = None if final else self.stage.clock.now()
        node = self.node(attempt)
        return UnitFail(self.job, 0, attempt, node, kind, f"{attempt} broke", retry_at)

    def deliver(self, attempt: int) -> UnitDeliver:
        result = attrs.evolve(self.done(attempt), verified=True, operator=self.operator)
        return UnitDeliver(result, "cpu")

    def verdict(self, attempt: int, outcome: VerdictOutcome, *, final: bool = False) -> UnitVerdict:
        return UnitVerdict(
            *(self.job, 0, attempt, outcome, "as said"),
            operator=self.operator,
            retry_at=None if final else self.stage.clock.now(),
            strike=outcome == "invalid",
        )

    async def open_attempts(self) -> list[int]:
        """Return the attempts on which nodes should work."""
        found = await self.stage.open_units(9)
        return sorted(unit.attempt for unit in found if unit.job == self.job)

    def node(self, attempt: int) -> UUID:
        return self.first if attempt == 1 else self.second

    async def is_now(self, state: str, attempt: int, copy: UUID | None = None) -> None:
        unit = await self.stage.unit(self.job)
        found = (unit.state, unit.attempt, unit.node_id, unit.copy_node_id)
        assert found == (state, attempt, self.node(attempt), copy)
        assert await self.stage.store.audit() == []

    async def money(self, charged: int, held: int) -> None:
        assert await self.stage.of_user(self.user) == (2 * PRICE - charged, held)


@pytest.fixture
async def race(stage: Stage) -> Race:
    user, node, job = await stage.dispatched(PRICE)
    race = Race(stage, user, job, node, await stage.node(), f"operator:{fresh_id()}")
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
    # No attempt number is used twice: the node with attempt 2 may still write to its result's key.
    assert isinstance(await race.stage.do(UnitAssign(race.job, 0, 2, race.first)), GuardFailed)
    assert isinstance(await race.stage.do(UnitAssign(race.job, 0, 3, race.first)), Posted)
    assert await race.stage.store.audit() == []


async def test_what_may_not_be_copied(stage: Stage) -> None:
    user, node, job = await stage.dispatched(PRICE)
    other = await stage.node()
    for wrong in (
        UnitCopy(job, 0, 2, node, 1),  # the node already has the unit
        UnitCopy(job, 0, 3, other, 1),  # the attempt number is too high
        UnitCopy(job, 0, 2, other, 2),  # attempt 2 does not run
        UnitCopy(job, 1, 2, other, 1),  # no such unit
    ):
        assert isinstance(await stage.do(wrong), GuardFailed), wrong
    await stage.do(JobPause(job, user))
    paused = await stage.do(UnitCopy(job, 0, 2, other, 1))
    assert isinstance(paused, GuardFailed)
    assert paused.found is RowState.PAUSED


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


@pytest.mark.parametrize("liar", [1, 2])
async def test_what_was_delivered_and_found_wrong_leaves_the_other(race: Race, liar: int) -> None:
    honest = 3 - liar
    assert isinstance(await race.stage.do(race.deliver(liar)), Posted)
    assert isinstance(await race.stage.do(race.deliver(liar)), Replayed)
    await race.is_now(*(("VERIFYING", 1) if liar == 1 else ("RUNNING", 1)), race.second)
    assert await race.open_attempts() == [honest]
    assert isinstance(await race.stage.do(race.start(honest)), Posted if liar == 1 else Replayed)
    assert isinstance(await race.stage.do(race.verdict(liar, "invalid")), Posted)
    assert isinstance(await race.stage.do(race.verdict(liar, "invalid")), Replayed)
    await race.is_now("RUNNING", honest)
    await race.money(0, PRICE)
    assert isinstance(await race.stage.do(race.deliver(liar)), GuardFailed)
    assert isinstance(await race.stage.do(race.deliver(honest)), Posted)
    assert isinstance(await race.stage.do(race.verdict(honest, "exact")), Posted)
    await race.is_now("COMPLETED", honest)
    await race.money(PRICE, 0)
    records = await race.stage.store.records([race.node(liar), race.node(honest)])
    assert {(one.node, one.since) for one in records} == {
        (race.node(liar), "m"),
        (race.node(honest), "v"),
    }


@pytest.mark.parametrize("winner", [1, 2])
@pytest.mark.parametrize("delivered", [False, True])
async def test_the_first_that_was_found_valid_ends_the_other_without_blame(
    race: Race, winner: int, *, delivered: bool
) -> None:
    loser = 3 - winner
    await race.stage.do(race.deliver(winner))
    if delivered:
        race.stage.clock.pass_by(1)
        assert isinstance(await race.stage.do(race.deliver(loser)), Posted)
        await race.is_now("VERIFYING", 1, race.second)
    assert [one.row.attempt for one in await race.stage.store.pending_checks(9)] == [winner]
    done = await race.stage.do(race.verdict(winner, "exact"))
    assert isinstance(done, Posted)
    await race.is_now("COMPLETED", winner)
    await race.money(PRICE, 0)
    late = race.deliver(loser), race.verdict(loser, "exact"), race.verdict(loser, "invalid")
    for effect in (*late, race.fail(loser)):
        assert isinstance(await race.stage.do(effect), GuardFailed)
    assert await race.stage.store.pending_checks(9) == []
    assert [r.node for r in await race.stage.store.records([race.first, race.second])] == [
        race.node(winner)
    ]
    unit, job = await race.stage.unit(race.job), await race.stage.job(race.job)
    assert (unit.failures, unit.avoid, job.avoid) == (0, (), ())
    await race.money(PRICE, 0)


@pytest.mark.parametrize("liar", [1, 2])
async def test_what_was_delivered_second_is_looked_at_if_the_first_falls(
    race: Race, liar: int
) -> None:
    honest = 3 - liar
    await race.stage.do(race.deliver(liar))
    race.stage.clock.pass_by(1)
    await race.stage.do(race.deliver(honest))
    assert await race.open_attempts() == []
    await race.stage.do(race.verdict(liar, "invalid", final=True))
    await race.is_now("VERIFYING", honest)
    assert [one.row.attempt for one in await race.stage.store.pending_checks(9)] == [honest]
    await race.stage.do(race.verdict(honest, "exact"))
    await race.is_now("COMPLETED", honest)
    await race.money(PRICE, 0)


async def test_two_that_are_found_wrong_send_the_unit_to_the_queue(race: Race) -> None:
    for attempt in (2, 1):
        await race.stage.do(race.deliver(attempt))
    for attempt in (1, 2):
        await race.stage.do(race.verdict(attempt, "invalid"))
    unit = await race.stage.unit(race.job)
    assert (unit.state, unit.failures, unit.avoid) == ("QUEUED", 2, (race.first, race.second))
    await race.money(0, PRICE)
    assert await race.stage.store.audit() == []


@pytest.mark.parametrize("delivered", [1, 2])
@pytest.mark.parametrize("broken", ["fails", "scene", "is lost"])
async def test_what_waits_for_its_verdict_outlives_the_other(
    race: Race, delivered: int, broken: str
) -> None:
    other = 3 - delivered
    await race.stage.do(race.deliver(delivered))
    ends: dict[str, Effect] = {
        "fails": race.fail(other),
        "scene": race.fail(other, "scene", final=True),
        "is lost": UnitRequeue(race.job, 0, other, "gone"),
    }
    assert isinstance(await race.stage.do(ends[broken]), Posted)
    await race.is_now("VERIFYING", delivered)
    for late in (race.fail(delivered), UnitRequeue(race.job, 0, delivered, "gone")):
        assert isinstance(await race.stage.do(late), GuardFailed)
    await race.stage.do(race.verdict(delivered, "exact"))
    await race.is_now("COMPLETED", delivered)
    await race.money(PRICE, 0)


@pytest.mark.parametrize("delivered", [1, 2])
async def test_a_job_that_is_stopped_keeps_what_was_delivered(race: Race, delivered: int) -> None:
    await race.stage.do(race.deliver(delivered))
    assert isinstance(await race.stage.do(JobStop(race.job, race.user)), Posted)
    await race.is_now("VERIFYING", delivered)
    await race.money(0, PRICE)
    await race.stage.do(race.verdict(delivered, "exact"))
    await race.is_now("COMPLETED", delivered)
    await race.money(PRICE, 0)


async def test_what_a_copy_delivered_is_stopped_and_not_called_off(stage: Stage) -> None:
    """Only the copy began, and it has delivered: JobCancel is refused, while JobStop charges the
    result.
    """
    user, node, job = await stage.dispatched(PRICE)
    race = Race(stage, user, job, node, await stage.node(), f"operator:{fresh_id()}")
    stage.clock.pass_by(60)
    await stage.do(UnitCopy(job, 0, 2, race.second, 1))
    await stage.do(race.deliver(2))
    refused = await stage.do(JobCancel(job, user))
    assert isinstance(refused, GuardFailed)
    assert refused.found is RowState.RUNNING
    assert isinstance(await stage.do(JobStop(job, user)), Posted)
    await stage.do(race.verdict(2, "exact"))
    await race.is_now("COMPLETED", 2)
    assert isinstance(await stage.do(JobCancel(job, user)), GuardFailed)


async def test_a_scene_that_is_withdrawn_ends_what_is_at_work(race: Race) -> None:
    await race.stage.do(race.deliver(1))
    await race.stage.do(attrs.evolve(race.verdict(1, "invalid", final=True), withdrawn=True))
    await race.is_now("FAILED", 1)
    await race.money(0, 0)


async def test_a_result_that_waits_for_nothing_ends_one_that_does(race: Race) -> None:
    await race.stage.do(race.deliver(2))
    assert isinstance(await race.stage.do(race.done(1)), Posted)
    await race.is_now("COMPLETED", 1)
    assert await race.stage.store.pending_checks(9) == []
    await race.money(PRICE, 0)


async def test_no_other_copy_is_made_of_what_waits_for_its_verdict(race: Race) -> None:
    third = await race.stage.node()
    await race.stage.do(race.deliver(2))
    assert isinstance(await race.stage.do(UnitCopy(race.job, 0, 3, third, 1)), GuardFailed)
    (first,) = [u for u in await race.stage.open_units(9) if u.job == race.job]
    assert (first.attempt, first.answered) == (1, True)


async def test_each_attempt_has_its_own_lease(race: Race) -> None:
    stage, store = race.stage, race.stage.store
    leases = [
        Lease(race.job, 0, attempt, race.node(attempt), float(seconds))
        for attempt, seconds in ((1, 60), (2, 30))
    ]
    crossed = Lease(race.job, 0, 1, race.second, 0.0)
    requests = [RenewLeases(tuple(leases)), RenewLeases((crossed,))]
    assert await stage.ledger().renew(requests) == [2, 0]

    async def lost_after(seconds: float) -> list[int]:
        stage.clock.pass_by(seconds)
        found = await store.lost_units(timedelta(days=1))
        return [unit.attempt for unit in found if unit.job == race.job]

    assert [await lost_after(seconds) for seconds in (29, 1, 30)] == [[], [2], [1, 2]]
    assert [unit.attempt for unit in await store.open_units_of(race.second)] == [2]
    assert [unit.attempt for unit in await store.open_units_of(race.first)] == [1]


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_attempt_that_takes_its_lease_before_the_rescue_goes_on(
    race: Race, attempt: int
) -> None:
    stage = race.stage
    stage.clock.pass_by(100)
    found = await stage.store.lost_units(timedelta(seconds=45))
    [unit] = [one for one in found if (one.job, one.attempt) == (race.job, attempt)]
    lease = Lease(race.job, 0, attempt, race.node(attempt), 60.0)
    await stage.ledger().renew([RenewLeases((lease,))])
    assert isinstance(await stage.do(rescue(unit)), GuardFailed)
    await race.is_now("RUNNING", 1, race.second)


async def test_both_attempts_are_read_with_what_is_open(race: Race) -> None:
    first, copy = [u for u in await race.stage.open_units(9) if u.job == race.job]
    assert (first.attempt, first.node, first.state, first.is_copy) == (
        *(1, race.first, "RUNNING", False),
    )
    assert (copy.attempt, copy.node, copy.state, copy.is_copy) == (
        *(2, race.second, "DISPATCHED", True),
    )
    assert (first.copied, copy.copied) == (2, 2)
    await race.stage.do(race.start(2))
    _, copy = [u for u in await race.stage.open_units(9) if u.job == race.job]
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
