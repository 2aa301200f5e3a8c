"""Jobs of many units: holds, charges and releases per unit; pauses, caps and tiles."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs

from actors.ledger.effects import (
    JobCancel,
    JobChange,
    JobPause,
    JobResume,
    JobStop,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitFail,
    UnitRequeue,
    UnitRetry,
    UnitStart,
    UnitVerdict,
)
from actors.ledger.messages import (
    Commit,
    GuardFailed,
    GuardReason,
    InsufficientCredits,
    Posted,
    Replayed,
    RowState,
    UnitState,
)
from rendertrust.job_spec import NodeNeeds
from sql.job_plan import NewUnit
from sql.units import OpenJob, OpenJobTerms
from tests.integration.conformance.stage import (
    SCENE,
    Stage,
    fresh_id,
    insert,
    pieces_of,
    tiled,
    with_plan,
)
from tests.integration.conformance.test_verdicts import delivery
from tests.support.plans import planned


def frames(*prices: int) -> list[NewUnit]:
    return [NewUnit(price, place, str(place + 1)) for place, price in enumerate(prices)]


async def complete(stage: Stage, job: UUID, number: int, node: UUID, attempt: int = 1) -> None:
    done = await stage.do(
        UnitAssign(job, number, attempt, node),
        UnitComplete(job, number, attempt, node, f"results/u/{job}/{number}/{attempt}/result"),
    )
    assert isinstance(done, Posted), done


async def test_all_of_it_is_held_or_nothing(stage: Stage) -> None:
    user, job = await stage.user(300), fresh_id()
    order = pieces_of(job, user, frames(100, 100, 101))
    assert await stage.commit(order) == [InsufficientCredits(300, 301)]
    assert await stage.of_user(user) == (300, 0)
    order = pieces_of(job, user, frames(100, 0, 200))
    once, again = await stage.commit(order, order)
    state = UnitState(job, 0, "QUEUED", 0, None, "QUEUED")
    assert (once, again) == (Posted(units=(state,)), Replayed(units=(state,)))
    assert await stage.of_user(user) == (300, 300)
    row = await stage.job(job)
    assert (row.units, row.open_units, row.committed) == (3, 3, 0)
    assert await stage.store.audit() == []


async def test_each_unit_is_charged_once_and_what_failed_goes_back(stage: Stage) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 200, 300)))
    await complete(stage, job, 0, node)
    await complete(stage, job, 2, node)
    assert await stage.of_user(user) == (600, 200)
    row = await stage.job(job)
    assert (row.status, row.charged, row.committed, row.result_ref) == ("RUNNING", 400, 400, None)
    failed = UnitFail(job, 1, 1, node, "scene", "no camera")
    assert isinstance(await stage.do(UnitAssign(job, 1, 1, node), failed), Posted)
    row = await stage.job(job)
    assert (row.status, row.error_message, row.charged) == ("FAILED", "no camera", 400)
    assert await stage.of_user(user) == (600, 0)
    assert await stage.store.audit() == []


async def test_a_node_that_failed_one_unit_is_barred_from_the_job(stage: Stage) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(1, 1, 1)))
    later = stage.clock.now() + timedelta(seconds=1)
    await stage.do(UnitAssign(job, 1, 1, node), UnitFail(job, 1, 1, node, "node", "died", later))
    units = await stage.open_units(16)
    assert [unit.number for unit in units] == [0, 1, 2]
    assert {unit.barred for unit in units} == {frozenset({node})}
    assert [unit.avoid for unit in units] == [frozenset(), frozenset({node}), frozenset()]


async def test_of_each_job_the_next_units_are_read(stage: Stage) -> None:
    user, node = await stage.user(1000), await stage.node()
    long, short = fresh_id(), fresh_id()
    await stage.commit(pieces_of(long, user, [NewUnit(1, 9 - n, str(n)) for n in range(10)]))
    await stage.commit(pieces_of(short, user, frames(1, 1)))
    await stage.do(UnitAssign(long, 0, 1, node))

    async def read(window: int) -> list[tuple[UUID, int]]:
        return [(unit.job, unit.number) for unit in await stage.open_units(window)]

    first = [(long, 9), (long, 8), (long, 7), (long, 0)]
    assert await read(3) == [*first, (short, 0), (short, 1)]
    ready = await stage.store.ready_units([long, fresh_id()], 2)
    assert [(unit.number, unit.units, unit.frames) for unit in ready] == [
        (9, 10, "9"),
        (8, 10, "8"),
    ]
    more = await stage.store.ready_units([long], 2, [(long, 9), (long, 7), (short, 8)])
    assert [unit.number for unit in more] == [8, 6]
    assert await stage.store.running_units() == 0
    await stage.do(UnitStart(long, 0, 1, node))
    assert await stage.store.running_units() == 1


async def test_open_jobs_are_listed_by_when_they_were_queued_and_then_by_their_ids(
    stage: Stage,
) -> None:
    user, node = await stage.user(1000), await stage.node()
    ids = [fresh_id() for _ in range(5)]
    for job in (ids[3], ids[1], ids[4]):  # three jobs that are queued at the same time
        await stage.commit(pieces_of(job, user, frames(1, 1)))
    stage.clock.pass_by(-60)
    await stage.commit(pieces_of(ids[2], user, frames(1)))
    await stage.commit(pieces_of(ids[0], user, frames(1)))
    await complete(stage, ids[2], 0, node)
    await complete(stage, ids[1], 1, node)

    listed, after = list[OpenJob](), None
    while page := await stage.store.open_jobs(after, 2):
        listed += page
        after = page[-1].place
    assert [job.id for job in listed] == [ids[0], ids[1], ids[3], ids[4]]
    assert [job.units for job in listed] == [1, 1, 2, 2]
    assert listed[0].queued_at < listed[1].queued_at == listed[2].queued_at
    found = await stage.store.open_units([ids[3], ids[2], fresh_id()], 1)
    assert [(unit.job, unit.number) for unit in found] == [(ids[3], 0)]


async def test_what_open_jobs_ask_for_is_known_of_paused_ones_too(stage: Stage) -> None:
    user, paused, ended = await stage.user(1000), fresh_id(), fresh_id()
    asks: dict[str, Any] = {"pool": "mine", "needs": NodeNeeds(device="gpu")}
    free = with_plan(insert(user, paused), **asks, units=tuple(frames(0, 0)))
    await stage.do(free)
    await stage.commit(pieces_of(ended, user, frames(100)))
    plain = attrs.evolve(planned("render", SCENE), units=())
    assert await stage.store.open_job_terms([ended]) == [
        OpenJobTerms(ended, user, plain, 1, is_free=False)
    ]
    assert isinstance(await stage.do(JobPause(paused, user), JobCancel(ended, user)), Posted)
    special = attrs.evolve(planned("render", SCENE, **asks), units=())
    assert await stage.store.open_job_terms([ended, paused, fresh_id()]) == [
        OpenJobTerms(paused, user, special, 2, is_free=True)
    ]


async def test_a_paused_job_begins_nothing_and_finishes_what_runs(stage: Stage) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100, 100)))
    await stage.do(UnitAssign(job, 0, 1, node), UnitStart(job, 0, 1, node))
    assert isinstance(await stage.do(JobPause(job, fresh_id())), GuardFailed)
    assert isinstance(await stage.do(JobPause(job, user)), Posted)
    assert isinstance(await stage.do(JobPause(job, user)), Replayed)
    refused = await stage.do(UnitAssign(job, 1, 1, node))
    assert isinstance(refused, GuardFailed)
    assert refused.found is RowState.PAUSED
    [at_work] = await stage.open_units(16)
    assert (at_work.number, at_work.paused) == (0, "owner")
    done = await stage.do(UnitComplete(job, 0, 1, node, None))
    assert isinstance(done, Posted)
    assert done.units[0].job_status == "PAUSED"
    assert await stage.of_user(user) == (900, 200)
    assert await stage.store.audit() == []
    await stage.do(JobResume(job, user))
    assert await stage.status(job) == "RUNNING"
    assert isinstance(await stage.do(UnitAssign(job, 1, 1, node)), Posted)


async def test_what_a_node_was_not_sent_of_a_paused_job_waits_until_it_goes_on(
    stage: Stage,
) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100)))
    await stage.do(UnitAssign(job, 0, 1, node), UnitStart(job, 0, 1, node))
    await stage.do(UnitAssign(job, 1, 1, node))
    await stage.do(JobPause(job, user))
    returned = await stage.do(UnitRequeue(job, 1, 1, "its job was paused", unsent=True))
    assert isinstance(returned, Posted)
    assert [(unit.state, unit.job_status) for unit in returned.units] == [("QUEUED", "PAUSED")]
    row = await stage.job(job)
    assert (row.paused, row.committed) == ("owner", 100)
    assert await stage.of_user(user) == (1000, 200)
    assert isinstance(await stage.do(UnitAssign(job, 1, 2, node)), GuardFailed)
    assert await stage.store.audit() == []
    await stage.do(JobResume(job, user))
    await stage.do(UnitAssign(job, 1, 2, node))
    await stage.do(UnitComplete(job, 0, 1, node, None), UnitComplete(job, 1, 2, node, None))
    assert (await stage.status(job), await stage.of_user(user)) == ("COMPLETED", (800, 0))
    assert (await stage.job(job)).retry_count == 0, "the return of an unsent unit is no retry"
    assert await stage.store.audit() == []


async def test_what_was_returned_at_a_pause_does_not_say_so_once_it_is_cancelled(
    stage: Stage,
) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100)))
    await stage.do(UnitAssign(job, 1, 1, node))
    await stage.do(JobPause(job, user))
    await stage.do(UnitRequeue(job, 1, 1, "its job was paused", unsent=True))
    assert (await stage.unit(job, 1)).error_message == "its job was paused"
    await stage.do(JobStop(job, user))
    row = await stage.unit(job, 1)
    assert (row.state, row.error_class, row.error_message) == ("CANCELLED", None, None)


async def test_an_attempt_that_was_never_sent_is_no_retry_and_one_that_was_is(stage: Stage) -> None:
    user, node, job = await stage.dispatched(100)
    requeue = UnitRequeue(job, 0, 1, "another node had nothing to do", unsent=True)
    assert isinstance(await stage.do(requeue), Posted)
    assert isinstance(await stage.do(requeue), Replayed), "a repeated requeue counts once"
    assert [unit.unsent for unit in await stage.open_units(9) if unit.job == job] == [1]
    for attempt, retries in ((2, 0), (3, 1)):
        assert isinstance(await stage.do(UnitAssign(job, 0, attempt, node)), Posted)
        assert (await stage.job(job)).retry_count == retries
        assert await stage.store.audit() == []
        await stage.do(UnitRequeue(job, 0, attempt, "its lease ran out"))
    assert await stage.of_user(user) == (200, 100)


async def test_failures_that_are_no_nodes_are_counted_until_somebody_tries_it_again(
    stage: Stage,
) -> None:
    user, node, job = await stage.dispatched(100)

    async def fails(attempt: int, *, returned: bool = False, final: bool = False) -> int:
        if attempt > 1:
            await stage.do(UnitAssign(job, 0, attempt, node))
        retry_at = None if final else stage.clock.now()
        word = f"reset {attempt}"
        effect = UnitFail(job, 0, attempt, node, "network", word, retry_at, returned=returned)
        assert isinstance(await stage.do(effect), Posted)
        assert await stage.store.audit() == []
        return (await stage.unit(job)).faults

    assert await fails(1) == 1
    assert await fails(2, returned=True) == 1
    assert await fails(3, final=True) == 2
    assert isinstance(await stage.do(UnitRetry(job, 0, user)), Posted)
    (waiting,) = [unit for unit in await stage.open_units(9) if unit.job == job]
    assert (waiting.faults, waiting.failures) == (0, 0)


async def test_one_that_never_ran_can_be_cancelled_while_it_is_paused(stage: Stage) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100)))
    await stage.do(UnitAssign(job, 0, 1, node))
    await stage.do(JobPause(job, user))
    assert isinstance(await stage.do(JobCancel(job, user)), Posted)
    assert (await stage.status(job), await stage.of_user(user)) == ("CANCELLED", (1000, 0))
    for effect in (JobPause(job, user), JobResume(job, user), JobChange(job, user, 1)):
        assert isinstance(await stage.do(effect), GuardFailed)
    assert await stage.store.audit() == []


async def test_a_job_pauses_before_it_passes_its_cap(stage: Stage) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100, 100, 100), cap=250))
    outcomes = await stage.commit(
        *(Commit((), (UnitAssign(job, number, 1, node),)) for number in range(4))
    )
    assert [type(outcome) for outcome in outcomes] == [Posted, Posted, Posted, GuardFailed]
    assert outcomes[2] == Posted(units=(UnitState(job, 2, "QUEUED", 0, None, "PAUSED"),))
    row = await stage.job(job)
    assert (row.paused, row.committed) == ("cap", 200)
    assert isinstance(await stage.do(JobChange(job, user, cap=199)), GuardFailed)
    assert await stage.store.audit() == []
    # A failed attempt makes room under the cap again.
    await stage.do(UnitFail(job, 1, 1, node, "network", "reset", stage.clock.now()))
    assert await stage.status(job) == "DISPATCHED"
    await stage.do(UnitAssign(job, 2, 1, node))
    await stage.do(UnitAssign(job, 3, 1, node))
    assert await stage.status(job) == "PAUSED"
    for pause in ("cap", "owner"):
        refused = await stage.do(JobResume(job, user))
        assert isinstance(refused, GuardFailed)
        assert refused.found is GuardReason.AT_CAP
        assert ((await stage.job(job)).paused, await stage.status(job)) == (pause, "PAUSED")
        await stage.do(JobPause(job, user))
    await stage.do(JobChange(job, user, cap=299))
    assert isinstance(await stage.do(JobResume(job, user)), GuardFailed)
    assert isinstance(await stage.do(JobChange(job, user, cap=300)), Posted)
    assert await stage.status(job) == "PAUSED", "the pause of the job's owner remains"
    assert isinstance(await stage.do(JobResume(job, user)), Posted)
    assert await stage.status(job) == "DISPATCHED"
    await stage.do(UnitAssign(job, 3, 1, node))
    assert ((await stage.job(job)).committed, await stage.status(job)) == (300, "DISPATCHED")
    assert await stage.store.audit() == []


async def test_a_cap_is_taken_away(stage: Stage) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100), cap=150))
    for number in range(2):
        await stage.do(UnitAssign(job, number, 1, node))
    assert ((await stage.job(job)).paused, await stage.status(job)) == ("cap", "PAUSED")
    assert isinstance(await stage.do(JobChange(job, user, 1, uncapped=True)), Posted)
    row = await stage.job(job)
    assert (row.cap, row.paused, row.priority) == (None, None, 1)
    assert isinstance(await stage.do(JobChange(job, user, uncapped=True)), Replayed)
    assert isinstance(await stage.do(UnitAssign(job, 1, 1, node)), Posted)
    assert await stage.store.audit() == []


async def test_stopping_keeps_what_is_complete_and_gives_back_the_rest(stage: Stage) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100, 100, 100)))
    await complete(stage, job, 0, node)
    await stage.do(UnitAssign(job, 1, 1, node), UnitStart(job, 1, 1, node))
    stopped = await stage.do(JobStop(job, user))
    assert isinstance(stopped, Posted)
    assert {(u.unit, u.state) for u in stopped.units} == {(n, "CANCELLED") for n in (1, 2, 3)}
    assert isinstance(await stage.do(JobStop(job, user)), Replayed)
    assert isinstance(await stage.do(UnitComplete(job, 1, 1, node, None)), GuardFailed)
    assert (await stage.status(job), await stage.of_user(user)) == ("CANCELLED", (900, 0))
    assert await stage.store.audit() == []


async def test_what_was_delivered_before_a_stop_keeps_its_hold_until_its_verdict(
    stage: Stage,
) -> None:
    user, node, job = await stage.user(1000), await stage.node(), fresh_id()
    operator = f"operator:{fresh_id()}"
    await stage.commit(pieces_of(job, user, frames(100, 100, 100, 100)))
    for unit in (0, 1, 2):
        await stage.do(UnitAssign(job, unit, 1, node), UnitStart(job, unit, 1, node))
    for unit in (0, 1):
        await stage.do(delivery(job, node, operator, unit=unit))
    stopped = await stage.do(JobStop(job, user))
    assert isinstance(stopped, Posted)
    assert {(u.unit, u.state) for u in stopped.units} == {(n, "CANCELLED") for n in (2, 3)}
    row = await stage.job(job)
    assert (row.status, row.paused, row.open_units) == ("PAUSED", "stopped", 2)
    assert (await stage.of_user(user), await stage.store.audit()) == ((1000, 200), [])
    assert isinstance(await stage.do(JobStop(job, user)), Replayed)
    for wish in (JobPause(job, user), JobResume(job, user), JobChange(job, user, priority=1)):
        assert await stage.do(wish) == GuardFailed(type(wish).__name__, GuardReason.STOPPED)
    await stage.do(UnitVerdict(job, 0, 1, "exact", operator=operator))
    later = stage.clock.now() + timedelta(seconds=1)
    await stage.do(UnitVerdict(job, 1, 1, "invalid", "black", operator=operator, retry_at=later))
    states = [(await stage.unit(job, number)).state for number in range(4)]
    assert states == ["COMPLETED", "CANCELLED", "CANCELLED", "CANCELLED"]
    assert (await stage.status(job), await stage.of_user(user)) == ("CANCELLED", (900, 0))
    assert await stage.store.audit() == []


async def test_a_failed_unit_is_tried_again_at_its_price(stage: Stage) -> None:
    user, node, job = await stage.user(200), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100)))
    await complete(stage, job, 0, node)
    failed = UnitFail(job, 1, 1, node, "scene", "no camera")
    await stage.do(UnitAssign(job, 1, 1, node), failed)
    assert await stage.status(job) == "FAILED"
    spent = pieces_of(fresh_id(), user, frames(50))
    await stage.commit(spent)
    assert await stage.do(UnitRetry(job, 1, user)) == InsufficientCredits(50, 100)
    assert isinstance(await stage.do(UnitRetry(job, 0, user)), GuardFailed)
    assert isinstance(await stage.do(UnitRetry(job, 1, fresh_id())), GuardFailed)
    assert isinstance(await stage.do(JobStop(job, user)), GuardFailed)
    await stage.do(JobStop(spent.effects[0].job, user))  # type: ignore[union-attr]
    assert isinstance(await stage.do(UnitRetry(job, 1, user)), Posted)
    assert isinstance(await stage.do(UnitRetry(job, 1, user)), Replayed)
    row = await stage.job(job)
    assert (row.status, row.completed_at, row.error_message) == ("RUNNING", None, None)
    assert await stage.of_user(user) == (100, 100)
    assert await stage.store.audit() == []
    await complete(stage, job, 1, node, attempt=2)
    assert (await stage.status(job), await stage.of_user(user)) == ("COMPLETED", (0, 0))
    assert await stage.store.audit() == []


async def test_what_failed_and_was_tried_again_within_one_batch(stage: Stage) -> None:
    user, node, job = await stage.user(200), await stage.node(), fresh_id()
    await stage.commit(pieces_of(job, user, frames(100, 100)))
    outcomes = await stage.commit(
        Commit((), (UnitAssign(job, 1, 1, node),)),
        Commit((), (UnitFail(job, 1, 1, node, "scene", "no camera"),)),
        Commit((), (UnitRetry(job, 1, user),)),
        Commit((), (UnitAssign(job, 1, 2, node),)),
        Commit((), (UnitComplete(job, 1, 2, node, None),)),
    )
    assert [type(outcome) for outcome in outcomes] == [Posted] * 5
    assert await stage.of_user(user) == (100, 100)
    assert await stage.store.audit() == []


async def test_a_frame_is_made_of_its_tiles_once_all_are_there(stage: Stage) -> None:
    user, node, job = await stage.user(300), await stage.node(), fresh_id()
    await stage.commit(tiled(user, job, (30, 70), 2))
    ready = await stage.open_units(16)
    assert [(unit.number, unit.frames, unit.tile) for unit in ready] == [
        *[(0, "1", 0), (1, "1", 1), (3, "2", 0), (4, "2", 1)],
    ]
    assert isinstance(await stage.do(UnitAssign(job, 2, 1, node)), GuardFailed)
    await complete(stage, job, 1, node)
    assert (await stage.unit(job, 2)).missing == 1
    await stage.do(UnitAssign(job, 0, 1, node))
    done = UnitComplete(job, 0, 1, node, None, b"s" * 32, 9)
    last = await stage.do(done)
    assert isinstance(last, Posted)
    assert [(unit.unit, unit.state) for unit in last.units] == [(0, "COMPLETED"), (2, "QUEUED")]
    assert isinstance(await stage.do(done), Replayed)
    (whole,) = [unit for unit in await stage.open_units(16) if unit.number == 2]
    assert [(part.unit, part.attempt, part.size) for part in whole.parts] == [
        (0, 1, 9),
        (1, 1, None),
    ]
    assert whole.parts[0].sha256 == (b"s" * 32).hex()
    await complete(stage, job, 2, node)
    assert await stage.of_user(user) == (200, 100)
    assert await stage.store.audit() == []


async def test_what_is_made_of_a_tile_that_failed_fails_and_both_are_tried_again(
    stage: Stage,
) -> None:
    user, node, job = await stage.user(100), await stage.node(), fresh_id()
    await stage.commit(tiled(user, job, (30, 70), 1))
    for number in (0, 1):
        await stage.do(UnitAssign(job, number, 1, node))
    for number in (0, 1):
        await stage.do(UnitFail(job, number, 1, node, "scene", "no camera"))
    row = await stage.job(job)
    assert (row.status, row.failed_units) == ("FAILED", 3)
    assert await stage.of_user(user) == (100, 0)
    again = await stage.do(UnitRetry(job, 2, user))
    assert isinstance(again, Posted)
    assert {unit.unit for unit in again.units} == {0, 1, 2}
    assert await stage.of_user(user) == (100, 100)
    for number in (0, 1):
        await complete(stage, job, number, node, attempt=2)
    await complete(stage, job, 2, node)
    assert (await stage.status(job), await stage.of_user(user)) == ("COMPLETED", (0, 0))
    assert await stage.store.audit() == []


async def test_no_tile_begins_whose_frame_cannot_come_to_be(stage: Stage) -> None:
    user, node, job = await stage.user(200), await stage.node(), fresh_id()
    await stage.commit(tiled(user, job, (10, 20, 30, 40), 2))
    await stage.do(UnitAssign(job, 0, 1, node))
    await stage.do(UnitAssign(job, 1, 1, node))
    failed = await stage.do(UnitFail(job, 0, 1, node, "scene", "no camera"))
    assert isinstance(failed, Posted)
    assert {unit.unit: unit.state for unit in failed.units} == dict.fromkeys((0, 2, 3, 4), "FAILED")
    said = "another tile of its frame failed"
    waited = await stage.unit(job, 2)
    assert (waited.error_class, waited.error_message, waited.attempt) == ("scene", said, 0)
    assert (await stage.job(job)).unit_error == "no camera"
    assert isinstance(await stage.do(UnitAssign(job, 2, 1, node)), GuardFailed)
    assert await stage.of_user(user) == (200, 20 + 100)  # the running tile, and the other frame
    assert {one.number for one in await stage.open_units(16)} == {1, 5, 6, 7, 8}
    await stage.do(UnitComplete(job, 1, 1, node, f"results/u/{job}/1/1/result"))
    assert await stage.of_user(user) == (180, 100)
    again = await stage.do(UnitRetry(job, 4, user))
    assert isinstance(again, Posted)
    assert {unit.unit for unit in again.units} == {0, 2, 3, 4}
    assert await stage.of_user(user) == (180, 180)
    for number, attempt in ((0, 2), (2, 1), (3, 1), (4, 1)):
        await complete(stage, job, number, node, attempt)
    assert await stage.of_user(user) == (100, 100)
    assert await stage.store.audit() == []


async def test_a_tile_that_comes_back_is_over_with_its_frame(stage: Stage) -> None:
    user, node, job = await stage.user(100), await stage.node(), fresh_id()
    await stage.commit(tiled(user, job, (10, 20, 30, 40), 1))
    for number in range(4):
        await stage.do(UnitAssign(job, number, 1, node))
    await stage.do(UnitFail(job, 0, 1, node, "scene", "no camera"))
    assert await stage.of_user(user) == (100, 90)
    lost = UnitRequeue(job, 1, 1, "its node went away")
    assert isinstance(await stage.do(lost), Posted)
    assert isinstance(await stage.do(lost), Replayed)
    again = UnitFail(job, 2, 1, node, "node", "it died", stage.clock.now())
    await stage.do(again)
    await stage.do(delivery(job, node, unit=3))
    await stage.do(UnitVerdict(job, 3, 1, "invalid", retry_at=stage.clock.now()))
    units = [await stage.unit(job, number) for number in range(5)]
    assert [unit.state for unit in units] == ["FAILED"] * 5
    assert [unit.error_code for unit in units[1:3]] == ["part_failed", "reported"]
    assert (units[2].error_class, units[2].error_message) == ("node", "it died")
    assert (await stage.status(job), await stage.of_user(user)) == ("FAILED", (100, 0))
    assert await stage.store.audit() == []


async def test_no_tile_is_copied_whose_frame_cannot_come_to_be(stage: Stage) -> None:
    user, node, job = await stage.user(100), await stage.node(), fresh_id()
    await stage.commit(tiled(user, job, (30, 70), 1))
    for number in (0, 1):
        await stage.do(UnitAssign(job, number, 1, node))
    await stage.do(UnitFail(job, 0, 1, node, "scene", "no camera"))
    copy = UnitCopy(job, 1, 2, await stage.node(), 1)
    refused = await stage.do(copy)
    assert isinstance(refused, GuardFailed)
    assert refused.found is GuardReason.FRAME_FAILED


async def test_priorities_are_kept_and_changed(stage: Stage) -> None:
    user, job = await stage.user(100), fresh_id()
    order = with_plan(insert(user, job, price=0, units=2), priority="high")
    await stage.do(order)
    assert {unit.priority for unit in await stage.open_units(16)} == {1}
    assert isinstance(await stage.do(JobChange(job, user, -1)), Posted)
    assert isinstance(await stage.do(JobChange(job, user, -1)), Replayed)
    assert {unit.priority for unit in await stage.open_units(16)} == {-1}


async def test_a_job_of_many_units_lives_for_as_long_as_some_are_given_out(stage: Stage) -> None:
    user, node = await stage.user(1000), await stage.node()
    moving, resting = fresh_id(), fresh_id()
    await stage.commit(pieces_of(moving, user, frames(1, 1, 1)))
    await stage.commit(pieces_of(resting, user, frames(1, 1)))
    stage.clock.pass_by(3600)
    await stage.do(UnitAssign(moving, 0, 1, node))
    stage.clock.pass_by(1)
    hour = timedelta(hours=1)
    assert {unit.job for unit in await stage.store.waiting_units(hour)} == {resting}
    stage.clock.pass_by(3600)
    assert {unit.job for unit in await stage.store.waiting_units(hour)} == {moving, resting}
