"""Jobs and units, their guards and charges, on the in-memory store and on PostgreSQL."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import (
    Effect,
    JobCancel,
    JobInsert,
    UnitAssign,
    UnitComplete,
    UnitDeliver,
    UnitFail,
    UnitRequeue,
    UnitStart,
)
from actors.ledger.messages import (
    Commit,
    DataRefused,
    GuardFailed,
    GuardReason,
    InsufficientCredits,
    Posted,
    Replayed,
    RowState,
    UnitState,
)
from sql.account_names import REVENUE
from sql.job_plan import JobPlan
from tests.integration.conformance.stage import Stage, dispatch, fresh_id, insert, with_plan
from tests.support.plans import planned


def complete(job: UUID, node: UUID, attempt: int = 1, unit: int = 0) -> UnitComplete:
    return UnitComplete(job, unit, attempt, node, "results/x.png", b"s" * 32, 9)


def earning(job: UUID, node: UUID, operator: str) -> UnitComplete:
    return attrs.evolve(complete(job, node), verified=True, operator=operator)


async def test_a_dispatch_holds_the_price_and_names_the_node(stage: Stage) -> None:
    user, node, job = await stage.dispatched(100)
    assert await stage.of_user(user) == (200, 100)
    again = await stage.commit(dispatch(user, job, 100, 1, node))
    state = UnitState(job, 0, "DISPATCHED", 1, node, "DISPATCHED")
    assert again == [Replayed(units=(state,))]
    (open_unit,) = await stage.open_units(100)
    assert (open_unit.job, open_unit.plan.params, open_unit.node) == (job, {"frame": 1}, node)
    assert await stage.store.audit() == []


async def test_a_job_without_a_node_waits(stage: Stage) -> None:
    user, job = await stage.user(100), fresh_id()
    (outcome,) = await stage.commit(dispatch(user, job))
    assert outcome == Posted(units=(UnitState(job, 0, "QUEUED", 0, None, "QUEUED"),))
    assert await stage.of_user(user) == (100, 100)


async def test_a_dispatch_without_credits_leaves_nothing(stage: Stage) -> None:
    user, job = await stage.user(99), fresh_id()
    assert await stage.commit(dispatch(user, job)) == [InsufficientCredits(99, 100)]
    assert await stage.open_units(100) == []


async def test_another_job_under_the_same_id_is_refused(stage: Stage) -> None:
    user, _, job = await stage.dispatched()
    same = insert(user, job)
    others = (
        insert(fresh_id(), job),
        insert(user, job, price=101),
        insert(user, job, units=2),
        with_plan(same, job_type="inference"),
    )
    for other in others:
        outcome = await stage.do(other)
        assert isinstance(outcome, GuardFailed)
        assert (outcome.effect, outcome.found) == ("JobInsert", RowState.DISPATCHED)
    assert isinstance(await stage.do(same), Replayed)


async def test_verified_work_is_charged_once_and_pays_the_operator(stage: Stage) -> None:
    user, node, job = await stage.dispatched(101)
    operator = f"operator:{fresh_id()}"
    started = await stage.do(UnitStart(job, 0, 1, node))
    assert started == Posted(units=(UnitState(job, 0, "RUNNING", 1, node, "RUNNING"),))
    done = await stage.commit(*[Commit((), (earning(job, node, operator),))] * 2)
    state = UnitState(job, 0, "COMPLETED", 1, node, "COMPLETED")
    assert done == [Posted(units=(state,)), Replayed(units=(state,))]
    assert await stage.do(earning(job, node, operator)) == done[1]
    assert await stage.of_user(user) == (101, 0)
    assert await stage.money(operator) == (70, 0)
    assert await stage.money(REVENUE) == (31, 0)
    assert await stage.store.audit() == []


async def test_unverified_work_is_charged_and_pays_nobody(stage: Stage) -> None:
    user, node, job = await stage.dispatched(100)
    operator = f"operator:{fresh_id()}"
    order = attrs.evolve(complete(job, node), operator=operator)
    assert isinstance(await stage.do(order), Posted)
    assert await stage.of_user(user) == (100, 0)
    assert await stage.money(REVENUE) == (100, 0)
    assert await stage.money(operator) == (0, 0)


async def test_work_that_costs_nothing_moves_nothing(stage: Stage) -> None:
    user, node, job = await stage.dispatched(0)
    operator = f"operator:{fresh_id()}"
    assert isinstance(await stage.do(earning(job, node, operator)), Posted)
    assert await stage.of_user(user) == (0, 0)
    assert await stage.store.audit() == []


async def test_only_the_attempt_and_the_node_of_the_unit_count(stage: Stage) -> None:
    user, node, job = await stage.dispatched()
    stranger = await stage.node()
    stale: list[Effect] = [
        complete(job, node, 2),
        complete(job, stranger, 1),
        UnitStart(job, 0, 2, node),
        UnitStart(job, 0, 1, stranger),
        UnitFail(job, 0, 2, node, "node", "died"),
        UnitFail(job, 0, 1, stranger, "node", "died"),
        UnitRequeue(job, 0, 2, "lease"),
        UnitAssign(job, 0, 2, node),
        UnitAssign(job, 0, 1, stranger),
    ]
    outcomes = await stage.commit(*(Commit((), (effect,)) for effect in stale))
    units = (UnitState(job, 0, "DISPATCHED", 1, node, "DISPATCHED"),)
    names = [type(effect).__name__ for effect in stale]
    assert outcomes == [GuardFailed(name, RowState.DISPATCHED, units) for name in names]
    unknown = await stage.do(UnitStart(fresh_id(), 0, 1, node))
    assert unknown == GuardFailed("UnitStart", GuardReason.ABSENT)
    assert await stage.of_user(user) == (200, 100)


async def test_a_lost_attempt_goes_to_the_next_node(stage: Stage) -> None:
    _, node, job = await stage.dispatched()
    other = await stage.node()
    lost = UnitRequeue(job, 0, 1, "the lease ran out")
    once, twice = await stage.commit(Commit((), (lost,)), Commit((), (lost,)))
    waiting = (UnitState(job, 0, "QUEUED", 1, None, "DISPATCHED"),)
    assert (once, twice) == (Posted(units=waiting), Replayed(units=waiting))
    assert (await stage.open_units(100))[0].node is None
    assert isinstance(await stage.do(UnitAssign(job, 0, 2, other)), Posted)
    assert isinstance(await stage.do(complete(job, node, 1)), GuardFailed)
    assert isinstance(await stage.do(complete(job, other, 2)), Posted)
    assert await stage.store.audit() == []


async def test_a_failed_attempt_waits_and_avoids_the_node(stage: Stage) -> None:
    user, node, job = await stage.dispatched()
    retry_at = stage.clock.now() + timedelta(seconds=2)
    failed = UnitFail(
        *(job, 0, 1, node, "node", "out of memory \x00", retry_at), error_code="too_slow"
    )
    outcomes = await stage.commit(Commit((), (failed,)), Commit((), (failed,)))
    assert [type(outcome) for outcome in outcomes] == [Posted, Replayed]
    unit = await stage.unit(job)
    assert (unit.state, unit.attempt, unit.not_before) == ("QUEUED", 1, retry_at)
    assert (unit.failures, unit.avoid, unit.error_class) == (1, (node,), "node")
    assert unit.error_code == "too_slow"
    assert await stage.of_user(user) == (200, 100)


@pytest.mark.parametrize(
    ("said", "returned", "is_avoided", "is_shunned"),
    [
        ("gateway", False, True, True),
        ("verifier", False, True, True),
        ("network", False, True, False),
        ("network", True, False, False),
    ],
)
async def test_what_a_node_calls_anothers_failure_is_not_its_own_and_another_is_asked(
    stage: Stage, said: str, returned: bool, is_avoided: bool, is_shunned: bool
) -> None:
    _, node, job = await stage.dispatched()
    now = stage.clock.now()
    await stage.do(UnitFail(job, 0, 1, node, said, "not mine", now, returned=returned))
    unit, [waits] = await stage.unit(job), await stage.open_units(100)
    assert (unit.failures, unit.faults) == (0, 0 if returned else 1)
    assert unit.avoid == ((node,) if is_avoided else ())
    assert waits.barred == (frozenset({node}) if is_shunned else frozenset())
    assert await stage.store.audit() == []


async def test_a_unit_that_is_beyond_its_node_did_not_fail(stage: Stage) -> None:
    _, node, job = await stage.dispatched()
    beyond = UnitFail(
        job, 0, 1, node, "scene", "too much memory", stage.clock.now(), uncounted=True
    )
    memory = {"needs_memory": 2**33, "needs_vram": 2**34}
    lacked: dict[str, Any] = {**memory, "needs_opengl": True, "needs_scripts": True}
    await stage.do(attrs.evolve(beyond, **lacked))
    unit, [waits] = await stage.unit(job), await stage.open_units(100)
    assert (unit.failures, unit.faults, unit.avoid) == (0, 0, (node,))
    assert {name: getattr(waits, name) for name in lacked} == lacked
    assert waits.barred == frozenset({node})
    assert await stage.store.audit() == []


@pytest.mark.parametrize("waits", [False, True], ids=["complete", "delivered"])
async def test_the_most_graphics_memory_that_nodes_measured_is_the_jobs(
    stage: Stage, *, waits: bool
) -> None:
    _, node, job = await stage.dispatched(units=3)
    await stage.do(UnitAssign(job, 1, 1, node))
    for number, used in enumerate((2**33, 2**32)):
        made = complete(job, node, unit=number)
        delivered = UnitDeliver(made, "optix/sm_89/550/b1", vram_used=used)
        done = attrs.evolve(made, vram_used=used)
        assert isinstance(await stage.do(delivered if waits else done), Posted)
    [unit] = [each for each in await stage.open_units(100) if each.state == "QUEUED"]
    assert (unit.number, unit.vram_used) == (2, 2**33)
    assert await stage.store.audit() == []


async def test_parameters_that_the_reader_knows_are_not_read_again(stage: Stage) -> None:
    _, _, first = await stage.dispatched()
    user, _, second = await stage.dispatched()
    asked: list[UUID] = []

    kept = planned(params={"kept": "here"})

    def known(job: UUID) -> JobPlan | None:
        asked.append(job)
        return kept if job == first else None

    units = await stage.store.open_units([first, second], 100, known)
    plans = {unit.job: unit.plan for unit in units}
    assert plans[first] is kept
    assert plans[second].stored() == insert(user, second).plan.stored()
    assert set(asked) == {first, second}


async def test_a_unit_that_cannot_be_sent_to_its_node_is_counted_against_nobody(
    stage: Stage,
) -> None:
    """After failing to reach three different nodes, the unit waits for a minute."""
    _, first, job = await stage.dispatched()
    nodes = [first, await stage.node(), first, await stage.node()]
    waits: list[float] = []
    for attempt, node in enumerate(nodes, 1):
        if attempt > 1:
            await stage.do(UnitAssign(job, 0, attempt, node))
        now, reason = stage.clock.now(), "it cannot be sent over its node's connection"
        requeue = UnitRequeue(job, 0, attempt, reason, unsent=True, unsendable_to=node)
        outcome = await stage.do(requeue)
        assert isinstance(outcome, Posted)
        [waiting] = await stage.open_units(100)
        assert waiting.not_before is not None
        waits.append((waiting.not_before - now).total_seconds())
        assert [state.unsendable_to for state in outcome.units] == [len(set(nodes[:attempt]))]
    unit, [waiting] = await stage.unit(job), await stage.open_units(100)
    assert (unit.failures, unit.faults, unit.unsent) == (0, 0, len(nodes))
    assert set(unit.unsendable_to) == set(unit.avoid) == set(nodes)
    assert waits == [1, 2, 4, 60]
    assert waiting.barred == frozenset()
    assert (await stage.job(job)).retry_count == 0
    assert await stage.store.audit() == []


async def test_a_unit_that_the_gateway_gives_up_says_nothing_of_its_node(stage: Stage) -> None:
    """The node may still get other units of the job."""
    _, node, job = await stage.dispatched(100, units=2)
    await stage.do(UnitFail(job, 0, 1, node, "gateway", "it cannot be sent"))
    [waits] = await stage.open_units(100)
    assert (waits.number, waits.barred) == (1, frozenset())


async def test_the_last_failure_gives_the_credits_back(stage: Stage) -> None:
    user, node, job = await stage.dispatched()
    failed = UnitFail(job, 0, 1, node, "scene", "no camera")
    outcome = await stage.do(UnitStart(job, 0, 1, node), failed)
    state = UnitState(job, 0, "FAILED", 1, node, "FAILED")
    assert outcome == Posted(units=(state,))
    assert await stage.do(failed) == Replayed(units=(state,))
    assert await stage.of_user(user) == (200, 0)
    assert await stage.open_units(100) == []
    assert isinstance(await stage.do(complete(job, node)), GuardFailed)
    assert await stage.store.audit() == []


async def test_the_gateway_may_give_up_a_unit_that_waits(stage: Stage) -> None:
    user, job = await stage.user(100), fresh_id()
    await stage.commit(dispatch(user, job))
    assert isinstance(await stage.do(UnitFail(job, 0, 0, None, "gateway", "nobody")), Posted)
    assert await stage.of_user(user) == (100, 0)
    assert await stage.store.audit() == []


async def test_a_job_that_never_ran_can_be_cancelled_by_its_owner(stage: Stage) -> None:
    user, node, job = await stage.dispatched()
    stranger = await stage.do(JobCancel(job, fresh_id()))
    assert isinstance(stranger, GuardFailed)
    assert stranger.found is GuardReason.ABSENT
    state = UnitState(job, 0, "CANCELLED", 1, node, "CANCELLED")
    assert await stage.do(JobCancel(job, user)) == Posted(units=(state,))
    assert await stage.do(JobCancel(job, user)) == Replayed(units=(state,))
    assert await stage.of_user(user) == (200, 0)
    assert isinstance(await stage.do(UnitStart(job, 0, 1, node)), GuardFailed)
    assert await stage.store.audit() == []


async def test_a_job_that_ran_cannot_be_cancelled(stage: Stage) -> None:
    user, node, job = await stage.dispatched()
    await stage.do(UnitStart(job, 0, 1, node))
    outcome = await stage.do(JobCancel(job, user))
    assert isinstance(outcome, GuardFailed)
    assert outcome.found is RowState.RUNNING
    await stage.do(UnitRequeue(job, 0, 1, "the node went away"))
    assert await stage.status(job) == "RUNNING"


async def test_a_job_of_many_units_follows_them(stage: Stage) -> None:
    user, node, job = await stage.dispatched(100, units=3)
    assert await stage.of_user(user) == (600, 300)
    for number in (1, 2):
        await stage.do(UnitAssign(job, number, 1, node))
    await stage.do(complete(job, node, unit=0))
    assert await stage.status(job) == "RUNNING"
    await stage.do(UnitFail(job, 1, 1, node, "scene", "no camera"))
    assert await stage.status(job) == "RUNNING"
    await stage.do(complete(job, node, unit=2))
    assert await stage.status(job) == "FAILED"
    assert await stage.of_user(user) == (400, 0)  # the finished unit stays paid
    assert await stage.store.audit() == []


async def test_the_job_names_the_error_of_the_unit_that_failed_last(stage: Stage) -> None:
    _, node, job = await stage.dispatched(0, units=3)
    for number in (1, 2):
        await stage.do(UnitAssign(job, number, 1, node))
    for number, error in ((2, "no camera"), (0, "no light")):
        await stage.do(UnitFail(job, number, 1, node, "scene", error))
        assert (await stage.job(job)).error_message is None
    await stage.do(complete(job, node, unit=1))
    assert (await stage.job(job)).error_message == "no light"


async def test_one_batch_may_change_some_units_and_cancel_all(stage: Stage) -> None:
    user, node, job = await stage.dispatched(100, units=3)
    outcomes = await stage.commit(
        Commit((), (UnitAssign(job, 2, 1, node),)),
        Commit((), (UnitFail(job, 2, 1, node, "scene", "no camera"),)),
        Commit((), (JobCancel(job, user),)),
        Commit((), (UnitStart(job, 0, 1, node),)),
    )
    assert [type(outcome) for outcome in outcomes] == [Posted, Posted, Posted, GuardFailed]
    row = await stage.job(job)
    assert (row.status, row.open_units, row.failed_units, row.cancelled_units) == (
        *("CANCELLED", 0),
        *(1, 2),
    )
    assert await stage.of_user(user) == (600, 0)
    assert await stage.store.audit() == []


async def test_who_is_refused_hears_of_the_unit_in_question_alone(stage: Stage) -> None:
    _, node, job = await stage.dispatched(100, units=3)
    outcome = await stage.do(UnitStart(job, 1, 1, node))
    assert outcome == GuardFailed(
        "UnitStart", RowState.QUEUED, (UnitState(job, 1, "QUEUED", 0, None, "DISPATCHED"),)
    )


async def test_a_whole_life_in_one_batch(stage: Stage) -> None:
    user, node, job = await stage.user(100), await stage.node(), fresh_id()
    outcomes = await stage.commit(
        dispatch(user, job, 100, 1, node),
        Commit((), (UnitStart(job, 0, 1, node),)),
        Commit((), (UnitFail(job, 0, 1, node, "network", "reset", stage.clock.now()),)),
        Commit((), (UnitAssign(job, 0, 2, node),)),
        Commit((), (complete(job, node, 2),)),
    )
    assert [type(outcome) for outcome in outcomes] == [Posted] * 5
    assert await stage.of_user(user) == (0, 0)
    assert await stage.store.audit() == []


async def test_a_job_that_the_schema_refuses_harms_no_neighbour(stage: Stage) -> None:
    user, node = await stage.user(200), await stage.node()
    good, bad = dispatch(user, fresh_id(), 100, 1, node), dispatch(user, fresh_id(), 100, 1, node)
    order = bad.effects[0]
    assert isinstance(order, JobInsert)
    broken = with_plan(order, job_type="r" * 101)
    bad = attrs.evolve(bad, effects=(broken, *bad.effects[1:]))
    outcomes = await stage.commit(bad, good)
    assert [type(outcome) for outcome in outcomes] == [DataRefused, Posted]
    assert await stage.of_user(user) == (200, 100)


async def test_a_job_that_is_done_again_under_two_names_harms_no_neighbour(stage: Stage) -> None:
    """The Ledger's rows do not show the conflict; only the schema's unique index refuses the second
    retry.
    """
    user, first = await stage.user(1000), fresh_id()
    again, once_more, beside = fresh_id(), fresh_id(), fresh_id()
    await stage.commit(dispatch(user, first))
    retried = attrs.evolve(insert(user, again, 0), retry_of=first)
    twice = attrs.evolve(insert(user, once_more, 0), retry_of=first)
    assert isinstance(await stage.do(retried), Posted)
    orders = (dispatch(user, beside), Commit((), (twice,)), dispatch(user, fresh_id(), 50))
    outcomes = await stage.commit(*orders)
    assert [type(outcome) for outcome in outcomes] == [Posted, DataRefused, Posted]
    assert await stage.of_user(user) == (1000, 250)
    assert await stage.store.audit() == []
