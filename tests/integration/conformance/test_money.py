"""Transfers, holds and idempotency keys, on the in-memory store and on PostgreSQL."""

import asyncio
import secrets
from collections import Counter

import attrs

from actors.ledger.draft import Draft
from actors.ledger.effects import JobCancel, Transfer, UnitComplete
from actors.ledger.messages import (
    Commit,
    DataRefused,
    ExistsWithOtherAmount,
    GuardFailed,
    HoldClosed,
    IdempotencyKey,
    InsufficientCredits,
    KeyConflict,
    Posted,
    Replayed,
)
from actors.ledger.postings import release, settle
from sql.account_names import ADJUSTMENTS, REVENUE, operator_account, user_account, work_reference
from sql.books import Keys
from tests.integration.conformance.stage import Stage, act, dispatch, fresh_id, grant, insert


async def test_a_transfer_moves_units_and_tells_its_entry(stage: Stage) -> None:
    user = await stage.user()
    (outcome,) = await stage.commit(Commit((grant(user, 500),)))
    assert isinstance(outcome, Posted)
    (entry,) = outcome.entries
    assert (entry.amount, entry.balance_after, entry.reference) == (500, 500, "grant")
    assert entry.created_at == stage.clock.now()
    assert await stage.of_user(user) == (500, 0)
    assert await stage.money(ADJUSTMENTS) == (-500, 0)
    assert await stage.store.audit() == []


async def test_a_reference_posts_once_and_is_told_again(stage: Stage) -> None:
    user = await stage.user()
    first, twin = await stage.commit(Commit((grant(user, 5),)), Commit((grant(user, 5),)))
    (later,) = await stage.commit(Commit((grant(user, 5),)))
    assert isinstance(first, Posted)
    assert twin == later == Replayed(entries=first.entries)
    assert await stage.of_user(user) == (5, 0)


async def test_a_reference_with_another_amount_or_direction_is_refused(stage: Stage) -> None:
    user = await stage.user(5)
    back = attrs.evolve(grant(user, 5), debit=user_account(user), credit=ADJUSTMENTS)
    more, reversed_ = await stage.commit(Commit((grant(user, 6),)), Commit((back,)))
    assert more == reversed_ == ExistsWithOtherAmount("grant")
    assert await stage.of_user(user) == (5, 0)


async def test_two_accounts_may_use_the_same_words(stage: Stage) -> None:
    one, other = await stage.user(5), await stage.user(7)
    assert (await stage.of_user(one), await stage.of_user(other)) == ((5, 0), (7, 0))


async def test_what_is_held_cannot_be_spent(stage: Stage) -> None:
    user = await stage.user(100)
    account = user_account(user)
    held = await stage.do(insert(user, fresh_id(), 80))
    spend = Transfer(account, ADJUSTMENTS, account, 21, "ADJUSTMENT", "spend")
    assert isinstance(held, Posted)
    assert await stage.do(transfers=(spend,)) == InsufficientCredits(available=20, requested=21)
    assert await stage.do(insert(user, fresh_id(), 21)) == InsufficientCredits(20, 21)
    assert await stage.of_user(user) == (100, 80)


async def drafted(stage: Stage, reference: str) -> Draft:
    """Return a draft of the books with this hold, as effects change it."""
    async with stage.store.transaction() as books:
        rows = await books.lock(Keys(holds={reference}))
    return Draft(rows, rows.now, secrets.token_bytes)


async def test_a_hold_is_settled_once(stage: Stage) -> None:
    user, node, job = await stage.user(100), await stage.node(), fresh_id()
    operator, reference = operator_account(fresh_id()), work_reference(job, 0)
    done = UnitComplete(
        *(job, 0, 1, node, "x"),
        verified=True,
        operator=operator,
        share_percent=70,
    )
    held, settled = await stage.commit(dispatch(user, job, 80, 1, node), Commit((), (done,)))
    assert isinstance(held, Posted)
    assert isinstance(settled, Posted)
    assert settled.entries == ()
    assert await stage.of_user(user) == (20, 0)
    assert await stage.money(operator) == (56, 0)  # 70 % of 80
    assert await stage.money(REVENUE) == (24, 0)
    again = await stage.commit(
        Commit((), (done,)),
        Commit((), (insert(user, job, 80),)),
        Commit((), (insert(user, job, 81),)),
    )
    assert [type(outcome) for outcome in again] == [Replayed, Replayed, GuardFailed]
    draft = await drafted(stage, reference)
    assert settle(draft, reference, operator=operator, share_percent=70) is False
    assert release(draft, reference) == HoldClosed(reference)
    assert await stage.of_user(user) == (20, 0)


async def test_a_hold_is_released_whole(stage: Stage) -> None:
    user, job = await stage.user(100), fresh_id()
    reference = work_reference(job, 0)
    await stage.do(insert(user, job, 80))
    assert await stage.of_user(user) == (100, 80)
    assert isinstance(await stage.do(JobCancel(job, user)), Posted)
    assert await stage.of_user(user) == (100, 0)
    assert isinstance(await stage.do(JobCancel(job, user)), Replayed)
    draft = await drafted(stage, reference)
    assert release(draft, reference) is False
    assert settle(draft, reference) == HoldClosed(reference)
    assert (release(draft, "nothing"), settle(draft, "none")) == (False, False)


async def test_a_commit_is_done_whole_or_not_at_all(stage: Stage) -> None:
    user = await stage.user(10)
    account = user_account(user)
    spend = Transfer(account, ADJUSTMENTS, account, 7, "ADJUSTMENT", "one")
    both = Commit((spend, attrs.evolve(spend, reference="two")))
    refused, small = await stage.commit(both, Commit((attrs.evolve(spend, amount=4),)))
    assert refused == InsufficientCredits(available=3, requested=7)
    assert isinstance(small, Posted)
    assert await stage.of_user(user) == (6, 0)


async def test_nonsense_is_refused_and_harms_no_neighbour(stage: Stage) -> None:
    user = await stage.user()
    good = grant(user, 5, "good")
    nonsense = [
        attrs.evolve(good, amount=0, reference="zero"),
        attrs.evolve(good, amount=-5, reference="negative"),
        attrs.evolve(good, debit="nobody", reference="unknown"),
        attrs.evolve(good, credit=ADJUSTMENTS, reference="itself"),
        attrs.evolve(good, kind="GIFT", reference="kind"),
        attrs.evolve(good, amount=2**63, reference="huge"),
        attrs.evolve(good, reference="nul\x00"),
        attrs.evolve(good, reference="surrogate \ud800"),
        attrs.evolve(good, reference="long" * 100),
    ]
    outcomes = await stage.commit(Commit((good,)), *(Commit((bad,)) for bad in nonsense))
    assert isinstance(outcomes[0], Posted)
    assert [type(outcome) for outcome in outcomes[1:]] == [GuardFailed] * 4 + [DataRefused] * 5
    assert await stage.of_user(user) == (5, 0)
    assert await stage.store.audit() == []


async def test_a_key_answers_as_the_first_time(stage: Stage) -> None:
    user = await stage.user(10)
    key = IdempotencyKey(user, "k", b"r" * 32, {"status": 200, "body": {"n": "ü"}})
    account = user_account(user)
    spend = Transfer(account, ADJUSTMENTS, account, 7, "ADJUSTMENT", "one")
    other = attrs.evolve(key, request=b"s" * 32, answer={"status": 500, "body": None})
    first, twin, conflict = await stage.commit(
        Commit((spend,), (), key), Commit((spend,), (), key), Commit((), (), other)
    )
    assert isinstance(first, Posted)
    assert twin == Replayed(first.entries, answer=key.answer)
    assert conflict == KeyConflict("k")
    assert await stage.commit(Commit((), (), key), Commit((), (), other)) == [
        Replayed(answer=key.answer),
        conflict,
    ]


async def test_the_key_of_a_refusal_may_be_used_again(stage: Stage) -> None:
    user = await stage.user()
    key = IdempotencyKey(user, "k", b"r" * 32, {"status": 200, "body": {}})
    order = attrs.evolve(dispatch(user, fresh_id()), idempotency=key)
    refused = (await stage.commit(order))[0]
    await stage.commit(Commit((grant(user, 100),)))
    assert refused == InsufficientCredits(0, 100)
    assert isinstance((await stage.commit(order))[0], Posted)


async def test_of_32_dispatches_against_credits_for_10_exactly_10_are_posted(stage: Stage) -> None:
    user = await stage.user(1000)
    orders = [dispatch(user, fresh_id(), 100) for _ in range(32)]
    one, other = stage.ledger(), stage.ledger()
    halves = await asyncio.gather(
        *(one.commit(orders[n : n + 4]) for n in range(0, 16, 4)),
        *(other.commit(orders[n : n + 4]) for n in range(16, 32, 4)),
    )
    kinds = Counter(type(outcome) for half in halves for outcome in half)
    assert kinds == {Posted: 10, InsufficientCredits: 22}
    assert await stage.of_user(user) == (1000, 1000)
    assert await stage.store.audit() == []


async def test_two_ledgers_on_one_database_take_turns(stage: Stage) -> None:
    users = [await stage.user(50) for _ in range(4)]
    accounts = [user_account(user) for user in users]

    def round_robin(ledger: int, step: int) -> Commit:
        a, b = accounts[(step + ledger) % 4], accounts[(3 * step + 1) % 4]
        b = b if a != b else ADJUSTMENTS
        return Commit((Transfer(a, b, a, 1 + step % 7, "ADJUSTMENT", f"{ledger}-{step}"),))

    ledgers = [stage.ledger(), stage.ledger()]
    await asyncio.gather(
        *(
            ledgers[n % 2].commit([round_robin(n % 2, 5 * n + k) for k in range(5)])
            for n in range(20)
        )
    )
    assert await stage.store.audit() == []
    assert all(balance >= 0 for balance, _ in [await stage.of_user(user) for user in users])


# -- acts of admins


async def test_an_act_is_written_down_with_what_it_did(stage: Stage) -> None:
    user = await stage.user()
    first, other = act("a gift", amount="0.0005"), act("another")
    orders = (Commit((grant(user, 5),), act=first), Commit((grant(user, 7, "b"),), act=other))
    assert [type(outcome) for outcome in await stage.commit(*orders)] == [Posted, Posted]
    assert list(await stage.acts()) == [first, other]
    assert [type(outcome) for outcome in await stage.commit(*orders)] == [Replayed, Replayed]
    assert list(await stage.acts()) == [first, other]


async def test_an_act_that_changed_nothing_is_not_written_down(stage: Stage) -> None:
    user = await stage.user(5)
    account = user_account(user)
    spend = Transfer(account, ADJUSTMENTS, account, 6, "ADJUSTMENT", "spend")
    refused = (Commit((spend,), act=act("too much")), Commit((grant(user, 6),), act=act("other")))
    kinds = [InsufficientCredits, ExistsWithOtherAmount]
    assert [type(outcome) for outcome in await stage.commit(*refused)] == kinds
    assert await stage.acts() == []


async def test_an_act_under_a_key_is_written_down_once(stage: Stage) -> None:
    user, admin = await stage.user(), await stage.user()
    key = IdempotencyKey(admin, "k", b"1" * 32, {"status": 200})
    order = Commit((grant(user, 5),), idempotency=key, act=act("once"))
    posted, *others = await stage.commit(order, order, order)
    assert isinstance(posted, Posted)
    assert [type(other) for other in others] == [Replayed, Replayed]
    assert len(await stage.acts()) == 1
