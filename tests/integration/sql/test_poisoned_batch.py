"""In a batch over PostgreSQL, one commit that violates a unique index fails alone."""

from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import JobInsert
from actors.ledger.messages import Commit, DataRefused, Posted, Replayed
from tests.integration.conformance.stage import Stage, dispatch, fresh_id, grant

NEIGHBOURS = 40
# Half of the neighbours are gifts and half are jobs; two jobs existed before.
DONE = (100_000 + 5 * NEIGHBOURS // 2, 100 * (2 + NEIGHBOURS // 2))


def as_retry(order: Commit, job: UUID) -> Commit:
    """Return the same order as a retry of ``job``, which allows only one retry."""
    (insert,) = order.effects
    assert isinstance(insert, JobInsert)
    return attrs.evolve(order, effects=(attrs.evolve(insert, retry_of=job),))


@pytest.mark.parametrize("place", [0, NEIGHBOURS // 2, NEIGHBOURS])
async def test_who_violates_an_index_is_refused_alone(stage: Stage, place: int) -> None:
    user, job = await stage.user(100_000), fresh_id()
    await stage.commit(dispatch(user, job), as_retry(dispatch(user, fresh_id()), job))
    poison = as_retry(dispatch(user, fresh_id()), job)
    orders = [Commit((grant(user, 5, str(number)),)) for number in range(NEIGHBOURS)]
    orders[1::2] = [dispatch(user, fresh_id()) for _ in orders[1::2]]
    orders.insert(place, poison)
    outcomes = await stage.commit(*orders)
    assert isinstance(outcomes[place], DataRefused)
    assert "jobs_retry_of" in str(outcomes[place])
    others = [*outcomes[:place], *outcomes[place + 1 :]]
    assert {type(outcome) for outcome in others} == {Posted}
    assert await stage.of_user(user) == DONE
    outcomes = await stage.commit(*orders)
    assert isinstance(outcomes.pop(place), DataRefused)
    assert {type(outcome) for outcome in outcomes} == {Replayed}
    assert await stage.of_user(user) == DONE
    assert await stage.store.audit() == []


async def test_of_two_that_want_the_same_place_one_gets_it(stage: Stage) -> None:
    user, job = await stage.user(100_000), fresh_id()
    await stage.commit(dispatch(user, job))
    both = [as_retry(dispatch(user, fresh_id()), job) for _ in range(2)]
    orders = [Commit((grant(user, 5, str(number)),)) for number in range(6)]
    outcomes = await stage.commit(both[0], *orders, both[1])
    kinds = sorted(type(outcome).__name__ for outcome in (outcomes[0], outcomes[-1]))
    assert kinds == ["DataRefused", "Posted"]
    assert {type(outcome) for outcome in outcomes[1:-1]} == {Posted}
    assert await stage.of_user(user) == (100_030, 200)
    assert await stage.store.audit() == []
