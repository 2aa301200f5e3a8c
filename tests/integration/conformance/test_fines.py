"""Stakes of operators and fines for invalid results, on the in-memory store and on PostgreSQL.

A stake sets the odds that a result is compared. Shares at stake do not mature before the verdict. A
fine takes pending shares, also disputed ones.
"""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import UnitAssign, UnitComplete, UnitDeliver, UnitVerdict, VerdictOutcome
from actors.ledger.messages import Commit, GuardFailed, Posted, Replayed
from sql.account_names import REVENUE, operator_account
from sql.books import Keys
from sql.checks import CheckRow
from sql.earnings import MaturedEarning
from tests.integration.conformance.earnings import (
    WINDOW,
    Work,
    decide,
    dispute,
    mature,
    share_of,
    take,
    worked,
)
from tests.integration.conformance.stage import Stage

SHARE = 70  # of a unit at a price of 100


@attrs.frozen
class Delivery:
    """A unit that a node delivered."""

    job: UUID
    node: UUID
    operator: str


async def deliver(
    stage: Stage, owner: UUID, *, price: int = 40, odds: float = 0.25, draw: float = 0.0
) -> Delivery:
    """Deliver a unit by a node of this owner; the unit then waits for its verdict."""
    _, node, job = await stage.dispatched(price)
    await stage.own(node, owner)
    made = Delivery(job, node, operator_account(owner))
    assert isinstance(await stage.do(delivery_of(made, odds=odds, draw=draw)), Posted)
    return made


def delivery_of(made: Delivery, attempt: int = 1, *, odds: float, draw: float) -> UnitDeliver:
    result = UnitComplete(
        *(made.job, 0, attempt, made.node, "s3://rendertrust/x", b"s" * 32, 9),
        verified=True,
        operator=made.operator,
        dispute_window=WINDOW,
    )
    return UnitDeliver(result, "cpu", draw=draw, odds=odds)


def verdict_on(
    stage: Stage, made: Delivery, outcome: VerdictOutcome = "invalid", *, fine: int = 0
) -> UnitVerdict:
    is_invalid = outcome == "invalid"
    known = UnitVerdict(made.job, 0, 1, outcome, operator=made.operator)
    return attrs.evolve(
        known, strike=is_invalid, fine=fine, retry_at=stage.clock.now() if is_invalid else None
    )


async def judged(
    stage: Stage, made: Delivery, outcome: VerdictOutcome = "invalid", fine: int = 0
) -> None:
    assert isinstance(await stage.do(verdict_on(stage, made, outcome, fine=fine)), Posted)


async def book_honest_work(stage: Stage, owner: UUID, count: int) -> list[Work]:
    """Book ``count`` valid units whose earnings are pending, oldest first."""
    found = list[Work]()
    for _ in range(count):
        found.append(await worked(stage, owner))
        stage.clock.pass_by(1)
    return found


async def check_of(stage: Stage, made: Delivery) -> CheckRow:
    async with stage.store.transaction() as books:
        rows = await books.lock(Keys(checks={(made.job, 0)}))
    return rows.checks[made.job, 0, 1]


async def states(stage: Stage, works: list[Work]) -> list[str]:
    return [(await share_of(stage, work)).state for work in works]


async def ripe(stage: Stage) -> set[UUID]:
    found = await stage.store.matured_earnings(100)
    assert all(isinstance(one, MaturedEarning) for one in found)
    return {one.job for one in found}


# ── the draw ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("price", "asked", "odds"), [(10, 0.05, 14 / 147), (10, 0.5, 0.5), (1000, 0.05, 1.0)]
)
async def test_the_odds_are_those_at_which_the_stake_covers_the_fine(
    stage: Stage, price: int, asked: float, odds: float
) -> None:
    owner, other = await stage.user(), await stage.user()
    await book_honest_work(stage, owner, 2)
    await book_honest_work(stage, other, 1)
    for draw in (odds - 0.01, odds):
        row = await check_of(stage, await deliver(stage, owner, price=price, odds=asked, draw=draw))
        assert row.drawn is (draw < odds)
        assert row.odds == pytest.approx(odds)


async def test_what_is_disputed_or_has_matured_is_no_stake(stage: Stage) -> None:
    owner = await stage.user()
    first, second = await book_honest_work(stage, owner, 2)
    await dispute(stage, first)
    row = await check_of(stage, await deliver(stage, owner, price=10, odds=0.05))
    assert row.odds == pytest.approx(14 / 77)
    await judged(stage, Delivery(row.job, row.node, operator_account(owner)), "exact")
    stage.clock.pass_by(WINDOW.total_seconds() - 1)
    assert (await share_of(stage, second)).state == "PENDING", (
        "still pending, but no stake, as its window is about to end"
    )
    row = await check_of(stage, await deliver(stage, owner, price=10, odds=0.05))
    assert row.odds == 1.0, "the only stake is the 7 of the delivery before"


async def test_how_long_the_oldest_delivery_waits_is_known(stage: Stage) -> None:
    assert await stage.store.longest_wait() == 0
    await deliver(stage, await stage.user())
    stage.clock.pass_by(90)
    assert await stage.store.longest_wait() == pytest.approx(90)


# ── stakes remain until the verdict ──────────────────────────────────────────────────────────────


async def test_a_share_at_stake_does_not_mature_before_the_verdict(stage: Stage) -> None:
    owner = await stage.user()
    works = await book_honest_work(stage, owner, 3)
    made = await deliver(stage, owner)
    stage.clock.pass_by(WINDOW.total_seconds())
    assert await ripe(stage) == set()
    for work in works:
        assert isinstance(await mature(stage, work), GuardFailed)
    assert await take(stage, owner) is None, "no share can be paid out"
    await judged(stage, made, fine=2 * SHARE)
    assert await states(stage, works) == ["PENDING", "FORFEITED", "FORFEITED"]
    assert await ripe(stage) == {works[0].job}
    assert isinstance(await mature(stage, works[0]), Posted)
    assert isinstance(await mature(stage, works[1]), GuardFailed), "forfeited shares do not mature"
    assert await stage.store.audit() == []


async def test_what_was_delivered_later_or_by_others_or_long_ago_keeps_no_share(
    stage: Stage,
) -> None:
    owner = await stage.user()
    [work] = await book_honest_work(stage, owner, 1)
    await deliver(stage, await stage.user())
    stage.clock.pass_by(WINDOW.total_seconds())
    await deliver(stage, owner)
    assert await ripe(stage) == {work.job}
    assert isinstance(await mature(stage, work), Posted)
    [other] = await book_honest_work(stage, owner, 1)
    stage.clock.pass_by(WINDOW.total_seconds())
    assert await ripe(stage) == set()
    stage.clock.pass_by(timedelta(days=30).total_seconds())
    assert await ripe(stage) == {other.job}
    assert isinstance(await mature(stage, other), Posted)


async def test_a_rejected_dispute_does_not_pay_what_is_at_stake(stage: Stage) -> None:
    owner = await stage.user()
    [work] = await book_honest_work(stage, owner, 1)
    await dispute(stage, work)
    made = await deliver(stage, owner)
    stage.clock.pass_by(WINDOW.total_seconds())
    await decide(stage, work, upheld=False)
    assert await states(stage, [work]) == ["PENDING"]
    await judged(stage, made, "exact")
    assert isinstance(await mature(stage, work), Posted)


@pytest.mark.parametrize("upheld", [True, False])
async def test_a_dispute_keeps_no_share_from_a_fine(stage: Stage, *, upheld: bool) -> None:
    """An accomplice could otherwise protect the share by a dispute; if it is upheld, the creator is
    refunded.
    """
    owner = await stage.user()
    [work] = await book_honest_work(stage, owner, 1)
    made = await deliver(stage, owner)
    await dispute(stage, work)
    await judged(stage, made, fine=1)
    assert await states(stage, [work]) == ["FORFEITED"]
    assert await stage.store.audit() == []
    revenue = (await stage.money(REVENUE))[0]
    await decide(stage, work, upheld=upheld)
    assert await states(stage, [work]) == ["FORFEITED"]
    assert (await stage.of_user(work.creator))[0] == (100 if upheld else 0)
    assert (await stage.money(REVENUE))[0] == revenue - (100 if upheld else 0)
    assert (await stage.money(operator_account(owner)))[0] == 0
    assert await stage.store.audit() == []


async def test_the_gateway_withholds_what_is_pending_after_its_window(stage: Stage) -> None:
    owner = await stage.user()
    [work] = await book_honest_work(stage, owner, 1)
    await deliver(stage, owner)
    stage.clock.pass_by(WINDOW.total_seconds())
    assert isinstance(await dispute(stage, work), GuardFailed)
    assert isinstance(await dispute(stage, work, by_gateway=True), Posted)


# ── the fine ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("fine", "taken"), [(1, 1), (70, 1), (71, 2), (210, 3), (10**9, 3)])
async def test_a_fine_takes_the_newest_shares_whole_until_it_is_paid(
    stage: Stage, fine: int, taken: int
) -> None:
    owner = await stage.user()
    works = await book_honest_work(stage, owner, 3)
    made = await deliver(stage, owner, odds=0.01)
    revenue = (await stage.money(REVENUE))[0]
    await judged(stage, made, fine=fine)
    assert await states(stage, works) == ["PENDING"] * (3 - taken) + ["FORFEITED"] * taken
    assert await stage.money(operator_account(owner)) == ((3 - taken) * SHARE, 0)
    assert (await stage.money(REVENUE))[0] == revenue + taken * SHARE


async def test_two_gateways_take_it_once(stage: Stage) -> None:
    owner = await stage.user()
    works = await book_honest_work(stage, owner, 3)
    made = await deliver(stage, owner)
    commit = Commit(effects=(verdict_on(stage, made, fine=SHARE),))
    both = await asyncio.gather(*(stage.ledger().commit([commit]) for _ in range(2)))
    assert {type(outcome) for outcomes in both for outcome in outcomes} <= {Posted, Replayed}
    assert await states(stage, works) == ["PENDING", "PENDING", "FORFEITED"]
    assert await stage.store.audit() == []


async def test_two_fines_of_one_batch_take_different_shares(stage: Stage) -> None:
    owner = await stage.user()
    works = await book_honest_work(stage, owner, 3)
    lies = [await deliver(stage, owner) for _ in range(2)]
    await stage.commit(*(Commit(effects=(verdict_on(stage, lie, fine=SHARE),)) for lie in lies))
    assert await states(stage, works) == ["PENDING", "FORFEITED", "FORFEITED"]
    assert await stage.store.audit() == []


# ── withdrawn strikes ────────────────────────────────────────────────────────────────────────────


async def withdraw(
    stage: Stage, lie: Delivery, retry_at: datetime | None = None, *, odds: float = 0.25
) -> None:
    """Withdraw the strike: another owner's result of the unit equals the first, so neither owner is
    to blame.
    """
    attempt = 2
    node = await stage.node()
    owner = await stage.user()
    await book_honest_work(stage, owner, 1)
    await stage.own(node, owner)
    await stage.do(UnitAssign(lie.job, 0, attempt, node))
    other = Delivery(lie.job, node, operator_account(owner))
    await stage.do(delivery_of(other, attempt, odds=odds, draw=0.0))
    verdict = UnitVerdict(lie.job, 0, attempt, "invalid", operator=other.operator, withdrawn=True)
    assert isinstance(await stage.do(attrs.evolve(verdict, retry_at=retry_at)), Posted)


async def test_a_fine_is_given_back_with_the_strike(stage: Stage) -> None:
    owner = await stage.user()
    works = await book_honest_work(stage, owner, 3)
    lie = await deliver(stage, owner)
    await judged(stage, lie, fine=2 * SHARE)
    revenue = (await stage.money(REVENUE))[0]
    await withdraw(stage, lie)
    assert await states(stage, works) == ["PENDING"] * 3
    assert await stage.money(operator_account(owner)) == (3 * SHARE, 0)
    assert (await stage.money(REVENUE))[0] == revenue - 2 * SHARE + 30, (
        "less the fine, plus the gateway's part of the other owner's work"
    )
    assert await stage.store.audit() == []
    again = await deliver(stage, owner)
    await judged(stage, again, fine=3 * SHARE)
    assert await states(stage, works) == ["FORFEITED"] * 3, "forfeited for the second lie"
    assert await stage.store.audit() == []


async def test_an_account_that_risks_nothing_excuses_no_lie(stage: Stage) -> None:
    owner = await stage.user()
    works = await book_honest_work(stage, owner, 2)
    lie = await deliver(stage, owner)
    await judged(stage, lie, fine=2 * SHARE)
    await withdraw(stage, lie, odds=1.0)
    assert await states(stage, works) == ["FORFEITED"] * 2
    assert await stage.money(operator_account(owner)) == (0, 0)
    assert await stage.store.audit() == []


async def test_what_was_refunded_to_its_creator_is_not_given_back(stage: Stage) -> None:
    owner = await stage.user()
    works = await book_honest_work(stage, owner, 2)
    lie = await deliver(stage, owner)
    await judged(stage, lie, fine=2 * SHARE)
    await dispute(stage, works[0])
    await decide(stage, works[0], upheld=True)
    await withdraw(stage, lie)
    assert await states(stage, works) == ["FORFEITED", "PENDING"]
    assert await stage.money(operator_account(owner)) == (SHARE, 0)
    assert await stage.store.audit() == []


async def test_no_later_result_of_a_unit_whose_scene_is_at_fault_is_fined(stage: Stage) -> None:
    owner = await stage.user()
    [work] = await book_honest_work(stage, owner, 1)
    lie = await deliver(stage, owner, odds=1.0)
    await judged(stage, lie)
    await withdraw(stage, lie, retry_at=stage.clock.now())
    node = await stage.node()
    await stage.do(UnitAssign(lie.job, 0, 3, node))
    late = Delivery(lie.job, node, lie.operator)
    assert isinstance(await stage.do(delivery_of(late, 3, odds=0.5, draw=0.0)), Posted)
    verdict = attrs.evolve(verdict_on(stage, late, fine=SHARE), attempt=3)
    assert isinstance(await stage.do(verdict), Posted)
    assert await states(stage, [work]) == ["PENDING"]
