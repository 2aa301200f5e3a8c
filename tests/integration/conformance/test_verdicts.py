"""Delivered units and their money wait for verdicts, on the in-memory store and on PostgreSQL."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import (
    Comparison,
    DisputeDecide,
    DisputeOpen,
    JobStop,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitDeliver,
    UnitFail,
    UnitRequeue,
    UnitRetry,
    UnitStart,
    UnitVerdict,
    VerdictOutcome,
)
from actors.ledger.messages import (
    Commit,
    GuardFailed,
    GuardReason,
    Posted,
    Replayed,
    RowState,
    UnitState,
)
from rendertrust.comparison_method import ComparisonMethod
from rendertrust.receipt import IssuedReceipt
from rendertrust.verdict_reason import VerdictReason
from sql.account_names import REVENUE
from sql.audit_log import Act
from sql.checks import SceneReport, UncutScene
from sql.earnings import GivenComparison
from sql.job_plan import NewUnit
from sql.nodes import StandingChange, StandingRecord
from sql.reputation_rules import STRIKES_MOST, TRIED_MOST, Record
from tests.integration.conformance.stage import (
    SCENE,
    Stage,
    dispatch,
    fresh_id,
    insert,
    with_plan,
)

CLASS = "cpu/avx2/e13b728c6880"
RESULT = "s3://rendertrust/results/x"
SIGNED, OTHER = '{"pixels": {"sha256": "aa"}}', '{"pixels": {"sha256": "bb"}}'


def delivery(
    job: UUID, node: UUID, operator: str | None = None, *, attempt: int = 1, unit: int = 0
) -> UnitDeliver:
    is_verified = operator is not None
    known = (job, unit, attempt, node, RESULT, b"s" * 32, 9)
    result = UnitComplete(*known, verified=is_verified, operator=operator)
    return UnitDeliver(result, CLASS, evidence_sha256=b"e" * 32, evidence_size=11)


def said(
    job: UUID, outcome: VerdictOutcome, operator: str | None = None, **more: object
) -> UnitVerdict:
    """Return a verdict on attempt 1; ``invalid`` is a strike unless overridden."""
    why: VerdictReason | None = "checks-failed" if outcome == "unverifiable" else None
    known = UnitVerdict(
        *(job, 0, 1, outcome), operator=operator, strike=outcome == "invalid", reason=why
    )
    return attrs.evolve(known, **more)  # type: ignore[arg-type]


@attrs.frozen
class Delivered:
    user: UUID
    node: UUID
    job: UUID
    operator: str


async def delivered(stage: Stage) -> Delivered:
    """Deliver a unit at a price of 100 by a node whose operator may earn."""
    user, node, job = await stage.dispatched(100)
    operator = f"operator:{fresh_id()}"
    await stage.do(UnitStart(job, 0, 1, node))
    outcome = await stage.do(delivery(job, node, operator))
    assert outcome == Posted(units=(UnitState(job, 0, "VERIFYING", 1, node, "RUNNING"),))
    return Delivered(user, node, job, operator)


async def test_what_is_delivered_is_neither_charged_nor_paid(stage: Stage) -> None:
    case = await delivered(stage)
    assert await stage.of_user(case.user) == (200, 100)
    assert await stage.money(REVENUE) == (0, 0)
    unit = await stage.unit(case.job)
    assert (unit.state, unit.result_key, unit.verified) == ("VERIFYING", None, False)
    (waiting,) = await stage.store.pending_checks(10)
    assert (waiting.row.evidence_sha256, waiting.row.evidence_size) == (b"e" * 32, 11)
    assert (waiting.row.job, waiting.row.operator) == (case.job, case.operator)
    assert (waiting.price, waiting.row.result_ref) == (100, RESULT)
    again = await stage.do(delivery(case.job, case.node, case.operator))
    assert isinstance(again, Replayed)
    assert await stage.store.audit() == []


async def test_the_database_says_how_long_a_delivery_has_waited(stage: Stage) -> None:
    await delivered(stage)
    stage.clock.pass_by(90)
    (waiting,) = await stage.store.pending_checks(10)
    assert waiting.waited == pytest.approx(90)


async def test_nobody_takes_it_from_its_node_any_more(stage: Stage) -> None:
    case = await delivered(stage)
    assert await stage.store.open_units_of(case.node) == []
    assert await stage.open_units(100) == []
    stage.clock.pass_by(86400)
    assert await stage.store.lost_units(timedelta(0)) == []
    twice = UnitComplete(case.job, 0, 1, case.node, RESULT, b"t" * 32, 9)
    for effect in (
        twice,
        UnitRequeue(case.job, 0, 1, "lost"),
        UnitAssign(case.job, 0, 2, case.node),
    ):
        outcome = await stage.do(effect)
        assert isinstance(outcome, GuardFailed), effect
        assert outcome.found is RowState.VERIFYING


@pytest.mark.parametrize("outcome", ["exact", "consistent"])
async def test_valid_work_is_charged_and_paid_with_its_verdict(
    stage: Stage, outcome: VerdictOutcome
) -> None:
    case = await delivered(stage)
    receipt = IssuedReceipt('{"a":1}', b"s" * 64, 100)
    effect = said(case.job, outcome, case.operator, receipt=receipt)
    done = await stage.commit(*[Commit((), (effect,))] * 2)
    state = UnitState(case.job, 0, "COMPLETED", 1, case.node, "COMPLETED")
    assert done == [Posted(units=(state,)), Replayed(units=(state,))]
    assert await stage.of_user(case.user) == (100, 0)
    assert await stage.money(case.operator) == (70, 0)
    assert await stage.money(REVENUE) == (30, 0)
    unit = await stage.unit(case.job)
    assert (unit.result_key, unit.result_sha256, unit.verified) == (RESULT, b"s" * 32, True)
    assert await stage.store.pending_checks(10) == []
    assert await stage.store.records([case.node]) == [Record(case.node, CLASS, False, "", "v", 70)]
    assert await stage.store.audit() == []


@pytest.mark.parametrize("whose", ["his own", "his organisation's", "invited", "a stranger's"])
@pytest.mark.parametrize("outcome", ["exact", "invalid"])
async def test_who_works_for_himself_earns_no_name_with_strangers(
    stage: Stage, whose: str, outcome: VerdictOutcome
) -> None:
    """An invalid result counts whoever ordered the work."""
    user, node, job = await stage.dispatched(100)
    owner = user if whose == "his own" else await stage.user()
    await stage.own(node, owner)
    if whose == "his organisation's":
        await stage.found(user, owner)
    if whose == "invited":  # the invitation is not accepted
        await stage.invite(owner, user)
    await stage.do(delivery(job, node))
    await stage.do(said(job, outcome, retry_at=stage.clock.now()))
    told = "m" if outcome == "invalid" else "v" if whose in ("invited", "a stranger's") else ""
    records = await stage.store.records([node])
    assert records == ([Record(node, CLASS, False, "", told)] if told else [])
    assert await stage.store.audit() == []


async def test_a_record_has_the_shares_of_the_valid_results_in_a_row(stage: Stage) -> None:
    """The results have different prices; a strike or a release from quarantine ends the row."""
    node, operator, work, letters = await stage.node(), f"operator:{fresh_id()}", 0, ""
    for price, outcome in (
        (10, "exact"),
        (30, "exact"),
        (50, "invalid"),
        (7, "exact"),
        (99, "exact"),
    ):
        stage.clock.pass_by(1)
        _, _, job = await stage.dispatched(price)
        first = (await stage.unit(job)).node_id
        now = stage.clock.now()
        assert first is not None
        await stage.do(UnitFail(job, 0, 1, first, "node", "it fell", retry_at=now))
        await stage.do(UnitAssign(job, 0, 2, node))
        await stage.do(delivery(job, node, operator, attempt=2))
        verdict = said(job, outcome, operator, attempt=2, retry_at=now)  # type: ignore[arg-type]
        assert isinstance(await stage.do(verdict), Posted)
        work = 0 if outcome == "invalid" else work + price * 70 // 100
        letters += "m" if outcome == "invalid" else "v"
        [found] = await stage.store.records([node])
        assert (found.since, found.work) == (letters, work)
        assert found.reputation.valid_for(30) == min(work // 30, len(letters.rpartition("m")[2]))


async def test_an_invalid_result_is_not_paid_and_the_unit_is_anothers(stage: Stage) -> None:
    case = await delivered(stage)
    effect = said(case.job, "invalid", case.operator, said="35.2 dB", retry_at=stage.clock.now())
    done = await stage.commit(*[Commit((), (effect,))] * 2)
    state = UnitState(case.job, 0, "QUEUED", 1, None, "RUNNING")
    assert done == [Posted(units=(state,)), Replayed(units=(state,))]
    assert await stage.of_user(case.user) == (200, 100)
    assert await stage.money(REVENUE) == (0, 0)
    unit = await stage.unit(case.job)
    assert (unit.failures, unit.avoid, unit.error_class) == (1, (case.node,), "node")
    assert "35.2 dB" in (unit.error_message or "")
    assert unit.error_code == "invalid"
    assert await stage.store.records([case.node]) == [Record(case.node, CLASS, False, "", "m")]
    assert await stage.store.audit() == []
    other = await stage.node()
    assert isinstance(await stage.do(UnitAssign(case.job, 0, 2, other)), Posted)
    assert isinstance(await stage.do(effect), Replayed), "the verdict on attempt 1 is booked"
    otherwise = attrs.evolve(effect, outcome="exact")
    assert isinstance(await stage.do(otherwise), GuardFailed)
    outcome = await stage.do(delivery(case.job, other, case.operator, attempt=2))
    assert isinstance(outcome, Posted)
    assert isinstance(await stage.do(effect), Replayed)
    right = attrs.evolve(said(case.job, "exact", case.operator), attempt=2)
    assert isinstance(await stage.do(right), Posted)
    assert await stage.money(case.operator) == (70, 0)
    assert await stage.store.audit() == []


async def test_what_is_invalid_and_nobodys_fault_is_not_paid_either_and_is_no_strike(
    stage: Stage,
) -> None:
    case = await delivered(stage)
    now = stage.clock.now()
    effect = said(case.job, "invalid", case.operator, strike=False, retry_at=now)
    outcome = await stage.do(effect)
    assert outcome == Posted(units=(UnitState(case.job, 0, "QUEUED", 1, None, "RUNNING"),))
    assert await stage.of_user(case.user) == (200, 100)
    assert await stage.money(case.operator) == (0, 0)
    assert await stage.store.records([case.node]) == []
    assert await stage.store.audit() == []


async def test_an_invalid_result_without_a_strike_ends_the_row_of_valid_ones(stage: Stage) -> None:
    first, verifier = await delivered(stage), await stage.node()
    await stage.do(said(first.job, "exact", first.operator))
    stage.clock.pass_by(1)
    user, job = await stage.user(200), fresh_id()
    await stage.commit(dispatch(user, job, 100, 1, first.node))
    await stage.do(delivery(job, first.node, first.operator))
    now = stage.clock.now()
    refusal = said(job, "invalid", first.operator, strike=False, verifier=verifier, retry_at=now)
    assert isinstance(await stage.do(refusal), Posted)
    [found] = await stage.store.records([first.node])
    assert found == Record(first.node, CLASS, False, "", "vx", 0)
    assert (found.reputation.valid_in_row, found.reputation.strikes) == (0, 0)


async def test_the_last_invalid_result_gives_the_creator_all_back(stage: Stage) -> None:
    case = await delivered(stage)
    outcome = await stage.do(said(case.job, "invalid", case.operator))
    assert isinstance(outcome, Posted)
    assert outcome.units[0].state == "FAILED"
    assert await stage.of_user(case.user) == (200, 0)
    assert await stage.store.audit() == []


@pytest.mark.parametrize(("pays", "charge", "share"), [(True, 100, 70), (False, 0, 0)])
async def test_what_nobody_could_check_is_charged_where_it_is_paid(
    stage: Stage, pays: bool, charge: int, share: int
) -> None:
    case = await delivered(stage)
    outcome = await stage.do(said(case.job, "unverifiable", case.operator, pays=pays))
    assert isinstance(outcome, Posted)
    assert await stage.of_user(case.user) == (200 - charge, 0)
    assert await stage.money(REVENUE) == (charge - share, 0)
    assert (await stage.unit(case.job)).price == charge
    assert await stage.store.audit() == []


async def test_an_upheld_dispute_replaces_the_verdict_with_a_strike(stage: Stage) -> None:
    """The strike and the refund are one transaction."""
    case, dispute = await delivered(stage), fresh_id()
    assert isinstance(await stage.do(said(case.job, "sampled-out", case.operator)), Posted)
    opened = DisputeOpen(dispute, case.job, 0, case.user, "a mark", timedelta(days=7))
    assert isinstance(await stage.do(opened), Posted)
    stage.clock.pass_by(60)
    found = said(case.job, "invalid", case.operator, comparison=Comparison("whole", True, 9.0))
    for wrong in (None, f"operator:{fresh_id()}"):
        other = attrs.evolve(found, operator=wrong)
        outcome = await stage.do(DisputeDecide(case.job, 0, case.user, True, "x", verdict=other))
        assert isinstance(outcome, GuardFailed)
    decided = DisputeDecide(
        case.job, 0, case.user, True, "a check found that the result is invalid", verdict=found
    )
    for kind in (Posted, Replayed):
        assert isinstance(await stage.do(decided), kind)
    assert await stage.of_user(case.user) == (200, 0)
    assert await stage.money(case.operator) == (0, 0)
    assert await stage.store.records([case.node]) == [Record(case.node, CLASS, False, "", "m")]
    assert await stage.store.audit() == []


async def test_a_creator_may_dispute_what_the_gateway_withheld_and_found_right(
    stage: Stage,
) -> None:
    case = await delivered(stage)
    assert isinstance(await stage.do(said(case.job, "sampled-out", case.operator)), Posted)
    of, window = (case.job, 0, case.user), timedelta(days=7)
    clawback = DisputeOpen(fresh_id(), *of, "clawback", timedelta(0), by_gateway=True)
    assert isinstance(await stage.do(clawback), Posted)
    mine = DisputeOpen(fresh_id(), *of, "a mark", window)
    assert await stage.do(mine) == GuardFailed("DisputeOpen", GuardReason.DISPUTED), (
        "the gateway's own dispute is open"
    )
    await stage.store.note_finding(case.job, 0, "unverifiable")
    rejected = DisputeDecide(case.job, 0, case.user, False, "an admin looked at it")
    assert isinstance(await stage.do(rejected), Posted)
    again = attrs.evolve(clawback, id=fresh_id())
    assert await stage.do(again) == GuardFailed("DisputeOpen", GuardReason.DISPUTED)
    for kind in (Posted, Replayed):
        assert isinstance(await stage.do(mine), kind)
    await stage.store.note_finding(case.job, 0, "invalid")
    upheld = DisputeDecide(case.job, 0, case.user, True, "an admin looked at it")
    assert isinstance(await stage.do(upheld), Posted)
    assert await stage.of_user(case.user) == (200, 0)
    other = attrs.evolve(mine, id=fresh_id())
    assert await stage.do(other) == GuardFailed("DisputeOpen", GuardReason.DISPUTED)
    assert await stage.store.audit() == []


async def test_nobody_is_charged_for_a_node_that_cannot_be_paid(stage: Stage) -> None:
    """The node's key was never proved, so the verdict does not matter."""
    user, node, job = await stage.dispatched(100)
    await stage.do(delivery(job, node))
    assert isinstance(await stage.do(said(job, "exact")), Posted)
    assert await stage.of_user(user) == (200, 0)
    assert await stage.store.audit() == []


async def test_what_was_delivered_before_a_stop_is_charged_if_it_is_right(stage: Stage) -> None:
    case = await delivered(stage)
    assert isinstance(await stage.do(JobStop(case.job, case.user)), Posted)
    assert await stage.of_user(case.user) == (200, 100)
    assert isinstance(await stage.do(said(case.job, "exact", case.operator)), Posted)
    assert (await stage.of_user(case.user), await stage.status(case.job)) == ((100, 0), "COMPLETED")
    assert await stage.store.audit() == []


async def test_an_order_of_what_nobody_was_paid_for_is_known_again(stage: Stage) -> None:
    """The client did not get the answer, and repeats the order."""
    case = await delivered(stage)
    await stage.do(said(case.job, "unverifiable", case.operator, pays=False))
    (again,) = await stage.commit(dispatch(case.user, case.job, 100, 1, case.node))
    assert isinstance(again, Replayed), again
    assert await stage.of_user(case.user) == (200, 0)


async def test_who_earns_is_who_delivered(stage: Stage) -> None:
    case = await delivered(stage)
    for wrong in (None, f"operator:{fresh_id()}"):
        outcome = await stage.do(said(case.job, "exact", wrong))
        assert isinstance(outcome, GuardFailed)
    assert await stage.money(REVENUE) == (0, 0)


async def test_a_delivery_of_another_attempt_or_node_is_none(stage: Stage) -> None:
    user, node, job = await stage.dispatched(100)
    stale = delivery(job, node, attempt=2)
    for wrong in (stale, delivery(job, await stage.node())):
        outcome = await stage.do(wrong)
        assert isinstance(outcome, GuardFailed)
        assert outcome.found is RowState.DISPATCHED
    assert isinstance(await stage.do(said(job, "exact")), GuardFailed)
    assert await stage.of_user(user) == (200, 100)


async def test_of_two_verdicts_the_first_counts(stage: Stage) -> None:
    case = await delivered(stage)
    one = Commit((), (said(case.job, "exact", case.operator),))
    other = Commit((), (said(case.job, "invalid", case.operator),))
    first, second = await stage.commit(one, other)
    assert isinstance(first, Posted)
    assert isinstance(second, GuardFailed)
    assert await stage.money(case.operator) == (70, 0)
    assert await stage.store.audit() == []


async def test_what_was_delivered_without_a_word_before_ran_all_the_same(stage: Stage) -> None:
    _, node, job = await stage.dispatched(100)
    await stage.do(delivery(job, node))
    await stage.do(said(job, "invalid", retry_at=stage.clock.now()))
    assert (await stage.unit(job)).started_at is not None
    assert await stage.store.audit() == []


async def test_what_waits_is_read_in_pages(stage: Stage) -> None:
    cases = [await delivered(stage) for _ in range(3)]
    first = await stage.store.pending_checks(2)
    rest = await stage.store.pending_checks(2, first[-1].place)
    assert {one.row.job for one in (*first, *rest)} == {case.job for case in cases}


@pytest.mark.parametrize("outcome", ["invalid", "unverifiable"])
async def test_what_is_not_charged_pays_nobody(stage: Stage, outcome: VerdictOutcome) -> None:
    case = await delivered(stage)
    effect = said(case.job, outcome, case.operator, pays=False)
    assert isinstance(await stage.do(effect), Posted)
    assert await stage.money(REVENUE) == (0, 0)
    assert await stage.store.audit() == []


async def test_a_lie_that_the_session_caught_stands_in_the_record(stage: Stage) -> None:
    _, node, job = await stage.dispatched(100)
    lie = UnitFail(job, 0, 1, node, "node", "another hash", stage.clock.now(), caught=CLASS)
    done = await stage.commit(*[Commit((), (lie,))] * 2)
    assert [type(one) for one in done] == [Posted, Replayed]
    assert await stage.store.records([node]) == [Record(node, CLASS, False, "", "m")]
    assert await stage.store.audit() == []


async def test_a_scene_of_which_parts_say_nothing_is_known_by_its_user_and_place(
    stage: Stage,
) -> None:
    case, other = await delivered(stage), await delivered(stage)
    [mine] = [p for p in await stage.store.pending_checks(256) if p.row.job == case.job]
    assert not mine.is_uncut
    noted = UncutScene((mine.user, mine.plan.payload_ref), mine.row.id, stage.clock.now())
    for _ in range(2):
        await stage.store.note_uncut_scene(noted)
    found = {p.row.job: p for p in await stage.store.pending_checks(256)}
    assert found[case.job].is_uncut
    theirs = found[other.job]
    same = (theirs.user, theirs.plan.payload_ref) == (mine.user, mine.plan.payload_ref)
    assert theirs.is_uncut is same


@pytest.mark.parametrize(
    ("outcome", "loose", "is_loose"),
    [("invalid", True, True), ("invalid", False, False), ("exact", True, False)],
)
async def test_a_scene_in_which_a_refusal_was_no_strike_is_known(
    stage: Stage, outcome: VerdictOutcome, *, loose: bool, is_loose: bool
) -> None:
    """Honest renders of its other units may differ, too, and those of later jobs with the scene."""
    user, node, job = await stage.dispatched(100, units=2)
    await stage.do(UnitAssign(job, 1, 1, node))
    await stage.do(delivery(job, node), delivery(job, node, unit=1))
    other, later, changed = await delivered(stage), fresh_id(), fresh_id()
    scenes = {later: SCENE, changed: "s3://bucket/other.blend"}
    for name, scene in scenes.items():
        order = with_plan(insert(user, name, price=0), payload_ref=scene)
        assert isinstance(await stage.do(order, UnitAssign(name, 0, 1, node)), Posted)
        await stage.do(delivery(name, node))
    comparison = Comparison("whole", remade=True, distance=9.0, loose=loose)
    now = stage.clock.now()
    verdict = said(job, outcome, comparison=comparison, strike=False, retry_at=now)
    assert isinstance(await stage.do(verdict), Posted)
    found = {p.row.job: p.is_loose for p in await stage.store.pending_checks(10)}
    assert found == {job: is_loose, later: is_loose, changed: False, other.job: False}


async def test_a_dispute_that_a_check_leaves_to_an_admin_is_pending_no_more(stage: Stage) -> None:
    case, other = await delivered(stage), await delivered(stage)
    method, whole = ComparisonMethod.OTHER_SEEDS, Comparison("whole", True, 0.05)
    how = {"verifier_class": CLASS, "comparison": whole, "method": method}
    for one in (case, other):
        verdict = said(one.job, "consistent", one.operator, **how)
        assert isinstance(await stage.do(verdict), Posted)
        of = (one.job, 0, one.user)
        held = DisputeOpen(fresh_id(), *of, "not compared", timedelta(0), by_gateway=True)
        assert isinstance(await stage.do(held), Posted)
    for finding in ("unverifiable: it has hair", "invalid"):
        await stage.store.note_finding(case.job, 0, finding)
    await stage.store.note_finding(fresh_id(), 0, "exact")
    [waiting] = await stage.store.pending_checks(10)
    row = waiting.row
    assert (row.job, row.verifier_class, row.method) == (other.job, CLASS, method)
    assert (row.compared, row.remade, row.distance) == ("whole", True, 0.05)
    for one in (case, other):
        decided = DisputeDecide(one.job, 0, one.user, True, "an admin")
        assert isinstance(await stage.do(decided), Posted)
    assert await stage.store.pending_checks(10) == []
    assert await stage.store.audit() == []


@pytest.mark.parametrize("upheld", [True, False])
async def test_what_was_not_compared_of_a_node_that_is_caught_waits_again(
    stage: Stage, upheld: bool
) -> None:
    case, now = await delivered(stage), stage.clock.now()
    looked_at, other = await delivered(stage), await delivered(stage)
    assert isinstance(await stage.do(said(case.job, "sampled-out", case.operator)), Posted)
    assert isinstance(await stage.do(said(looked_at.job, "exact", looked_at.operator)), Posted)
    assert isinstance(await stage.do(said(other.job, "sampled-out", other.operator)), Posted)
    for node in (case.node, looked_at.node):
        assert await stage.store.unchecked_earnings(10) == []
        _, first, job = await stage.dispatched(100)
        await stage.do(UnitFail(job, 0, 1, first, "node", "it fell", retry_at=now))
        await stage.do(UnitAssign(job, 0, 2, node))
        lie = UnitFail(job, 0, 2, node, "node", "it lied", retry_at=now, caught=CLASS)
        assert isinstance(await stage.do(lie), Posted)
        if node == case.node:
            [found] = await stage.store.unchecked_earnings(10)
            assert (found.job, found.unit, found.user) == (case.job, 0, case.user)
            name, of = fresh_id(), (case.job, 0, case.user)
            held = DisputeOpen(name, *of, "not compared", timedelta(0), by_gateway=True)
            assert isinstance(await stage.do(held), Posted)
    [again] = await stage.store.pending_checks(10)
    assert (again.row.id, again.is_again, again.row.verdict) == (
        (case.job, 0, 1),
        True,
        "sampled-out",
    )
    assert await stage.store.pending_checks(10, again.place) == []
    decided = DisputeDecide(case.job, 0, case.user, upheld, "a check")
    assert isinstance(await stage.do(decided), Posted)
    assert await stage.store.pending_checks(10) == []
    assert await stage.money(case.operator) == (0 if upheld else 70, 0)
    assert await stage.of_user(case.user) == (200 if upheld else 100, 0)
    assert await stage.store.audit() == []


@pytest.mark.parametrize("is_compared", [False, True])
async def test_a_rejected_dispute_keeps_no_share_from_a_check(
    stage: Stage, *, is_compared: bool
) -> None:
    """Only a share whose unit was compared for the dispute is safe from later checks.

    The gateway's dispute replaces the creator's.
    """
    case, now = await delivered(stage), stage.clock.now()
    assert isinstance(await stage.do(said(case.job, "sampled-out", case.operator)), Posted)
    name, of = fresh_id(), (case.job, 0, case.user)
    given = GivenComparison("different", "dark", [(0.5, 0.25), (0.0, 0.1)], b"a picture")
    opened = DisputeOpen(name, *of, "too dark", timedelta(days=7))
    opened = attrs.evolve(opened, comparison=given if is_compared else None)
    assert isinstance(await stage.do(opened), Posted)
    waiting = [one.disputed for one in await stage.store.pending_checks(10)]
    assert waiting == ([((0.5, 0.25), (0.0, 0.1))] if is_compared else []), (
        "a dispute with a comparison is checked at once"
    )
    _, first, lie = await stage.dispatched(100)
    await stage.do(UnitFail(lie, 0, 1, first, "node", "it fell", retry_at=now))
    await stage.do(UnitAssign(lie, 0, 2, case.node))
    await stage.do(UnitFail(lie, 0, 2, case.node, "node", "it lied", retry_at=now, caught=CLASS))
    assert await stage.store.unchecked_earnings(10) == [], (
        "a share with an open dispute is left to whoever decides the dispute"
    )
    assert isinstance(await stage.do(DisputeDecide(*of, False, "it is dark")), Posted)
    found = [one.job for one in await stage.store.unchecked_earnings(10)]
    assert found == ([] if is_compared else [case.job])
    if not is_compared:
        clawback = DisputeOpen(fresh_id(), *of, "clawback", timedelta(0), by_gateway=True)
        assert isinstance(await stage.do(clawback), Posted)
        [again] = await stage.store.pending_checks(10)
        assert (again.row.job, again.is_again, again.disputed) == (case.job, True, None)
        assert isinstance(await stage.do(DisputeDecide(*of, False, "a check")), Posted)
        assert await stage.store.unchecked_earnings(10) == []
    assert await stage.store.audit() == []


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ({}, True),
        ({"strike": True}, True),
        ({"verifier": None}, False),
        ({"verifier": None, "strike": True}, True),
        ({"withdrawn": True}, False),
    ],
)
async def test_an_invalid_result_recalls_others_unless_its_scene_or_the_store_is_at_fault(
    stage: Stage, how: dict[str, Any], counts: bool
) -> None:
    case, now = await delivered(stage), stage.clock.now()
    assert isinstance(await stage.do(said(case.job, "sampled-out", case.operator)), Posted)
    other = await delivered(stage)
    _, first, job = await stage.dispatched(100)
    await stage.do(UnitFail(job, 0, 1, first, "node", "it fell", retry_at=now))
    await stage.do(UnitAssign(job, 0, 2, case.node))
    assert isinstance(await stage.do(delivery(job, case.node, case.operator, attempt=2)), Posted)
    given = {"verifier": other.node, "strike": False, "retry_at": now, "attempt": 2, **how}
    assert isinstance(await stage.do(said(job, "invalid", case.operator, **given)), Posted)
    found = [one.job for one in await stage.store.unchecked_earnings(10)]
    assert found == ([case.job] if counts else [])
    # Without a strike, no more shares are withheld at a time than are asked for.
    assert isinstance(await stage.do(said(other.job, "sampled-out", other.operator)), Posted)
    of = (other.job, 0, other.user)
    held = DisputeOpen(fresh_id(), *of, "not compared", timedelta(0), by_gateway=True)
    assert isinstance(await stage.do(held), Posted)
    is_sure = bool(how.get("strike"))
    assert len(await stage.store.unchecked_earnings(1)) == is_sure
    assert len(await stage.store.unchecked_earnings(2)) == counts
    await stage.store.note_finding(other.job, 0, "unverifiable")
    assert len(await stage.store.unchecked_earnings(1)) == counts
    assert isinstance(await stage.do(DisputeDecide(*of, False, "an admin")), Posted)
    assert await stage.store.audit() == []


async def test_what_was_delivered_before_the_lie_waits_again_however_late_it_is_settled(
    stage: Stage,
) -> None:
    before, now = await delivered(stage), stage.clock.now()
    _, first, lie = await stage.dispatched(100)
    await stage.do(UnitFail(lie, 0, 1, first, "node", "it fell", retry_at=now))
    await stage.do(UnitAssign(lie, 0, 2, before.node))
    await stage.do(UnitFail(lie, 0, 2, before.node, "node", "it lied", retry_at=now, caught=CLASS))
    stage.clock.pass_by(1000)
    assert isinstance(await stage.do(said(before.job, "sampled-out", before.operator)), Posted)
    _, second, job = await stage.dispatched(100)
    await stage.do(UnitFail(job, 0, 1, second, "node", "it fell", retry_at=now))
    await stage.do(UnitAssign(job, 0, 2, before.node))
    late = delivery(job, before.node, before.operator, attempt=2)
    assert isinstance(await stage.do(late), Posted)
    verdict = said(job, "sampled-out", before.operator, attempt=2)
    assert isinstance(await stage.do(verdict), Posted)
    assert [one.job for one in await stage.store.unchecked_earnings(10)] == [before.job]


@pytest.mark.parametrize(
    ("frames", "params", "waits"),
    [
        ("1-8", {}, True),
        ("-3--1", {}, True),
        ("2,5", {}, True),
        ("7", {}, False),
        ("-7", {}, False),
        (None, {"frames": [1, 2]}, True),
        (None, {"frames": [1]}, False),
        (None, {"frame": 1}, False),
    ],
)
async def test_a_chunk_that_was_checked_waits_again_as_most_of_it_was_not_looked_at(
    stage: Stage, frames: str | None, params: dict[str, Any], waits: bool
) -> None:
    user, node, job, now = await stage.user(200), await stage.node(), fresh_id(), stage.clock.now()
    order = with_plan(insert(user, job), params=params, units=(NewUnit(100, 0, frames),))
    assert isinstance(await stage.do(order, UnitAssign(job, 0, 1, node)), Posted)
    operator = f"operator:{fresh_id()}"
    assert isinstance(await stage.do(delivery(job, node, operator)), Posted)
    assert isinstance(await stage.do(said(job, "exact", operator)), Posted)
    _, first, other = await stage.dispatched(100)
    await stage.do(UnitFail(other, 0, 1, first, "node", "it fell", retry_at=now))
    await stage.do(UnitAssign(other, 0, 2, node))
    await stage.do(UnitFail(other, 0, 2, node, "node", "it lied", retry_at=now, caught=CLASS))
    found = await stage.store.unchecked_earnings(10)
    assert [one.job for one in found] == ([job] if waits else [])


async def test_quarantine_is_said_once_and_written_down(stage: Stage) -> None:
    node = await stage.node()
    assert await quarantined(stage, node) == StandingRecord("QUARANTINED", 1, "it lied")
    assert await quarantined(stage, node) is None


def quarantine_act(stage: Stage, node: UUID) -> Act:
    return Act(stage.clock.now(), None, "verifier", "node.quarantine", f"node:{node}", "it lied")


async def quarantined(stage: Stage, node: UUID) -> StandingRecord | None:
    """Quarantine a node for its record; return its new standing if this changed anything."""
    [*records] = await stage.store.records([node])
    released_at = records[0].released_at if records else None
    return await stage.store.quarantine(node, released_at, quarantine_act(stage, node))


async def caught(stage: Stage) -> tuple[UUID, UUID]:
    """Return a node with three strikes that the gateway has quarantined, and its owner."""
    node, owner = await stage.node(), await stage.user()
    await stage.own(node, owner)
    await verdicts(stage, node, await stage.user(), ["invalid"] * STRIKES_MOST)
    stage.clock.pass_by(1)
    assert await quarantined(stage, node) is not None
    return node, owner


async def brought(stage: Stage, node: UUID, user: UUID, **changes: Any) -> UUID:
    """Have the node deliver a frame for a user, a second after the last one, with other bytes."""
    stage.clock.pass_by(1)
    job = fresh_id()
    order = with_plan(insert(user, job, price=0), pool="mine")
    assert isinstance(await stage.do(order, UnitAssign(job, 0, 1, node)), Posted)
    given: dict[str, Any] = {"sha256": job.bytes * 2, **changes}
    made = signed(delivery(job, node), **given)
    assert isinstance(await stage.do(made), Posted)
    return job


async def decided(stage: Stage, job: UUID, outcome: VerdictOutcome) -> None:
    verdict = said(job, outcome, retry_at=stage.clock.now())
    assert isinstance(await stage.do(verdict), Posted)


async def verdicts(
    stage: Stage, node: UUID, user: UUID, outcomes: Sequence[str], **changes: Any
) -> None:
    """Have the node deliver frames for a user, with these outcomes."""
    for outcome in cast("Sequence[VerdictOutcome]", outcomes):
        await decided(stage, await brought(stage, node, user, **changes), outcome)


@pytest.mark.parametrize(
    ("outcomes", "is_released"),
    [
        (["exact"] * 9, False),
        (["exact", "consistent"] * 5, True),
        (["exact"] * 9 + ["invalid"] + ["exact"] * 9, False),
        (["invalid"] + ["exact"] * 10, True),
        (["exact"] * 9 + ["unverifiable", "unverified", "sampled-out"], False),
        (["exact"] * 5 + ["unverifiable", "unverified", "sampled-out"] + ["exact"] * 5, True),
    ],
)
async def test_ten_valid_results_in_a_row_for_its_owner_end_the_quarantine_of_a_node(
    stage: Stage, outcomes: list[str], is_released: bool
) -> None:
    node, owner = await caught(stage)
    await verdicts(stage, node, owner, outcomes)
    expected = {node: 1} if is_released else {}
    assert await stage.store.releasable_nodes() == expected
    assert await stage.store.audit() == []


async def test_only_results_for_the_owner_since_the_quarantine_count(stage: Stage) -> None:
    """A result that was delivered before the quarantine does not count, even if decided in it."""
    node, owner = await stage.node(), await stage.user()
    await stage.own(node, owner)
    await verdicts(stage, node, owner, ["exact"] * 10)
    early = [await brought(stage, node, owner) for _ in range(10)]
    stage.clock.pass_by(1)
    assert await quarantined(stage, node) is not None
    stage.clock.pass_by(1)
    for job in early:
        await decided(stage, job, "exact")
    await verdicts(stage, node, await stage.user(), ["exact"] * 10)
    await verdicts(stage, node, owner, ["exact"] * 9)
    assert await stage.store.releasable_nodes() == {}
    await verdicts(stage, node, owner, ["exact"])
    assert await stage.store.releasable_nodes() == {node: 1}


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({"sha256": b"s" * 32}, 1),
        ({"work": SIGNED}, 1),
        ({"evidence_sha256": None, "evidence_size": None}, 0),
    ],
    ids=["the same file", "the same pixels in other files", "without evidence"],
)
async def test_only_different_frames_with_evidence_count(
    stage: Stage, changes: dict[str, Any], counted: int
) -> None:
    """Tiles, chunks, merged frames and videos have no evidence."""
    node, owner = await caught(stage)
    await verdicts(stage, node, owner, ["exact"] * 3, **changes)
    await verdicts(stage, node, owner, ["exact"] * (9 - counted))
    assert await stage.store.releasable_nodes() == {}
    await verdicts(stage, node, owner, ["exact"])
    assert await stage.store.releasable_nodes() == {node: 1}


async def test_a_result_from_before_an_invalid_one_was_found_does_not_count(stage: Stage) -> None:
    node, owner = await caught(stage)
    lie, *early = [await brought(stage, node, owner) for _ in range(11)]
    stage.clock.pass_by(1)
    await decided(stage, lie, "invalid")
    for job in early:
        await decided(stage, job, "exact")
    await verdicts(stage, node, owner, ["exact"] * 9)
    assert await stage.store.releasable_nodes() == {}
    await verdicts(stage, node, owner, ["exact"])
    assert await stage.store.releasable_nodes() == {node: 1}


async def test_a_refuted_report_on_a_scene_restarts_the_count(stage: Stage) -> None:
    node, owner = await caught(stage)
    job, other = fresh_id(), await stage.node()
    (outcome,) = await stage.commit(dispatch(await stage.user(200), job, node=node))
    assert isinstance(outcome, Posted)
    await stage.own(other, await stage.user())
    now = stage.clock.now()
    await stage.do(UnitFail(job, 0, 1, node, "scene", "no camera", retry_at=now, accused=CLASS))
    await verdicts(stage, node, owner, ["exact"] * 9)
    await stage.do(UnitAssign(job, 0, 2, other), delivery(job, other, attempt=2))
    await stage.do(said(job, "exact", attempt=2))
    await verdicts(stage, node, owner, ["exact"] * 9)
    assert await stage.store.releasable_nodes() == {}
    await verdicts(stage, node, owner, ["exact"])
    assert await stage.store.releasable_nodes() == {node: 1}


async def test_a_release_is_written_once_and_resets_the_record(stage: Stage) -> None:
    node, owner = await caught(stage)
    reviewed = quarantine_act(stage, node)
    await verdicts(stage, node, owner, ["exact"] * 10)
    release = StandingChange(node, 1, "ACTIVE", "ten were valid")
    act = attrs.evolve(reviewed, at=stage.clock.now(), act="node.release", reason="ten were valid")
    released = StandingRecord("ACTIVE", 2, "ten were valid")
    assert await stage.store.stand(release, act) == released
    assert await stage.store.stand(release, act) is None, "another gateway was faster"
    assert [one.act for one in await stage.acts()] == ["node.quarantine", "node.release"]
    assert await stage.store.releasable_nodes() == {}
    records = await stage.store.records([node])
    assert [(one.released, one.before, one.since) for one in records] == [(True, "mmm", "")]
    [row] = await stage.store.standings(stage.clock.now())
    assert (row.node, row.owner, row.standing, row.at) == (node, owner, released, act.at)
    assert await stage.store.quarantine(node, None, reviewed) is None, "its record was read before"
    stage.clock.pass_by(1)
    assert await quarantined(stage, node) is not None
    await verdicts(stage, node, owner, ["exact"] * 10)
    assert await stage.store.releasable_nodes() == {}, "results release a node only once"


@pytest.mark.parametrize("order", ["before", "after", "alone"])
async def test_a_quarantine_that_an_admin_ordered_is_not_ended_by_results(
    stage: Stage, order: str
) -> None:
    node, owner = await stage.node(), await stage.user()
    await stage.own(node, owner)
    act = attrs.evolve(quarantine_act(stage, node), actor="ann")
    if order != "after":
        assert await stage.store.stand(StandingChange(node, 0, "QUARANTINED", "black"), act)
        stage.clock.pass_by(1)
    if order != "alone":
        assert await quarantined(stage, node) is not None
        stage.clock.pass_by(1)
    if order == "after":
        assert await stage.store.stand(StandingChange(node, 1, "QUARANTINED", "black"), act)
    await verdicts(stage, node, owner, ["exact"] * 10)
    assert await stage.store.releasable_nodes() == {}


@pytest.mark.parametrize(
    ("how", "may_release"),
    [
        ("none", False),
        ("hand", False),
        ("lies", True),
        ("lies, then hand", False),
        ("released", False),
        ("a stranger's", False),
        ("no evidence", False),
        ("before", False),
    ],
)
async def test_a_result_that_may_end_its_nodes_quarantine_is_marked(
    stage: Stage, how: str, *, may_release: bool
) -> None:
    node, owner = await stage.node(), await stage.user()
    await stage.own(node, owner)
    act, versions = quarantine_act(stage, node), itertools.count()
    if how == "before":
        await brought(stage, node, owner)
    if how == "released":
        await verdicts(stage, node, await stage.user(), ["invalid"] * STRIKES_MOST)
    stage.clock.pass_by(1)
    if how not in ("none", "hand"):
        assert await quarantined(stage, node)
        next(versions)
        stage.clock.pass_by(1)
    if how == "released":
        change = StandingChange(node, next(versions), "ACTIVE", "she says so")
        assert await stage.store.stand(change, act)
        stage.clock.pass_by(1)
        assert await quarantined(stage, node)
    if "hand" in how:
        change = StandingChange(node, next(versions), "QUARANTINED", "black")
        assert await stage.store.stand(change, act)
    if how != "before":
        changes = {"evidence_sha256": None, "evidence_size": None} if how == "no evidence" else {}
        user = await stage.user() if how == "a stranger's" else owner
        await brought(stage, node, user, **changes)
    [waiting] = await stage.store.pending_checks(10)
    assert waiting.may_release is may_release


async def test_no_more_than_thirty_results_may_end_a_quarantine(stage: Stage) -> None:
    """They cost the owner nothing, but the gateway's verifiers render each of them."""
    node, owner = await caught(stage)
    await verdicts(stage, node, owner, ["invalid"] * (TRIED_MOST - 2))
    for _ in range(3):
        await brought(stage, node, owner)
    waiting = await stage.store.pending_checks(10)
    assert [one.may_release for one in waiting] == [True, True, False]


@pytest.mark.parametrize(("withdrawn", "letters"), [(True, []), (False, ["m"])])
async def test_a_scene_at_fault_clears_those_before(
    stage: Stage, withdrawn: bool, letters: list[str]
) -> None:
    """The first attempt got a strike; the verdict on the next attempt blames the scene."""
    case = await delivered(stage)
    verifier, now = await stage.node(), stage.clock.now()
    wrong = said(case.job, "invalid", case.operator, verifier=verifier, retry_at=now)
    await stage.do(wrong)
    node = await stage.node()
    await stage.do(UnitAssign(case.job, 0, 2, node))
    await stage.do(delivery(case.job, node, attempt=2))
    last = said(case.job, "invalid", None, attempt=2, verifier=verifier, withdrawn=withdrawn)
    assert isinstance(await stage.do(last), Posted)
    found = await stage.store.records([case.node, node])
    assert [one.since for one in found if one.since] == letters * 2
    assert await stage.store.audit() == []


@pytest.mark.parametrize(
    ("first", "second", "is_compared", "agrees"),
    [
        ({"draw": 0.0}, {}, True, True),
        ({"draw": 0.0}, {}, False, False),
        ({"draw": 0.9}, {}, True, False),
        ({}, {}, True, False),
        ({"draw": 0.0}, {"sha256": b"t" * 32}, True, False),
        ({"draw": 0.0, "work": SIGNED}, {"work": SIGNED, "sha256": b"t" * 32}, True, True),
        ({"draw": 0.0, "work": SIGNED}, {"work": OTHER}, True, False),
        ({"draw": 0.0, "work": SIGNED}, {}, True, False),
        ({"draw": 0.0, "work": '{"pixels": null}'}, {}, True, True),
    ],
)
async def test_whose_invalid_results_of_a_unit_agree_with_the_next_one(
    stage: Stage, first: dict[str, Any], second: dict[str, Any], *, is_compared: bool, agrees: bool
) -> None:
    _, node, job = await stage.dispatched(100)
    owner, other = await stage.user(), await stage.node()
    await stage.own(node, owner)
    comparison = Comparison("whole", remade=True, distance=9.0) if is_compared else None
    await stage.do(signed(attrs.evolve(delivery(job, node), odds=0.5), **first))
    await stage.do(said(job, "invalid", retry_at=stage.clock.now(), comparison=comparison))
    await stage.do(UnitAssign(job, 0, 2, other))
    await stage.do(signed(delivery(job, other, attempt=2), **second))
    [pending] = [p for p in await stage.store.pending_checks(256) if p.row.job == job]
    assert pending.agreeing == ({owner} if agrees else set())


def signed(
    made: UnitDeliver, *, sha256: bytes = b"s" * 32, work: str | None = None, **changes: Any
) -> UnitDeliver:
    result = attrs.evolve(made.result, sha256=sha256)
    signature = None if work is None else "0" * 128
    return attrs.evolve(made, result=result, work=work, node_signature=signature, **changes)


@pytest.mark.parametrize(
    "made_of_it",
    ["failed on 3 nodes, last by: no memory", "a check rejected the result: 9 times the noise"],
)
async def test_what_the_gateway_makes_of_failures_is_no_nodes_word(
    stage: Stage, made_of_it: str
) -> None:
    user, node, job = await stage.dispatched(100)
    other = await stage.node()
    await stage.own(node, await stage.user())
    await stage.own(other, await stage.user())
    await stage.do(UnitFail(job, 0, 1, node, "scene", made_of_it))
    await stage.do(UnitRetry(job, 0, user))
    await stage.do(UnitAssign(job, 0, 2, other))
    await stage.do(delivery(job, other, attempt=2))
    await stage.do(said(job, "exact", attempt=2))
    assert await stage.store.scene_reports(job, 0) == []
    assert await stage.store.records([node]) == []


@pytest.mark.parametrize("is_copy", [False, True])
async def test_one_of_two_attempts_that_lies_has_it_in_its_record(
    stage: Stage, *, is_copy: bool
) -> None:
    _, node, job = await stage.dispatched(100)
    other, now = await stage.node(), stage.clock.now()
    await stage.do(UnitCopy(job, 0, 2, other, beside=1))
    liar, attempt = (other, 2) if is_copy else (node, 1)
    lie = UnitFail(job, 0, attempt, liar, "node", "another hash", retry_at=now, caught=CLASS)
    assert isinstance(await stage.do(lie), Posted)
    assert await stage.store.records([node, other]) == [Record(liar, CLASS, False, "", "m")]
    assert (await stage.unit(job)).state == "DISPATCHED"
    assert await stage.store.audit() == []


@pytest.mark.parametrize(
    ("outcome", "loose"),
    [
        ("exact", False),
        ("exact", True),
        ("consistent", True),
        ("sampled-out", False),
        ("unverified", False),
        ("invalid", False),
    ],
)
async def test_what_a_node_said_of_a_scene_is_refuted_by_a_valid_one(
    stage: Stage, outcome: VerdictOutcome, *, loose: bool
) -> None:
    """Another owner's valid result refutes the report, unless the check found that honest nodes may
    render the scene differently: then it may fail on one of them only.
    """
    user, node, job = await stage.dispatched(100)
    other, now = await stage.node(), stage.clock.now()
    owners = [await stage.user() for _ in range(2)]
    await stage.own(node, owners[0])
    await stage.own(other, owners[1])
    assert await stage.store.scene_reports(job, 0) == []
    fault = UnitFail(job, 0, 1, node, "scene", "no camera", retry_at=now, accused=CLASS)
    await stage.do(fault)
    assert await stage.of_user(user) == (200, 100)
    assert await stage.store.scene_reports(job, 0) == [SceneReport(node, owners[0])]
    await stage.do(UnitAssign(job, 0, 2, other))
    await stage.do(delivery(job, other, attempt=2))
    comparison = Comparison("regions", remade=True, distance=0.0, loose=loose)
    await stage.do(said(job, outcome, attempt=2, comparison=comparison))
    is_refuted = outcome == "exact" and not loose
    refuted = [Record(node, CLASS, False, "", "m")] if is_refuted else []
    assert await stage.store.records([node]) == refuted
